"""What CloudFormation is asked for, and what its answers mean. Pure: data in, data or a sentence out.

stack.py makes the calls.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from ops.command_lines import shell_line
from ops.errors import StackError
from ops.packaging.merge import Document

ChangeSetType = Literal["CREATE", "UPDATE"]

INLINE_LIMIT = 51_200
"""Bytes of a TemplateBody; a larger template goes through S3 (API_CreateChangeSet)."""

_UPDATABLE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}
_DONE = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
_MARKS = {"Add": "+", "Modify": "~", "Remove": "-", "Import": "+", "Dynamic": "~"}
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_CODE = "./deployment.zip"
# A function's name is the stack's, its logical id and 12 random characters, 64 in all. CloudFormation would
# cut a longer stack name, and the policies that name the functions' log groups would no longer fit.
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,35}")


def check_stack_name(name: str) -> None:
    if not _STACK_NAME.fullmatch(name):
        raise StackError(
            f"{name!r} cannot be the name of the stack: it takes a letter, then up to 35 letters, digits and "
            "hyphens."
        )


def operation_for(name: str, status: str | None) -> ChangeSetType:
    """CREATE or UPDATE for a stack in ``status`` (None: there is none). StackError where neither can be."""
    if status is None or status == "REVIEW_IN_PROGRESS":
        return "CREATE"
    if status in _UPDATABLE:
        return "UPDATE"
    if status.endswith("_IN_PROGRESS"):
        remedy = "Another change is under way: wait for its end"
    elif status == "UPDATE_ROLLBACK_FAILED":
        command = shell_line("aws", "cloudformation", "continue-update-rollback", "--stack-name", name)
        remedy = f"Finish its roll-back ({command})"
    else:
        remedy = f"It never worked: delete it ({_delete(name)})"
    raise StackError(
        f"The stack {name} is in the state {status} and cannot be changed. {remedy}, then run this again."
    )


def _delete(stack_name: str) -> str:
    return shell_line("aws", "cloudformation", "delete-stack", "--stack-name", stack_name)


def with_code(template: Document, bucket: str, key: str) -> Document:
    """The template with the uploaded zip in place of the local one."""
    resources = {}
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if properties.get("CodeUri") == _CODE:
            properties = properties | {"CodeUri": {"Bucket": bucket, "Key": key}}
            resource = resource | {"Properties": properties}  # noqa: PLW2901 - the rest of it is as it was
        resources[name] = resource
    return template | {"Resources": resources}


def parameters_for(
    template: Document, given: Mapping[str, str], previous: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The change set's Parameters: what is given, else what the stack has, else the template's default.

    StackError names the parameters that are unknown, or that have no value.
    """
    declared: Mapping[str, Document] = template.get("Parameters", {})
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise StackError(
            f"The stack has no parameter {', '.join(unknown)}. It has: {', '.join(sorted(declared))}."
        )
    parameters: list[dict[str, Any]] = []
    missing = []
    for name, definition in sorted(declared.items()):
        if name in given:
            check_value(name, given[name], definition)
            parameters.append({"ParameterKey": name, "ParameterValue": given[name]})
        elif name in previous:
            parameters.append({"ParameterKey": name, "UsePreviousValue": True})
        elif "Default" not in definition:
            missing.append(f"--parameter {name}=... ({definition.get('Description', 'required')})")
    if missing:
        raise StackError("A value is missing. Give " + " and ".join(missing))
    return parameters


def means_no_changes(reason: str) -> bool:
    """Whether a change set failed because there is nothing to change."""
    return any(words in reason for words in _NO_CHANGES)


def change_lines(changes: Iterable[Mapping[str, Any]]) -> list[str]:
    """The plan: one line per resource, and a count."""
    lines, counts = [], {"add": 0, "change": 0, "replace": 0, "remove": 0}
    for change in changes:
        resource = change["ResourceChange"]
        action, replaced = resource["Action"], resource.get("Replacement") == "True"
        mark = "!" if replaced else _MARKS.get(action, "~")
        counts[{"+": "add", "~": "change", "!": "replace", "-": "remove"}[mark]] += 1
        note = "  (replaced: what it holds is lost)" if replaced else ""
        lines.append(f"  {mark} {resource['ResourceType']:<40} {resource['LogicalResourceId']}{note}")
    summary = ", ".join(f"{count} to {verb}" for verb, count in counts.items() if count)
    return [*sorted(lines, key=lambda line: line[4:]), f"Plan: {summary or 'nothing to do'}."]


