"""POST /history and /events: what users did, into the stream. One event, or a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib import contract, records
from chalicelib.api.responses import ApiResponse, failure, problem
from chalicelib.errors import InvalidRequestError, PersonalizeApiError
from chalicelib.records import Record
from chalicelib.stream import EventStream

if TYPE_CHECKING:
    from chalicelib.api import Request
    from chalicelib.services import Services

IAM_ACTIONS = ("kinesis:PutRecords",)


@dataclass(frozen=True)
class EventResult:
    """What became of one event of a request. The stream holds ``record`` when ``error`` is None."""

    record: Record | None
    error: PersonalizeApiError | None

    @property
    def accepted(self) -> bool:
        return self.error is None


def handle(request: Request, services: Services) -> ApiResponse:
    """Judge each event on its own, store the good ones, and say what became of each, in order."""
    events, is_batch = events_of(request.body, services.config.max_events_per_request)
    results = ingest(events, services, seconds_left=request.seconds_left)
    return to_batch_response(results) if is_batch else to_response(results[0])


def events_of(body: object, max_events: int) -> tuple[list[object], bool]:
    """Return the events of a body, and whether it is a batch. InvalidRequestError for a malformed batch."""
    if isinstance(body, dict) and "Events" in body:
        contract.validate("batch", body)
        if len(body["Events"]) > max_events:
            raise InvalidRequestError(
                f"Events must have at most {max_events} entries on this deployment. Send several requests."
            )
        return body["Events"], True
    return [body], False


def ingest(
    events: Sequence[object], services: Services, *, seconds_left: Callable[[], float]
) -> list[EventResult]:
    """Put the valid events into the stream. Returns what became of each event, in order."""
    received_at = services.now()
    results = [_judge(event, received_at, services.new_id) for event in events]
    valid = [result.record for result in results if result.record is not None]
    if not valid:
        return results
    stream = EventStream(
        services.config.event_stream_name, services.clients.kinesis, services.sleep, services.chance
    )
    errors = iter(stream.put(valid, seconds_left=seconds_left))
    return [
        result if result.record is None else EventResult(result.record, next(errors)) for result in results
    ]


def _judge(event: object, received_at: datetime, new_id: Callable[[], str]) -> EventResult:
    try:
        return EventResult(records.from_request(event, received_at=received_at, new_id=new_id), None)
    except InvalidRequestError as error:
        return EventResult(None, error)


def to_response(result: EventResult) -> ApiResponse:
    """Return the response to one event: 202 once the stream holds it."""
    counts = _counts([result])
    if result.error is not None:
        refused = failure(result.error)
        return ApiResponse(refused.status, refused.body, counts, refused.reason)
    return ApiResponse(202, _accepted(result), counts)


def to_batch_response(results: Sequence[EventResult]) -> ApiResponse:
    """Return the response to a batch: 202 with any event stored, 400 with all invalid, else the outage's."""
    counts = _counts(results)
    details = {
        **counts,
        "Results": [
            {"Index": index, **(failure(result.error).body if result.error else _accepted(result))}
            for index, result in enumerate(results)
        ],
    }
    if counts["Accepted"]:
        return ApiResponse(202, details, counts)
    # An outage outranks an invalid neighbour: the same request sent again may still store something.
    worst = max((failure(result.error) for result in results if result.error), key=lambda each: each.status)
    message = (
        "Every event of the batch is invalid. Results says why, by index."
        if worst.status == 400
        else "No event of the batch could be stored. Send it again later."
    )
    return ApiResponse(worst.status, problem(worst.body["Code"], message) | details, counts, worst.reason)


def _accepted(result: EventResult) -> dict[str, Any]:
    assert result.record is not None  # noqa: S101 - a result without an error has a record
    return {"EventId": result.record.event_id}


def _counts(results: Sequence[EventResult]) -> dict[str, int]:
    accepted = sum(result.accepted for result in results)
    return {"Accepted": accepted, "Rejected": len(results) - accepted}
