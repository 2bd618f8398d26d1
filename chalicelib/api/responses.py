"""Outcomes as HTTP answers: the statuses, bodies and headers of docs/api.md. No Chalice here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib import errors
from chalicelib.errors import PersonalizeApiError

if TYPE_CHECKING:
    from chalicelib.stream import Verdict

_STATUSES: Mapping[type[PersonalizeApiError], tuple[int, str]] = {
    errors.InvalidRequestError: (400, "BadRequestError"),
    errors.NotFoundError: (404, "NotFoundError"),
    errors.ThrottledError: (429, "TooManyRequestsError"),
    errors.MisconfiguredError: (502, "BadGatewayError"),
    errors.UnavailableError: (503, "ServiceUnavailableError"),
}
_RETRY_AFTER = {429: "1", 503: "5"}
"""Seconds. A throttle passes with the second it counts; an outage does not."""


@dataclass(frozen=True)
class Answer:
    """What the client gets, the metrics that go with it, and for the log why it failed."""

    status: int
    body: dict[str, Any]
    counts: Mapping[str, int] = field(default_factory=dict)
    reason: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": _RETRY_AFTER[self.status]} if self.status in _RETRY_AFTER else {}


def failure(error: PersonalizeApiError) -> Answer:
    """The documented status of an error. Only what is not the caller's doing gets a reason for the log."""
    status, code = _STATUSES[type(error)]
    return Answer(
        status,
        _problem(code, str(error)),
        reason=None if status < 429 else f"{type(error).__name__}: {error}",
    )


def crash(error: Exception) -> Answer:
    """For an error that is our fault: the caller learns that, and nothing about our insides."""
    return Answer(
        500,
        _problem("InternalServerError", "An internal error occurred. The operator will find it in the log."),
        reason=type(error).__name__,
    )


def single(verdict: Verdict) -> Answer:
    """The answer to one event: 202 once the stream holds it."""
    if verdict.error is None and verdict.event is not None:
        return Answer(202, {"EventId": verdict.event.event_id}, _counts([verdict]))
    assert verdict.error is not None  # noqa: S101 - a verdict is one or the other
    refused = failure(verdict.error)
    return Answer(refused.status, refused.body, _counts([verdict]), refused.reason)


def batch(verdicts: Sequence[Verdict]) -> Answer:
    """The answer to a batch: 202 when any event is stored, 400 when all are invalid, else the outage's."""
    counts = _counts(verdicts)
    body = {**counts, "Results": [_result(index, verdict) for index, verdict in enumerate(verdicts)]}
    if counts["Accepted"]:
        return Answer(202, body, counts)
    # An outage outranks an invalid neighbour: repeating the request may still store something.
    worst = max(
        (verdict.error for verdict in verdicts if verdict.error is not None),
        key=lambda error: _STATUSES[type(error)][0],
    )
    refused = failure(worst)
    message = (
        "Every event of the batch is invalid. Results says why, by index."
        if refused.status == 400
        else "No event of the batch could be stored. Send it again later."
    )
    return Answer(refused.status, _problem(refused.body["Code"], message) | body, counts, refused.reason)


def _result(index: int, verdict: Verdict) -> dict[str, Any]:
    if verdict.error is None and verdict.event is not None:
        return {"Index": index, "EventId": verdict.event.event_id}
    assert verdict.error is not None  # noqa: S101 - a verdict is one or the other
    return {"Index": index, **failure(verdict.error).body}


def _counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    accepted = sum(verdict.accepted for verdict in verdicts)
    return {"Accepted": accepted, "Rejected": len(verdicts) - accepted}


def _problem(code: str, message: str) -> dict[str, Any]:
    return {"Code": code, "Message": message}