def progress_line(event: Mapping[str, Any]) -> str:
    """``12:34:56  CREATE_COMPLETE  AWS::S3::Bucket  EventsBucket``, with the reason of a failure below it."""
    at: datetime = event["Timestamp"]
    status = event["ResourceStatus"]
    line = f"{at:%H:%M:%S}  {status:<27}  {event['ResourceType']:<40}  {event['LogicalResourceId']}"
    reason = event.get("ResourceStatusReason")
    return f"{line}\n          {reason}" if reason and status.endswith("FAILED") else line


def worth_telling(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of events in the order they happened, those a person needs: what is waited for, and how it ended.

    "In progress" is left out where the same events tell the end already, and where it only repeats the start.
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


def is_finished(status: str) -> bool:
    return not status.endswith("_IN_PROGRESS")


def asks_for_events(reason: str) -> bool:
    """Whether CloudFormation found a mistake before it began, and tells it only through DescribeEvents."""
    return "DescribeEvents" in reason


def refused_resources(
    events: Iterable[Mapping[str, Any]], since: datetime | None = None
) -> list[Mapping[str, Any]]:
    """What DescribeEvents says of resources that failed validation, in the shape of a stack's events."""
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
    """What went wrong first, as CloudFormation says it. ``events`` are in the order they happened.

    Resources that were only cancelled because of it come later or say so; the stack's own event repeats it.
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


def verdict(name: str, status: str, events: Sequence[Mapping[str, Any]]) -> None:
    """Return when the stack ended well; otherwise StackError with the reason and the state it is left in."""
    if status in _DONE:
        return
    why = first_failure(events, name) or "CloudFormation gave no reason"
    if status == "ROLLBACK_COMPLETE":
        left = (
            "What had been created is removed again. Delete the empty stack before the next try: "
            f"{_delete(name)}"
        )
    elif status == "UPDATE_ROLLBACK_COMPLETE":
        left = "The stack is rolled back and works as before."
    else:
        left = f"The stack is left in the state {status}."
    raise StackError(f"The stack {name} could not be deployed. {why}\n{left}")


def check_deletable(name: str, status: str) -> None:
    """StackError for a stack that CloudFormation would not begin to delete."""
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        raise StackError(
            f"The stack {name} is in the state {status}: another change is under way. Wait for its end, then "
            "run this again."
        )


def deletion_verdict(name: str, status: str, events: Sequence[Mapping[str, Any]]) -> None:
    """Return when the stack is gone; otherwise StackError with the reason."""
    if status == "DELETE_COMPLETE":
        return
    why = first_failure(events, name) or "CloudFormation gave no reason"
    raise StackError(
        f"The stack {name} could not be deleted whole. {why}\nIt is left in the state {status}. Remove what "
        "stands in the way, then run this again."
    )


def check_value(name: str, value: str, definition: Document) -> None:
    """StackError, in the template's own words, for a value that its parameter does not take."""
    allowed = definition.get("AllowedValues")
    if allowed and value not in allowed:
        raise StackError(f"{name} is {value!r}; it takes {' or '.join(allowed)}.")
    pattern = definition.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        expected = definition.get("ConstraintDescription", f"must match {pattern}")
        raise StackError(f"{name} is {value!r}; it {expected}.")
    if definition.get("Type") == "Number":
        least, most = definition.get("MinValue"), definition.get("MaxValue")
        bounds = f" from {least}" * (least is not None) + f" to {most}" * (most is not None)
        if not re.fullmatch(r"[0-9]+", value) or not (least or 0) <= int(value) <= (most or int(value)):
            raise StackError(f"{name} is {value!r}; it must be a number{bounds}.")
