"""What is sent to CloudFormation, and what its responses mean. Pure: stacks.py makes the calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ops.cloudformation.artifacts import Upload
from ops.cloudformation.states import ChangeSetType, is_finished, remedy_for, state_of
from ops.errors import InputError, StackError
from ops.packaging.merge import Document

INLINE_LIMIT = 51_200
"""Bytes of a TemplateBody; a larger template goes through S3 (API_CreateChangeSet)."""

_MARKS = {"Add": "+", "Modify": "~", "Remove": "-", "Import": "=", "Dynamic": "?", "SyncWithActual": "~"}
_VERBS = {
    "+": "to add",
    "~": "to change",
    "!": "to replace",
    "?": "that may be replaced or removed",
    "-": "to remove",
    "=": "to import",
}
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_CODE = "./deployment.zip"
# A function's name is the stack's, its logical id and 12 random characters, 64 in all. CloudFormation would
# cut a longer stack name, and the policies that name the functions' log groups would no longer fit.
_STACK_NAME = re.compile(r"[a-z][a-z0-9-]{0,35}")


def check_stack_name(name: str) -> None:
    """Raise InputError for a name that CloudFormation, or the names made of it, do not take."""
    if not _STACK_NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be the name of the stack: it takes a lower-case letter, then up to 35 "
            "lower-case letters, digits and hyphens. The database of the archive is named after the stack, "
            "and Athena takes no capital letters."
        )


def operation_for(name: str, status: str | None) -> ChangeSetType:
    """Return CREATE or UPDATE for a stack in ``status`` (None: there is no stack).

    Raises StackError for a stack that can be neither created nor updated.
    """
    state = state_of(status or "DELETE_COMPLETE")
    if state.operation:
        return state.operation
    raise StackError(
        f"The stack {name} is in the state {status} and cannot be changed: it {state.meaning}.",
        f"{remedy_for(status or '', name)}, then run this again.",
    )


def with_code(template: Document, upload: Upload) -> Document:
    """Return the template with a version of the uploaded zip in the place of the local one."""
    location = {"Bucket": upload.bucket, "Key": upload.key, "Version": upload.version}
    resources = {}
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if properties.get("CodeUri") == _CODE:
            properties = properties | {"CodeUri": location}
            resource = resource | {"Properties": properties}  # noqa: PLW2901 - the other keys stay
        resources[name] = resource
    return template | {"Resources": resources}


def means_no_changes(reason: str) -> bool:
    """Return whether a change set failed because there is nothing to change."""
    return any(words in reason for words in _NO_CHANGES)


def change_lines(changes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the plan: one line per resource, and a count."""
    lines, counts = [], dict.fromkeys(_VERBS, 0)
    for change in changes:
        resource = change["ResourceChange"]
        mark, note = _mark_and_note(resource)
        counts[mark] += 1
        kind, name = resource["ResourceType"], resource["LogicalResourceId"]
        lines.append(f"  {mark} {kind:<40} {name}" + (f"  ({note})" if note else ""))
    summary = ", ".join(f"{count} {_VERBS[mark]}" for mark, count in counts.items() if count)
    return [*sorted(lines, key=lambda line: line[4:]), f"Plan: {summary or 'nothing to do'}."]


def _mark_and_note(resource: Mapping[str, Any]) -> tuple[str, str]:
    """Return the mark of a resource's line and what is said behind its name (API_ResourceChange)."""
    action, replaced = resource["Action"], resource.get("Replacement")
    is_kept = resource.get("PolicyAction") in {"Retain", "ReplaceAndRetain"}
    fate = "the old one is kept, and nothing uses it any more" if is_kept else "what it holds is lost"
    if action == "Import":
        return "=", "Import: the one that exists is taken over with what it holds"
    if action == "Dynamic":
        return "?", "CloudFormation decides what to do when it carries the plan out"
    if action == "Modify" and replaced == "True":
        return "!", f"replaced: {fate}"
    if action == "Modify" and replaced == "Conditional":
        return "?", f"may be replaced, which CloudFormation decides when it carries the plan out; then {fate}"
    if action == "Remove" and is_kept:
        return "-", "removed from the stack; the resource is kept"
    return _MARKS.get(action, "~"), ""


