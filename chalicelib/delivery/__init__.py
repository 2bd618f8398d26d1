"""What ``deliver_events`` runs: a Kinesis batch to Personalize, with an outcome for every event.

Lambda's event -> ``kinesis`` (records, and the events in each) -> ``plan`` -> ``quarantine`` (unreadable
events) -> ``send`` -> ``quarantine`` (refused events) -> the response to Lambda. Events that can never be
delivered end in the quarantine and never hold up a shard. Events that cannot be delivered now are deferred:
Lambda delivers their records again. Personalize ignores an event whose id it has seen, so delivering an event
twice is safe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib import observability
from chalicelib.delivery.kinesis import KinesisRecord, decode_records, events_of
from chalicelib.delivery.outcome import Outcome
from chalicelib.delivery.plan import plan
from chalicelib.delivery.quarantine import Quarantine
from chalicelib.delivery.rows import spoiled_rows
from chalicelib.delivery.send import Sender
from chalicelib.errors import DeliveryIncompleteError, UnavailableError
from chalicelib.services import Services

if TYPE_CHECKING:
    from chalicelib.sandbox import FinishedRecords

MAX_EVENTS_PER_INVOCATION = 50_000
"""About 150 MB, and more than a batch holds of events of 100 bytes. The others are left to the next
invocation: of the smallest ones a batch holds a million, which the memory of the function does not."""

_NOT_READ = UnavailableError("Too little time was left to read the record.")
_NEXT_TIME = UnavailableError("The batch holds more events than one invocation delivers.")


class Context(Protocol):
    """What is used of Lambda's context object."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


def handle(event: Mapping[str, Any], context: Context, services: Services) -> dict[str, Any]:
    """Deliver the batch of one invocation, log one line and return what Lambda has to deliver again.

    Raises DeliveryIncompleteError instead where the event source mapping ignores the response.
    """
    started = time.perf_counter()
    batch = decode_records(event)
    outcome = deliver(batch, services, seconds_left=lambda: context.get_remaining_time_in_millis() / 1000)
    observability.emit(
        "Delivery",
        outcome.counts | {"OldestEventAge": _oldest_age_seconds(batch, services)},
        service=services.config.service_name,
        milliseconds=1000 * (time.perf_counter() - started),
        requestId=context.aws_request_id,
        reasons=outcome.reasons,
    )
    return to_response(outcome, report_batch_item_failures=services.config.report_batch_item_failures)


def deliver(
    batch: Sequence[KinesisRecord], services: Services, *, seconds_left: Callable[[], float]
) -> Outcome:
    """Deliver a batch: the calls of a chain in order, ``services.delivery_concurrency`` chains at a time.

    The outcome tells what became of each event. Events that this sandbox has finished before are passed over:
    Lambda delivers them again where it ignores the response.
    """
    taken = _take(batch, services.finished_records)
    work = plan(taken.events, tracking_id=services.config.tracking_id, seconds_left=seconds_left)
    config = services.config
    quarantine = Quarantine(config.quarantine_queue_url, config.events_bucket_name, services.clients)
    # Before the calls, so that a slow Personalize cannot keep poison in the stream for ever.
    unreadable = quarantine.put(work.rejected, now=services.now(), seconds_left=seconds_left)
    sent = Sender(services, seconds_left).send(work.chains)
    refused = quarantine.put(sent.rejected, now=services.now(), seconds_left=seconds_left)
    quarantined = [*unreadable.quarantined, *refused.quarantined]
    services.finished_records.add([*sent.delivered, *quarantined])
    return Outcome(
        delivered=sent.delivered,
        quarantined=quarantined,
        finished=taken.finished,
        deferred=[
            *((record, _NOT_READ) for record in work.unread),
            *((record, _NEXT_TIME) for record in taken.waiting),
            *unreadable.deferred,
            *sent.deferred,
            *refused.deferred,
        ],
        calls=sent.calls,
        spoiled_rows=taken.spoiled_rows,
    )


@dataclass(frozen=True)
class _Taken:
    """What an invocation delivers of a batch.

    ``finished`` counts events that need nothing. ``waiting`` are the last records of the batch, as they came,
    when it holds too many events. ``spoiled_rows`` is that of the records with ``events``.
    """

    events: list[KinesisRecord]
    finished: int
    waiting: Sequence[KinesisRecord]
    spoiled_rows: int


def _take(batch: Sequence[KinesisRecord], finished_records: FinishedRecords) -> _Taken:
    """Read the events of a batch, up to MAX_EVENTS_PER_INVOCATION."""
    finished, spoiled = 0, 0
    events: list[KinesisRecord] = []
    for position, record in enumerate(batch):
        if len(events) >= MAX_EVENTS_PER_INVOCATION:
            return _Taken(events, finished, batch[position:], spoiled)
        found = events_of(record)
        done, others = finished_records.split(found)
        finished += len(done)
        events += others
        spoiled += spoiled_rows(record, found) if others else 0
    return _Taken(events, finished, [], spoiled)


def to_response(outcome: Outcome, *, report_batch_item_failures: bool) -> dict[str, Any]:
    """Return the response in the form that the event source mapping understands.

    A mapping without ReportBatchItemFailures takes any response for success. Only an error makes Lambda
    deliver the batch again, so DeliveryIncompleteError is raised there.
    """
    first = outcome.first_deferred
    if first is None:
        return {"batchItemFailures": []}
    if report_batch_item_failures:
        return {"batchItemFailures": [{"itemIdentifier": first}]}
    raise DeliveryIncompleteError(f"{len(outcome.deferred)} records have to be delivered again.")


def _oldest_age_seconds(batch: Sequence[KinesisRecord], services: Services) -> float:
    """Return the seconds since the oldest record of the batch arrived in the stream."""
    now = services.now()
    return (now - min((record.arrived_at for record in batch), default=now)).total_seconds()
