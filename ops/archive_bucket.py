"""A bucket of events that an earlier deployment has left: taken over by the next one, never made again.

CloudFormation takes a resource over only when its name is a literal in the template ("Import AWS
resources into a CloudFormation stack automatically"). So this one change set has the name in the
template; the next deployment names the bucket by its parameter again, which is the same name and changes
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import boto3
from botocore.exceptions import ClientError

from ops.cloudformation.operations import Changes, Precautions
from ops.errors import DeclinedError, InputError, StackError, readable_aws_errors
from ops.locate import Deployment
from ops.packaging.merge import Document
from ops.terminal import Terminal

PARAMETER = "EventsBucketName"
BUCKET = "EventsBucket"
_GENERATED = f"leave the name empty for a new one (--parameter {PARAMETER}=)"


@dataclass(frozen=True)
class Takeover:
    """The bucket that a deployment takes over."""

    name: str

    def template(self, template: Document) -> Document:
        """Return the template with the bucket's name as a literal.

        ``Retain``, because the bucket has events: a roll-back must not delete it.
        """
        bucket = template["Resources"][BUCKET]
        taken = {
            **bucket,
            "DeletionPolicy": "Retain",
            "Properties": {**bucket["Properties"], "BucketName": self.name},
        }
        return template | {"Resources": template["Resources"] | {BUCKET: taken}}

    def precautions(self) -> Precautions:
        """Return the import, and the check that the plan has it."""
        return Precautions(check=self.check, imports_existing=True)

    def check(self, changes: Changes) -> None:
        """Raise StackError for a plan that does not import the bucket, and nothing but the bucket. Pure."""
        resources = [change["ResourceChange"] for change in changes]
        imported = [found["LogicalResourceId"] for found in resources if found["Action"] == "Import"]
        if imported != [BUCKET]:
            raise StackError(
                f"The plan would import {', '.join(imported) or 'nothing'} instead of {BUCKET}. It is not "
                f"carried out. To deploy with another bucket, {_GENERATED}."
            )


def find_takeover(
    deployment: Deployment | None, values: Mapping[str, str], session: boto3.Session, terminal: Terminal
) -> Takeover | None:
    """Return the bucket to take over; None when the stack makes one, or has one. Asks before.

    Raises InputError for a bucket that exists and cannot be taken over, and DeclinedError with the remedy.
    """
    name = values.get(PARAMETER)
    standing = deployment.outputs.get(BUCKET) if deployment else None
    if not name or name == standing or not _exists(name, session):
        return None
    if standing:
        raise InputError(
            f"{PARAMETER} names {name}, which exists already, and the stack has the bucket {standing}. "
            "Only a new stack takes a bucket over. Name a bucket that does not exist."
        )
    owner = _stack_of(name, session)
    if owner:
        raise InputError(
            f"The bucket {name} belongs to the stack {owner}. Name another one, or {_GENERATED}."
        )
    terminal.report(f"\nThe bucket {name} exists and is yours, as a stage that was removed leaves it.")
    _agree(name, terminal)
    return Takeover(name)


def _agree(name: str, terminal: Terminal) -> None:
    plan = [f"  = take over {name} with the events in it"]
    remedy = f"To deploy without {name}, name another bucket (--parameter {PARAMETER}=...), or {_GENERATED}."
    try:
        agreed = terminal.confirm(plan)
    except DeclinedError as error:
        raise DeclinedError(f"{error.reason} {remedy}") from None
    if not agreed:
        raise DeclinedError(f"{name} exists and is not taken over. {remedy}")


def _exists(name: str, session: boto3.Session) -> bool:
    """Return whether there is a bucket of this account. Raises InputError for one of somebody else."""
    make: Any = session.client
    with readable_aws_errors():
        account = make("sts").get_caller_identity()["Account"]
        try:
            found = make("s3").head_bucket(Bucket=name, ExpectedBucketOwner=account)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in {"404", "NoSuchBucket"}:
                return False
            if code in {"301", "403"}:
                raise InputError(
                    f"{PARAMETER} names {name}, which exists and cannot be used: it is of another account or "
                    f"region, or closed to these credentials. Name another bucket, or {_GENERATED}."
                ) from error
            raise
    region = found.get("BucketRegion", session.region_name)
    if region != session.region_name:
        raise InputError(
            f"The bucket {name} is in {region}, and this would deploy to {session.region_name}. Name another "
            f"bucket, or {_GENERATED}."
        )
    return True


def _stack_of(bucket: str, session: boto3.Session) -> str | None:
    """Return the stack that a bucket belongs to."""
    cloudformation: Any = cast(Any, session).client("cloudformation")
    with readable_aws_errors():
        try:
            found = cloudformation.describe_stack_resources(PhysicalResourceId=bucket)["StackResources"]
        except ClientError as error:
            # There is no error code of its own for this.
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise
    return cast(str, found[0]["StackName"]) if found else None
