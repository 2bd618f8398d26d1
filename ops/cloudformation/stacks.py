"""The calls to CloudFormation: upload, change set, progress, outputs, deletion.

changes.py decides what the calls say. The calls are the same for AWS and for an emulator.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import boto3

from ops import parameters as parameter_rules
from ops.cloudformation import changes
from ops.cloudformation.artifacts import ArtifactBucket
from ops.cloudformation.operations import IMPORT, NO_PRECAUTIONS, Confirm, Precautions, Report, Stack
from ops.errors import DeclinedError, readable_aws_errors
from ops.packaging.bundle import Package
from ops.packaging.merge import Document


def deploy_stack(
    package: Package,
    stack_name: str,
    parameters: Mapping[str, str],
    session: boto3.Session,
    report: Report,
    *,
    endpoint_url: str | None = None,
    confirm: Confirm = lambda plan: True,
    precautions: Precautions = NO_PRECAUTIONS,
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
        upload = artifacts.put(package.zip_path.read_bytes(), f"{stack_name}/", ".zip")
    try:
        return deploy_template(
            changes.with_code(package.template, upload),
            stack_name,
            parameters,
            session,
            report,
            endpoint_url=endpoint_url,
            confirm=confirm,
            precautions=precautions,
            tags=tags,
            poll_seconds=poll_seconds,
        )
    except DeclinedError as error:
        raise error.after(f"The code is uploaded to s3://{upload.bucket}; nothing else was changed") from None


def deploy_template(
    template: Document,
    stack_name: str,
    parameters: Mapping[str, str],
    session: boto3.Session,
    report: Report,
    *,
    endpoint_url: str | None = None,
    confirm: Confirm = lambda plan: True,
    precautions: Precautions = NO_PRECAUTIONS,
    tags: Mapping[str, str] | None = None,
    poll_seconds: float = 2.0,
) -> dict[str, str]:
    """Create or update a stack of a template without code, as deploy_stack() does."""
    changes.check_stack_name(stack_name)
    with readable_aws_errors():
        stack = Stack(
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
            source = {"TemplateURL": artifacts.url(artifacts.put(body.encode(), f"{stack_name}/", ".json"))}
        else:
            source = {"TemplateBody": body}
        stack.apply(
            operation,
            {
                **source,
                "Parameters": values,
                "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                "Tags": [{"Key": key, "Value": value} for key, value in sorted((tags or {}).items())],
                **(IMPORT if precautions.imports_existing else {}),
            },
            confirm,
            precautions,
        )
        return outputs_of(stack.describe())


def describe_stack(stack_name: str, session: boto3.Session) -> dict[str, Any]:
    """Return the stack as CloudFormation describes it; empty when there is none. Raises AwsError."""
    with readable_aws_errors():
        return Stack(stack_name, session.client("cloudformation"), lambda line: None, 0).describe()


def delete_stack(
    stack_name: str, session: boto3.Session, report: Report, *, poll_seconds: float = 2.0
) -> None:
    """Delete the stack and wait for the end. A stack that is gone already is a success. May be repeated.

    What the template retains is kept. Raises StackError with CloudFormation's reason, and AwsError.
    """
    with readable_aws_errors():
        Stack(stack_name, session.client("cloudformation"), report, poll_seconds).delete()


def outputs_of(described: Mapping[str, Any]) -> dict[str, str]:
    """Return the outputs, by name, of a stack as CloudFormation describes it."""
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
