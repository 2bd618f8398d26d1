"""POST /history and /events: what users did, into the stream. One event, or a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib import records
from chalicelib.api import submissions, validation
from chalicelib.api.responses import ApiResponse, failure, problem
from chalicelib.api.submissions import EventResult, Shape, Submission
from chalicelib.errors import InvalidRequestError
from chalicelib.stream import EventStream

if TYPE_CHECKING:
    from chalicelib.api import Request
    from chalicelib.services import Services

IAM_ACTIONS = ("kinesis:PutRecords",)


def handle(request: Request, services: Services) -> ApiResponse:
    """Judge each event on its own, store the good ones, and say what became of each, in order.

    With ``?validate=true`` nothing is stored, and the response says what would be sent to Personalize.
    """
    only_validate = _only_validate(request.query)
    submission = submissions.read(request.body, services.config.max_events_per_request)
    judged = judge(submission, services)
    if only_validate:
        return validation.to_response(judged, tracking_id=services.config.tracking_id)
    if submission.shape is Shape.PUT_EVENTS:
        # An SDK reads no Results: one invalid event refuses the whole, as Personalize does.
        for result in judged:
            if isinstance(result.error, InvalidRequestError):
                raise result.error
    results = store(judged, services, seconds_left=request.seconds_left)
    if submission.shape is Shape.SINGLE:
        return to_response(results[0])
    return to_batch_response(results, whole=submission.shape is Shape.PUT_EVENTS)


def _only_validate(query: Mapping[str, str]) -> bool:
    value = query.get("validate")
    if value not in (None, "true"):
        raise InvalidRequestError.of("validate", "must be true, or left out.")
    return value == "true"


def judge(submission: Submission, services: Services) -> list[EventResult]:
    """Return for each event the record that it becomes, or why it is none."""
    received_at = services.now()

    def judged(index: int) -> EventResult:
        try:
            record = submission.to_record(
                index,
                received_at=received_at,
                new_id=services.new_id,
                experiment=services.config.experiment,
            )
        except InvalidRequestError as error:
            return EventResult(None, error)
        return EventResult(record, None)

    results = [judged(index) for index in range(len(submission.events))]
    valid = iter(records.spaced([each.record for each in results if each.record is not None], received_at))
    return [result if result.record is None else EventResult(next(valid), None) for result in results]


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
