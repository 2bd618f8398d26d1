"""POST /history and /events: what users did, into the stream. One event, or a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib import contract, records
from chalicelib.api import put_events_body
from chalicelib.api.responses import ApiResponse, failure, problem
from chalicelib.errors import InvalidRequestError, PersonalizeApiError
from chalicelib.records import Record
from chalicelib.stream import EventStream

if TYPE_CHECKING:
    from chalicelib.api import Request
    from chalicelib.services import Services

IAM_ACTIONS = ("kinesis:PutRecords",)

_SHAPES: Mapping[str, Any] = {"properties": {"Events": {}, put_events_body.MEMBER: {}}}
"""The members that decide what a body is."""


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
    max_events = services.config.max_events_per_request
    if isinstance(request.body, dict) and put_events_body.MEMBER in request.body:
        return _handle_put_events(request, services, max_events)
    events, is_batch = events_of(request.body, max_events)
    results = ingest(events, services, seconds_left=request.seconds_left)
    return to_batch_response(results) if is_batch else to_response(results[0])


def _handle_put_events(request: Request, services: Services, max_events: int) -> ApiResponse:
    """Store all events of a PutEvents body or refuse it whole, as Personalize does: an SDK reads no Results.

    An event that could not be stored makes an error of the whole for the same reason. What is sent again has
    the same ids.
    """
    body = contract.read(put_events_body.SCHEMA, request.body)
    _check_number(body, put_events_body.MEMBER, max_events)
    judged = judge(put_events_body.to_events(body), services)
    for index, result in enumerate(judged):
        if isinstance(result.error, InvalidRequestError):
            raise put_events_body.renamed(result.error, index)
    results = store(judged, services, seconds_left=request.seconds_left)
    return to_batch_response(results, whole=True)


def events_of(body: object, max_events: int) -> tuple[list[object], bool]:
    """Return the events of a body, and whether it is a batch. InvalidRequestError for a malformed batch."""
    contract.refuse_misspelt(_SHAPES, body)
    if isinstance(body, dict) and "Events" in body:
        batch = contract.read("batch", body)
        _check_number(batch, "Events", max_events)
        return batch["Events"], True
    return [body], False


def _check_number(body: Mapping[str, Any], member: str, max_events: int) -> None:
    if len(body[member]) > max_events:
        raise InvalidRequestError.of(
            member, f"must have at most {max_events} entries on this deployment. Send several requests."
        )


def ingest(
    events: Sequence[object], services: Services, *, seconds_left: Callable[[], float]
) -> list[EventResult]:
    """Put the valid events into the stream. Returns what became of each event, in order."""
    return store(judge(events, services), services, seconds_left=seconds_left)


def judge(events: Sequence[object], services: Services) -> list[EventResult]:
    """Return for each event the record that it becomes, or why it is none."""
    received_at = services.now()
    results = [_judge(event, received_at, services.new_id) for event in events]
    valid = iter(records.spaced([each.record for each in results if each.record is not None], received_at))
    return [result if result.record is None else EventResult(next(valid), None) for result in results]


def _judge(event: object, received_at: datetime, new_id: Callable[[], str]) -> EventResult:
    try:
        return EventResult(records.from_request(event, received_at=received_at, new_id=new_id), None)
    except InvalidRequestError as error:
        return EventResult(None, error)


def store(
    results: Sequence[EventResult], services: Services, *, seconds_left: Callable[[], float]
) -> list[EventResult]:
    """Put the records into the stream. Returns the results with the errors of those it does not hold."""
    valid = [result.record for result in results if result.record is not None]
    if not valid:
        return [*results]
    stream = EventStream(
        services.config.event_stream_name, services.clients.kinesis, services.sleep, services.chance
    )
    errors = iter(stream.put(valid, seconds_left=seconds_left))
    return [
        result if result.record is None else EventResult(result.record, next(errors)) for result in results
    ]


def to_response(result: EventResult) -> ApiResponse:
    """Return the response to one event: 202 once the stream holds it."""
    counts = _counts([result])
    if result.error is not None:
        refused = failure(result.error)
        return ApiResponse(refused.status, refused.body, counts, refused.reason)
    return ApiResponse(202, _accepted(result), counts)


def to_batch_response(results: Sequence[EventResult], *, whole: bool = False) -> ApiResponse:
    """Return the response to a batch: 202 with any event stored, 400 with all invalid, else the outage's.

    With ``whole`` every event has to be stored for a 202.
    """
    counts = _counts(results)
    details = {
        **counts,
        "Results": [
            {"Index": index, **(failure(result.error).body if result.error else _accepted(result))}
            for index, result in enumerate(results)
        ],
    }
    if counts["Accepted"] and not (whole and counts["Rejected"]):
        return ApiResponse(202, details, counts)
    # An outage outranks an invalid neighbour: the same request sent again may still store something.
    worst = max((failure(result.error) for result in results if result.error), key=lambda each: each.status)
    if worst.status == 400:
        message = "Every event of the batch is invalid. Results says why, by index."
    else:
        share = "Not every" if counts["Accepted"] else "No"
        message = f"{share} event of the batch could be stored. Send it again later."
    return ApiResponse(worst.status, problem(worst.body["Code"], message) | details, counts, worst.reason)


def _accepted(result: EventResult) -> dict[str, Any]:
    assert result.record is not None  # noqa: S101 - a result without an error has a record
    return {"EventId": result.record.event_id}


def _counts(results: Sequence[EventResult]) -> dict[str, int]:
    accepted = sum(result.accepted for result in results)
    return {"Accepted": accepted, "Rejected": len(results) - accepted}
