"""What a response says about the events of a request. Pure. docs/api.md has the rules."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulation.soak.connection import Response
from simulation.soak.traffic import Event

INVALID_CODE = "BadRequestError"
THROTTLED = 429
"""The usage plan has refused the request before anything was stored."""
TRY_AGAIN = (THROTTLED, 500, 502, 503, 504)
STATUSES: Mapping[str, frozenset[int]] = {
    "recommendations": frozenset({200, 429, 502, 503, 504}),
    "event": frozenset({202, 429, 502, 503, 504}),
    "batch": frozenset({202, 429, 502, 503, 504}),
    "invalid": frozenset({400, 403, 415, 429, 502, 503, 504}),
}
"""The documented statuses of valid requests by route, and those of invalid ones. 500 is a fault of ours."""


@dataclass(frozen=True)
class Outcome:
    """What became of events. ``accepted`` has the EventId of each mark, ``pending`` those to send again.

    ``unknown`` are events without EventId and SentAt that may have been stored: to send them again could
    store them twice.
    """

    accepted: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[Event, ...] = ()
    unknown: tuple[Event, ...] = ()
    pending: tuple[Event, ...] = ()


def outcome(events: Sequence[Event], response: Response | None, *, is_batch: bool) -> Outcome:
    """Return what became of the events of a request. Without a response, it was sent and nothing came."""
    if response is None:
        return _unanswered(events)
    if response.status == 202:
        body = json.loads(response.content)
        return _of_results(events, body["Results"] if is_batch else [body])
    if response.status not in TRY_AGAIN:
        return Outcome(refused=tuple(events))
    if response.status == THROTTLED:
        return Outcome(pending=tuple(events))
    return _unanswered(events)


def _of_results(events: Sequence[Event], results: Sequence[Mapping[str, Any]]) -> Outcome:
    pairs = list(zip(events, results, strict=True))
    codes = [(event, result["Code"]) for event, result in pairs if "EventId" not in result]
    return Outcome(
        accepted={event.mark: result["EventId"] for event, result in pairs if "EventId" in result},
        refused=tuple(event for event, code in codes if code == INVALID_CODE),
        pending=tuple(event for event, code in codes if code != INVALID_CODE),
    )


def _unanswered(events: Sequence[Event]) -> Outcome:
    return Outcome(
        unknown=tuple(event for event in events if not event.repeatable),
        pending=tuple(event for event in events if event.repeatable),
    )
