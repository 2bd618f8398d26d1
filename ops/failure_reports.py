"""The switch ReportBatchItemFailures of a stack that is in use.

The function and its event source have to agree, and CloudFormation changes the function first. A function
that reports failed items to an event source that does not read the report loses them: Lambda takes the
response for a success ("Reporting batch item failures"). The other disagreement is harmless: a function
that raises is retried. So the event source has to read reports for as long as the function may send them:

on     the event source is changed first and waited for, then the stack, which agrees
off    the function is changed first, its running invocations are waited for, then the stack

A roll-back of the stack would change the function first too, in the other direction. Therefore the switch
is deployed alone: the event source comes last in the plan, and nothing can fail after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import boto3

from ops.cloudformation.operations import NO_PRECAUTIONS, Changes, Precautions
from ops.errors import InputError, NotDeployedError, StackError
from ops.event_source import DEADLINE_SECONDS, POLL_SECONDS, EventSource
from ops.locate import Deployment
from ops.packaging.merge import EVENT_CONSUMER

PARAMETER = "ReportBatchItemFailures"
VARIABLE = "REPORT_BATCH_ITEM_FAILURES"
REPORTS = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}


def switch_precautions(
    deployment: Deployment | None,
    values: Mapping[str, str],
    session: boto3.Session,
    report: Callable[[str], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Precautions:
    """Return what a deployment with these values has to do before the stack is changed."""
    standing = deployment.parameters.get(PARAMETER) if deployment else None
    if deployment is None or standing is None or values.get(PARAMETER, standing) == standing:
        return NO_PRECAUTIONS
    functions: Any = cast(Any, session).client("lambda")
    name = deployment.delivery_function

    def turn_on() -> None:
        report("Having the event source read the reports of failed items, before the function sends any")
        EventSource(functions, _event_source_of(functions, name), sleep, now).configure(REPORTS)

    def turn_off() -> None:
        report("Having the function send no reports of failed items, before the event source ignores them")
        stop_reports(functions, name, report, sleep, now)

    prepare = turn_on if values[PARAMETER] == "true" else turn_off
    return Precautions(check=check_changed_alone, prepare=prepare)


def check_changed_alone(changes: Changes) -> None:
    """Raise InputError for a plan that changes more than the function and its event source. Pure.

    A resource that is listed only because it refers to the function (``Dynamic``) does not count.
    """
    others = sorted(
        resource["LogicalResourceId"]
        for resource in (change["ResourceChange"] for change in changes)
        if not resource["LogicalResourceId"].startswith(EVENT_CONSUMER) and not _is_reference(resource)
    )
    if others:
        raise InputError(
            f"{PARAMETER} has to be changed alone, and this plan also changes {', '.join(others)}. If one of "
            "these failed, the roll-back would lose events. Deploy the rest first, without --parameter "
            f"{PARAMETER}=..., then run this again."
        )


def stop_reports(
    functions: Any,
    name: str,
    report: Callable[[str], None],
    sleep: Callable[[float], None],
    now: Callable[[], float],
) -> None:
    """Have the function raise instead of reporting, and wait until no invocation is left that reports."""
    found = functions.get_function_configuration(FunctionName=name)
    variables = {**found.get("Environment", {}).get("Variables", {}), VARIABLE: "false"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    deadline = now() + DEADLINE_SECONDS
    while True:
        found = functions.get_function_configuration(FunctionName=name)
        if found.get("LastUpdateStatus", "Successful") == "Successful":
            break
        if found["LastUpdateStatus"] == "Failed" or now() >= deadline:
            raise StackError(
                f"The function {name} could not be changed. "
                f"{found.get('LastUpdateStatusReason', 'Lambda gave no reason.')} "
                "The stack was not changed. Remove the cause, then run this again."
            )
        sleep(POLL_SECONDS)
    report(f"Waiting {found['Timeout']} seconds for the invocations that began before")
    sleep(found["Timeout"])


def check_stepwise_reports(variables: Mapping[str, str]) -> None:
    """Raise InputError for a stage whose function would report to an event source that Chalice made. Pure."""
    if variables.get(VARIABLE, "false").strip().lower() != "false":
        raise InputError(
            f"{VARIABLE} is {variables[VARIABLE]!r} in .chalice/config.json. 'chalice deploy' makes an event "
            "source that does not read reports of failed items, so failed events would be lost. Set it to "
            "false, or deploy as one stack."
        )


def _is_reference(resource: Mapping[str, Any]) -> bool:
    details = resource.get("Details", [])
    return bool(details) and all(detail.get("Evaluation") == "Dynamic" for detail in details)


def _event_source_of(functions: Any, name: str) -> str:
    found = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    if len(found) != 1:
        raise NotDeployedError(
            f"The function {name} has {len(found)} event sources instead of 1. 'make doctor' says what to do."
        )
    return cast(str, found[0]["UUID"])
