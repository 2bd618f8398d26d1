"""What a healthy deployment looks like, and what to do about another. Pure: doctor.py makes the calls.

personalize_diagnosis.py says it of Personalize.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ops import function_variables
from ops.command_lines import shell_line


class State(Enum):
    """How a check ended. The value is the beginning of the line.

    GOOD   the part works
    LOOK   the part works, or could not be checked: somebody should look at it
    BAD    the part cannot work, or loses events
    """

    GOOD = "ok"
    LOOK = "??"
    BAD = "!!"


_GONE = {
    "AWS.SimpleQueueService.NonExistentQueue",  # SQS
    "NotFound",  # SNS
    "NotFoundException",  # API Gateway
    "QueueDoesNotExist",  # SQS, without the older name
    "ResourceNotFoundException",  # Lambda
}


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``remedy`` says what to do; it is empty when nothing has to be done."""

    state: State
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.state.value}  {self.what}" + (f" -> {self.remedy}" if self.remedy else "")


def good(what: str) -> Finding:
    """Return the finding of a check that is well."""
    return Finding(State.GOOD, what)


def look(what: str, remedy: str) -> Finding:
    """Return the finding of a check that somebody should look at."""
    return Finding(State.LOOK, what, remedy)


def bad(what: str, remedy: str) -> Finding:
    """Return the finding of a check that is not well."""
    return Finding(State.BAD, what, remedy)


def is_well(states: Collection[State], *, is_strict: bool) -> bool:
    """Return whether a deployment with these findings can work.

    A deployment of which nothing could be checked is not known to work. With ``is_strict``, every check has
    to be well.
    """
    if is_strict:
        return {*states} == {State.GOOD}
    return State.BAD not in states and State.GOOD in states


def failed_check(name: str, code: str, sentence: str) -> Finding:
    """Return the finding of a check that ended with an error of AWS.

    What AWS does not find cannot work. Any other error says nothing about the part: often these credentials
    may not ask. ``name`` is what was checked, ``code`` the code of the error, ``sentence`` what it says.
    """
    if code in _GONE:
        return bad(
            f"{name} could not be checked, because AWS does not find it.",
            f"{sentence} It was deleted outside of the deployment: restore it, or remove the stage with "
            "'make destroy' and deploy again.",
        )
    return look(f"{name} could not be checked.", sentence)


def variables_of(variables: Mapping[str, str]) -> Finding:
    """Return whether the functions and Lambda take the variables of a function."""
    problem = function_variables.problem(variables)
    if problem:
        return bad(problem, "Deploy with another value.")
    size = function_variables.size_bytes(variables)
    return good(f"The variables take {size:,} of the {function_variables.MAX_BYTES:,} bytes of a function.")


def event_source(
    mappings: Sequence[Mapping[str, Any]], expected: Mapping[str, Any], variables: Mapping[str, str]
) -> Finding:
    """Return whether the one event source is enabled and has its settings, and the function's match them."""
    if len(mappings) != 1:
        return bad(
            f"The function that delivers events has {len(mappings)} event sources instead of 1.",
            "Deploy again." if not mappings else "Delete those that read other streams.",
        )
    [mapping] = mappings
    if mapping["State"] not in {"Enabled", "Enabling", "Updating", "Creating"}:
        return bad(
            f"The event source is {mapping['State']}: no event is delivered; the stream keeps them 72 hours.",
            shell_line(
                "aws", "lambda", "update-event-source-mapping", "--enabled", "--uuid", mapping["UUID"]
            ),
        )
    reports = mapping.get("FunctionResponseTypes") == ["ReportBatchItemFailures"]
    if not reports and variables.get("REPORT_BATCH_ITEM_FAILURES") == "true":
        return bad(
            "The function reports failed items to an event source that does not read them: EVENTS ARE LOST "
            "when Personalize fails.",
            "Deploy again with ReportBatchItemFailures=true (one stack), or set REPORT_BATCH_ITEM_FAILURES "
            "to false in .chalice/config.json and deploy.",
        )
    wrong = [
        f"{name} is {mapping.get(name)} instead of {value}"
        for name, value in expected.items()
        if mapping.get(name) != value
    ]
    if not mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"):
        wrong.append("what is given up goes nowhere")
    if wrong:
        return bad(
            f"The event source has other settings than it should: {', '.join(wrong)}.",
            "Deploy again; with 'chalice deploy', the step 'access' sets them.",
        )
    return good("The event source is enabled and has its settings.")


def quarantine(messages: int) -> Finding:
    """Return whether the quarantine is empty."""
    if messages:
        return look(
            f"The quarantine holds {messages} messages.",
            "See why with 'make redrive ARGS=--dry-run', remove the cause, then redrive.",
        )
    return good("The quarantine is empty.")


def subscriptions(found: Sequence[Mapping[str, Any]]) -> Finding:
    """Return whether somebody gets the alarms. ``found`` are the subscriptions as SNS lists them."""
    if not found:
        return look("Nobody is told of alarms.", "Deploy with --parameter NotificationEmail=...")
    pending = [s["Endpoint"] for s in found if s["SubscriptionArn"] == "PendingConfirmation"]
    if pending:
        return look(
            f"{', '.join(pending)} has not confirmed the subscription to alarms.",
            "Follow the link in the message from AWS Notifications; it expires after 2 days. Then: aws sns "
            "subscribe sends another.",
        )
    return good("Alarms are sent to a confirmed address.")


def api_key(enabled: bool, plans: Sequence[Mapping[str, Any]], api_id: str, api_stage: str) -> Finding:
    """Return whether the key opens the API. ``plans`` are the usage plans that have the key."""
    if not enabled:
        return bad(
            "The API key is disabled.", "Enable it in the console. Until then every call with it is refused."
        )
    for plan in plans:
        for stage in plan.get("apiStages", []):
            if (stage["apiId"], stage["stage"]) == (api_id, api_stage):
                return good("The API key is in a usage plan of the API.")
    return bad(
        "The API key is in no usage plan of the API: every call with it gets a 403.",
        "Deploy again; with 'chalice deploy', the step 'access' makes the plan.",
    )
