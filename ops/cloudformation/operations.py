"""One stack: a change from its proposal to its end, and its deletion. stacks.py has what commands call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from botocore.exceptions import ClientError

from ops.cloudformation import changes
from ops.cloudformation.states import ChangeSetType, is_finished
from ops.errors import DeclinedError, StackError

Report = Callable[[str], None]
Confirm = Callable[[Sequence[str]], bool]
CheckEnd = Callable[[str, str, Sequence[Mapping[str, Any]]], None]
Changes = Sequence[Mapping[str, Any]]


def _accept(changes: Changes) -> None:
    """Accept every plan."""


def _prepare_nothing() -> None:
    """Do nothing before the plan is carried out."""


@dataclass(frozen=True)
class Precautions:
    """What a caller adds to a deployment that needs care.

    ``check`` gets the changes of the plan and raises OpsError for a plan that must not be carried out.
    ``prepare`` is called when the plan is agreed to, before it is carried out. ``imports_existing``: a
    resource with a literal name that exists already is taken over into the stack.
    """

    check: Callable[[Changes], None] = _accept
    prepare: Callable[[], None] = _prepare_nothing
    imports_existing: bool = False


NO_PRECAUTIONS = Precautions()

IMPORT = {"ImportExistingResources": True, "DisableValidation": True}
"""Of a change set that takes over what exists: the validation before the change refuses names that exist."""


@dataclass
class Stack:
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

    def apply(
        self,
        operation: ChangeSetType,
        request: dict[str, Any],
        confirm: Confirm,
        precautions: Precautions,
    ) -> None:
        """Propose a change, show the plan, carry it out and wait for the end."""
        change_set = self._propose(operation, request)
        if change_set is None:
            self.report(f"The stack {self.name} is up to date: no changes.")
            return
        try:
            self._agree(list(self._changes(change_set)), confirm, precautions)
        except BaseException:
            self._discard(change_set)
            raise
        self.seen.update(event["EventId"] for event in self._events())
        self.cloudformation.execute_change_set(ChangeSetName=change_set, StackName=self.stack_id)
        self._follow()

    def _agree(self, planned: Changes, confirm: Confirm, precautions: Precautions) -> None:
        """Have the plan checked and agreed to, and what has to come before it done."""
        precautions.check(planned)
        if not confirm(changes.change_lines(planned)):
            raise DeclinedError
        precautions.prepare()

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

    def _propose(self, operation: ChangeSetType, request: dict[str, Any]) -> str | None:
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
            if is_finished(status):
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
