"""Deploying a package as a CloudFormation stack: upload, change set, progress, outputs.

The calls only; changes.py decides what they say. The same against AWS and against an emulator.
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

from ops.cloudformation import changes
from ops.cloudformation.artifacts import Store
from ops.errors import StackError, in_sentences
from ops.packaging import merge
from ops.packaging.bundle import Package

Report = Callable[[str], None]
Confirm = Callable[[Sequence[str]], bool]
Verdict = Callable[[str, str, Sequence[Mapping[str, Any]]], None]


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
    """Create or update the stack, and return its outputs. A stack that is up to date already is a success.

    ``report`` gets a line per event of a resource; ``confirm`` gets the plan before it is carried out, and
    its False leaves everything as it was. Raises StackError with CloudFormation's reason, or AwsError.
    """
    changes.check_stack_name(stack_name)
    with in_sentences():
        store = Store.open(session, endpoint_url)
        bucket, key = store.put(package.zip_path.read_bytes(), f"{stack_name}/", ".zip")
        template = merge.load(package.template_path.read_text(encoding="utf-8"))
    return deploy_template(
        changes.with_code(template, bucket, key),
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
    template: merge.Document,
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
    """As deploy_stack, for a template that needs no code of ours."""
    changes.check_stack_name(stack_name)
    with in_sentences():
        deployment = _Deployment(
            name=stack_name,
            cloudformation=session.client("cloudformation", endpoint_url=endpoint_url),
            report=report,
            poll_seconds=poll_seconds,
        )
        found = deployment.describe()
        deployment.is_new = not found
        operation = changes.operation_for(stack_name, found["StackStatus"] if found else None)
        previous = [p["ParameterKey"] for p in found.get("Parameters", [])] if operation == "UPDATE" else []
        values = changes.parameters_for(template, parameters, previous)
        body = json.dumps(template, separators=(",", ":"), sort_keys=True)
        if len(body.encode()) > changes.INLINE_LIMIT:
            store = Store.open(session, endpoint_url)
            source = {"TemplateURL": store.url(*store.put(body.encode(), f"{stack_name}/", ".json"))}
        else:
            source = {"TemplateBody": body}
        deployment.apply(
            operation,
            {
                **source,
                "Parameters": values,
                "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                "Tags": [{"Key": key, "Value": value} for key, value in sorted((tags or {}).items())],
            },
            confirm,
        )
        return deployment.outputs()


def describe_stack(stack_name: str, session: boto3.Session) -> dict[str, Any]:
    """The stack as CloudFormation describes it; empty when there is none. Raises AwsError."""
    with in_sentences():
        return _Deployment(stack_name, session.client("cloudformation"), lambda line: None, 0).describe()


def delete_stack(
    stack_name: str, session: boto3.Session, report: Report, *, poll_seconds: float = 2.0
) -> None:
    """Delete the stack and wait for the end of it; one that is gone already is a success. May be repeated.

    What its template says to keep is kept. Raises StackError with CloudFormation's reason, or AwsError.
    """
    with in_sentences():
        deployment = _Deployment(stack_name, session.client("cloudformation"), report, poll_seconds)
        deployment.delete()


@dataclass
class _Deployment:
    """One stack, and the CloudFormation that changes it."""

    name: str
    cloudformation: Any
    report: Report
    poll_seconds: float
    stack_id: str = ""
    is_new: bool = False
    seen: set[str] = field(default_factory=set)

    def describe(self) -> dict[str, Any]:
        """The stack as it stands; empty when there is none."""
        try:
            stacks = self.cloudformation.describe_stacks(StackName=self.stack_id or self.name)["Stacks"]
        except ClientError as error:
            # There is no error code of its own for this.
            if "does not exist" in error.response["Error"].get("Message", ""):
                return {}
            raise
        return cast(dict[str, Any], stacks[0])

    def apply(self, operation: changes.ChangeSetType, request: dict[str, Any], confirm: Confirm) -> None:
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
            raise StackError("Nothing was changed.")
        self.seen.update(event["EventId"] for event in self._events())
        self.cloudformation.execute_change_set(ChangeSetName=change_set, StackName=self.stack_id)
        self._follow()

    def delete(self) -> None:
        found = self.describe()
        if not found:
            return
        self.stack_id = found["StackId"]
        self.seen.update(event["EventId"] for event in self._events())
        if found["StackStatus"] != "DELETE_IN_PROGRESS":
            changes.check_deletable(self.name, found["StackStatus"])
            self.cloudformation.delete_stack(StackName=self.stack_id)
        self._follow(changes.deletion_verdict)

    def outputs(self) -> dict[str, str]:
        return {o["OutputKey"]: o["OutputValue"] for o in self.describe().get("Outputs", [])}

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
        raise StackError(f"CloudFormation does not take this change to {self.name}: {reason}")

    def _changes(self, change_set: str) -> Iterator[dict[str, Any]]:
        pages = self.cloudformation.get_paginator("describe_change_set")
        for page in pages.paginate(ChangeSetName=change_set, StackName=self.stack_id):
            yield from page["Changes"]

    def _discard(self, change_set: str) -> None:
        """Take a proposal back, and with it the empty stack that a first proposal makes."""
        with suppress(ClientError):
            self.cloudformation.delete_change_set(ChangeSetName=change_set, StackName=self.stack_id)
            if self.is_new:
                self.cloudformation.delete_stack(StackName=self.stack_id)

    def _follow(self, verdict: Verdict = changes.verdict) -> None:
        """Report events until the stack has come to rest; StackError when that is not where it should be."""
        happened: list[dict[str, Any]] = []
        while True:
            # Asked before the events, so that those of the last moment are among them.
            status = self.describe().get("StackStatus", "DELETE_COMPLETE")
            fresh = [*self._events()][::-1]
            self.seen.update(event["EventId"] for event in fresh)
            happened += fresh
            for event in changes.worth_telling(fresh):
                self.report(changes.progress_line(event))
            if changes.is_finished(status):
                return verdict(self.name, status, self._explained(happened))
            time.sleep(self.poll_seconds)

    def _explained(self, happened: list[dict[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """The events, led by those that the stack's own event only points to."""
        if not any(changes.asks_for_events(event.get("ResourceStatusReason", "")) for event in happened):
            return happened
        return [*self._refused(happened[0]["Timestamp"], StackName=self.stack_id), *happened]

    def _refused(self, since: datetime | None, **of: str) -> Sequence[Mapping[str, Any]]:
        pages = self.cloudformation.get_paginator("describe_events")
        found = [event for page in pages.paginate(**of) for event in page["OperationEvents"]]
        return changes.refused_resources(found, since)

    def _events(self) -> Iterator[dict[str, Any]]:
        """The stack's events not seen yet, the latest first, as CloudFormation lists them."""
        pages = self.cloudformation.get_paginator("describe_stack_events")
        for page in pages.paginate(StackName=self.stack_id):
            for event in page["StackEvents"]:
                if event["EventId"] in self.seen:
                    return
                yield event
