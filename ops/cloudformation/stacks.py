"""The calls to CloudFormation: upload, change set, progress, outputs, deletion.

changes.py decides what the calls say. The calls are the same for AWS and for an emulator.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import boto3
from botocore.exceptions import ClientError

from ops import parameters as parameter_rules
from ops.cloudformation import changes
from ops.cloudformation.artifacts import ArtifactBucket
from ops.errors import DeclinedError, StackError, readable_aws_errors
from ops.packaging.bundle import Package
from ops.packaging.merge import Document

Report = Callable[[str], None]
Confirm = Callable[[Sequence[str]], bool]
CheckEnd = Callable[[str, str, Sequence[Mapping[str, Any]]], None]


def deploy_stack(
    package: Package,
    stack_name: str,
    parameters: Mapping[str, str],
    session: boto3.Session,
    report: Report,
    *,
    endpoint_url: str | None = None,
    confirm: Confirm = lambda plan: True,
    tags: Mapping[str, str] | None = None,
    poll_seconds: float = 2.0,
) -> dict[str, str]:
    """Create or update the stack of a package, and return its outputs.

    A stack that is up to date is a success. ``report`` gets a line per event of a resource. ``confirm`` gets
    the plan before it is carried out. Raises DeclinedError when ``confirm`` returns False, InputError for a
    parameter, StackError with CloudFormation's reason, and AwsError.
    """
    changes.check_stack_name(stack_name)
    with readable_aws_errors():
        artifacts = ArtifactBucket.open(session, endpoint_url)
        bucket, key = artifacts.put(package.zip_path.read_bytes(), f"{stack_name}/", ".zip")
    return deploy_template(
        changes.with_code(package.template, bucket, key),
        stack_name,
        parameters,
        session,
        report,
        endpoint_url=endpoint_url,
        confirm=confirm,
        tags=tags,
        poll_seconds=poll_seconds,
    )


def deploy_template(
    template: Document,
    stack_name: str,
    parameters: Mapping[str, str],
    session: boto3.Session,
    report: Report,
    *,
    endpoint_url: str | None = None,
    confirm: Confirm = lambda plan: True,
    tags: Mapping[str, str] | None = None,
    poll_seconds: float = 2.0,
) -> dict[str, str]:
    """Create or update a stack of a template without code, as deploy_stack() does."""
    changes.check_stack_name(stack_name)
    with readable_aws_errors():
        stack = _Stack(
            name=stack_name,
            cloudformation=session.client("cloudformation", endpoint_url=endpoint_url),
            report=report,
            poll_seconds=poll_seconds,
        )
        found = stack.describe()
        stack.is_new = not found
        operation = changes.operation_for(stack_name, found["StackStatus"] if found else None)
        previous = [p["ParameterKey"] for p in found.get("Parameters", [])] if operation == "UPDATE" else []
        values = parameter_rules.for_change_set(template.get("Parameters", {}), parameters, previous)
        body = json.dumps(template, separators=(",", ":"), sort_keys=True)
        if len(body.encode()) > changes.INLINE_LIMIT:
            artifacts = ArtifactBucket.open(session, endpoint_url)
            uploaded = artifacts.put(body.encode(), f"{stack_name}/", ".json")
            source = {"TemplateURL": artifacts.url(*uploaded)}
        else:
            source = {"TemplateBody": body}
        stack.apply(
            operation,
            {
                **source,
                "Parameters": values,
                "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                "Tags": [{"Key": key, "Value": value} for key, value in sorted((tags or {}).items())],
            },
            confirm,
        )
        return stack.outputs()


def describe_stack(stack_name: str, session: boto3.Session) -> dict[str, Any]:
    """Return the stack as CloudFormation describes it; empty when there is none. Raises AwsError."""
    with readable_aws_errors():
        return _Stack(stack_name, session.client("cloudformation"), lambda line: None, 0).describe()


def delete_stack(
    stack_name: str, session: boto3.Session, report: Report, *, poll_seconds: float = 2.0
) -> None:
    """Delete the stack and wait for the end. A stack that is gone already is a success. May be repeated.

    What the template retains is kept. Raises StackError with CloudFormation's reason, and AwsError.
    """
    with readable_aws_errors():
        _Stack(stack_name, session.client("cloudformation"), report, poll_seconds).delete()


def outputs_of(described: Mapping[str, Any]) -> dict[str, str]:
    """Return the outputs, by name, of a stack as CloudFormation describes it."""
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


@dataclass
class _Stack:
    """One stack, the client that changes it, and the events that were reported (``seen``)."""

    name: str
    cloudformation: Any
    report: Report
    poll_seconds: float
    stack_id: str = ""
    is_new: bool = False
    seen: set[str] = field(default_factory=set)

    def describe(self) -> dict[str, Any]:
        """Return the stack; empty when there is none."""
        try:
            stacks = self.cloudformation.describe_stacks(StackName=self.stack_id or self.name)["Stacks"]
        except ClientError as error:
            # There is no error code of its own for this.
            if "does not exist" in error.response["Error"].get("Message", ""):
                return {}
            raise
        return cast(dict[str, Any], stacks[0])

    def apply(self, operation: changes.ChangeSetType, request: dict[str, Any], confirm: Confirm) -> None:
        """Propose a change, show the plan, carry it out and wait for the end."""
        change_set = self._propose(operation, request)
        if change_set is None:
            self.report(f"The stack {self.name} is up to date: no changes.")
            return
        try:
            plan = changes.change_lines(self._changes(change_set))
            agreed = confirm(plan)
        except BaseException:
            self._discard(change_set)
            raise
        if not agreed:
            self._discard(change_set)
            raise DeclinedError("Nothing was changed.")
        self.seen.update(event["EventId"] for event in self._events())
        self.cloudformation.execute_change_set(ChangeSetName=change_set, StackName=self.stack_id)
        self._follow()

    def delete(self) -> None:
        """Delete the stack and wait for the end."""
        found = self.describe()
        if not found:
            return
        self.stack_id = found["StackId"]
        self.seen.update(event["EventId"] for event in self._events())
        if found["StackStatus"] != "DELETE_IN_PROGRESS":
            changes.check_deletable(self.name, found["StackStatus"])
            self.cloudformation.delete_stack(StackName=self.stack_id)
        self._follow(changes.check_deleted)

    def outputs(self) -> dict[str, str]:
        """Return the outputs by name."""
        return outputs_of(self.describe())

    def _propose(self, operation: changes.ChangeSetType, request: dict[str, Any]) -> str | None:
        """Create a change set and return its ARN; None when there is nothing to change."""
        created = self.cloudformation.create_change_set(
            StackName=self.name,
            ChangeSetName=f"deploy-{time.time_ns()}",
            ChangeSetType=operation,
            **request,
        )
        self.stack_id, change_set = created["StackId"], cast(str, created["Id"])
        while True:
            described = self.cloudformation.describe_change_set(
                ChangeSetName=change_set, StackName=self.stack_id
            )
            if described["Status"] == "CREATE_COMPLETE":
                return change_set
            if described["Status"] == "FAILED":
                break
            time.sleep(self.poll_seconds)
        reason = described.get("StatusReason", "CloudFormation gave no reason")
        if changes.asks_for_events(reason):
            reason = changes.first_failure(self._refused(None, ChangeSetName=change_set), "") or reason
        self._discard(change_set)
        if operation == "UPDATE" and changes.means_no_changes(reason):
            return None
        raise StackError(f"CloudFormation refused this change to {self.name}: {reason}")

    def _changes(self, change_set: str) -> Iterator[dict[str, Any]]:
        pages = self.cloudformation.get_paginator("describe_change_set")
        for page in pages.paginate(ChangeSetName=change_set, StackName=self.stack_id):
            yield from page["Changes"]

    def _discard(self, change_set: str) -> None:
        """Delete a change set, and the empty stack that the first change set of a stack makes."""
        with suppress(ClientError):
            self.cloudformation.delete_change_set(ChangeSetName=change_set, StackName=self.stack_id)
            if self.is_new:
                self.cloudformation.delete_stack(StackName=self.stack_id)

    def _follow(self, check_end: CheckEnd = changes.check_deployed) -> None:
        """Report events until the change has ended, and check how it ended."""
        happened: list[dict[str, Any]] = []
        while True:
            # Read before the events, so that no event of the last moment is missed.
            status = self.describe().get("StackStatus", "DELETE_COMPLETE")
            fresh = [*self._events()][::-1]
            self.seen.update(event["EventId"] for event in fresh)
            happened += fresh
            for event in changes.events_to_report(fresh):
                self.report(changes.progress_line(event))
            if changes.is_finished(status):
                return check_end(self.name, status, self._explained(happened))
            time.sleep(self.poll_seconds)

    def _explained(self, happened: list[dict[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Return the events, after those of DescribeEvents when the stack's own event points there."""
        if not any(changes.asks_for_events(event.get("ResourceStatusReason", "")) for event in happened):
            return happened
        return [*self._refused(happened[0]["Timestamp"], StackName=self.stack_id), *happened]

    def _refused(self, since: datetime | None, **of: str) -> Sequence[Mapping[str, Any]]:
        pages = self.cloudformation.get_paginator("describe_events")
        found = [event for page in pages.paginate(**of) for event in page["OperationEvents"]]
        return changes.refused_resources(found, since)

    def _events(self) -> Iterator[dict[str, Any]]:
        """Return the events that were not seen yet, the latest first."""
        pages = self.cloudformation.get_paginator("describe_stack_events")
        for page in pages.paginate(StackName=self.stack_id):
            for event in page["StackEvents"]:
                if event["EventId"] in self.seen:
                    return
                yield event