def progress_line(event: Mapping[str, Any]) -> str:
    """Return ``12:34:56  CREATE_COMPLETE  AWS::S3::Bucket  EventsBucket``, a failure's reason below it."""
    at: datetime = event["Timestamp"]
    status = event["ResourceStatus"]
    line = f"{at:%H:%M:%S}  {status:<27}  {event['ResourceType']:<40}  {event['LogicalResourceId']}"
    reason = event.get("ResourceStatusReason")
    return f"{line}\n          {reason}" if reason and status.endswith("FAILED") else line


def events_to_report(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the events that a person needs: what is waited for, and how it ended.

    ``events`` are in the order in which they happened. "In progress" is left out where a later event has the
    end, and where it repeats the start.
    """
    last = {event["LogicalResourceId"]: event["EventId"] for event in events}
    return [
        event
        for event in events
        if is_finished(event["ResourceStatus"])
        or (
            last[event["LogicalResourceId"]] == event["EventId"]
            and event.get("ResourceStatusReason") != "Resource creation Initiated"
        )
    ]


def asks_for_events(reason: str) -> bool:
    """Return whether only DescribeEvents has the reason, as for a mistake found before the change began."""
    return "DescribeEvents" in reason


def refused_resources(
    events: Iterable[Mapping[str, Any]], since: datetime | None = None
) -> list[Mapping[str, Any]]:
    """Return the resources that failed validation, in the shape of a stack's events.

    ``events`` are those of DescribeEvents.
    """
    return [
        {
            **event,
            "ResourceStatus": "VALIDATION_FAILED",
            "ResourceStatusReason": event["ValidationStatusReason"],
        }
        for event in events
        if event.get("EventType") == "VALIDATION_ERROR"
        and event.get("ValidationFailureMode", "FAIL") == "FAIL"
        and (since is None or event["Timestamp"] >= since)
    ]


def first_failure(events: Sequence[Mapping[str, Any]], stack_name: str) -> str | None:
    """Return what went wrong first, in CloudFormation's words; None when nothing failed.

    ``events`` are in the order in which they happened. A resource that was only cancelled is not the cause,
    and the stack's own event only repeats it.
    """
    failed = [
        event
        for event in events
        if event["ResourceStatus"].endswith("FAILED")
        and "cancelled" not in event.get("ResourceStatusReason", "").lower()
    ]
    failed.sort(key=lambda event: event["LogicalResourceId"] == stack_name)
    if not failed:
        return None
    event = failed[0]
    reason = event.get("ResourceStatusReason") or "CloudFormation gave no reason"
    return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"


def check_deployed(name: str, status: str, events: Sequence[Mapping[str, Any]]) -> None:
    """Raise StackError with the reason, and the state of the stack, when the change did not succeed."""
    state = state_of(status)
    if state.is_deployed:
        return
    reason = first_failure(events, name) or "CloudFormation gave no reason"
    left, remedy = f"The stack {state.meaning}.", ""
    if not state.operation:
        left = f"The stack is left in the state {status}: it {state.meaning}."
        remedy = f"{remedy_for(status, name)}, then run this again."
    raise StackError(f"The stack {name} could not be deployed. {reason}\n{left}", remedy)


def check_deletable(name: str, status: str) -> None:
    """Raise StackError for a stack that CloudFormation would not begin to delete."""
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        raise StackError(
            f"The stack {name} is in the state {status}: another change is under way. Wait for its end, then "
            "run this again."
        )


def check_deleted(name: str, status: str, events: Sequence[Mapping[str, Any]]) -> None:
    """Raise StackError with the reason when the stack was not deleted."""
    if status == "DELETE_COMPLETE":
        return
    reason = first_failure(events, name) or "CloudFormation gave no reason"
    raise StackError(
        f"The stack {name} could not be deleted whole. {reason}\nThe stack is left in the state {status}. "
        "Remove the cause, then run this again."
    )
