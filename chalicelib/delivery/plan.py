"""A Kinesis batch as calls of Personalize: data that says which method to call with which arguments. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import inf
from typing import Any

from chalicelib import records
from chalicelib.batching import batches
from chalicelib.delivery.kinesis import MAX_EVENTS_PER_RECORD, KinesisRecord
from chalicelib.delivery.outcome import TOO_MANY_EVENTS, UNREADABLE, RejectedRecord
from chalicelib.errors import InvalidRequestError
from chalicelib.records import Record, RecordType

MAX_CALLS_PER_CHAIN = 500
"""In one batch. More of them could not be made one after another in the time of an invocation."""
RESERVED_SECONDS = 10.0
"""Of the invocation, for quarantine and response: nothing is read and no call is started in them. Twice what
the slowest call to the quarantine takes."""

_TOO_MANY_EVENTS = (
    f"The record holds more than {MAX_EVENTS_PER_RECORD} events. Let the producer put fewer into one record. "
    "A redrive puts the events of this one back one by one."
)


@dataclass(frozen=True)
class PendingEvent:
    """An event and the Kinesis records that hold it: several when a producer's retry put a record twice."""

    record: Record
    kinesis_records: list[KinesisRecord]


@dataclass(frozen=True)
class ApiCall:
    """One call of the ``personalize-events`` client: its ``method`` with ``arguments``."""

    method: str
    shared_arguments: Mapping[str, str]
    entries_argument: str
    events: Sequence[PendingEvent]

    @property
    def arguments(self) -> dict[str, Any]:
        """What the method takes by name."""
        return {
            **self.shared_arguments,
            self.entries_argument: [event.record.entry for event in self.events],
        }

    @property
    def kinesis_records(self) -> list[KinesisRecord]:
        """The records whose events the call carries."""
        return [record for event in self.events for record in event.kinesis_records]

    def halves(self) -> tuple[ApiCall, ApiCall]:
        """Return two calls that carry the same events in the same order."""
        middle = len(self.events) // 2
        return replace(self, events=self.events[:middle]), replace(self, events=self.events[middle:])


@dataclass(frozen=True)
class Chain:
    """Calls that have to be made one after another, in stream order.

    A session's events are one chain. A session with more than MAX_CALLS_PER_CHAIN calls in a batch is one
    chain for each of its users.
    """

    calls: Sequence[ApiCall]

    @property
    def kinesis_records(self) -> list[KinesisRecord]:
        """The records whose events the chain carries."""
        return [record for call in self.calls for record in call.kinesis_records]


@dataclass(frozen=True)
class Plan:
    """The chains, longest first, and the records that no call can carry.

    ``unread`` are the last records of the batch when the time did not suffice to read them.
    """

    chains: Sequence[Chain]
    rejected: Sequence[RejectedRecord]
    unread: Sequence[KinesisRecord]


def plan(
    batch: Sequence[KinesisRecord], *, tracking_id: str, seconds_left: Callable[[], float] = lambda: inf
) -> Plan:
    """Return the fewest calls that keep the order of each chain.

    Reading ends where the reserved seconds begin, so that the time suffices to quarantine what was rejected.
    """
    chains: dict[tuple[str, str], dict[object, PendingEvent]] = {}
    rejected: list[RejectedRecord] = []
    unread: Sequence[KinesisRecord] = ()
    for position, kinesis_record in enumerate(batch):
        if seconds_left() < RESERVED_SECONDS:
            unread = batch[position:]
            break
        if kinesis_record.has_too_many_events:
            rejected.append(RejectedRecord(kinesis_record, TOO_MANY_EVENTS, _TOO_MANY_EVENTS))
            continue
        try:
            record = records.from_record(
                kinesis_record.data,
                fallback_id=kinesis_record.derived_id,
                arrived_at=kinesis_record.arrived_at,
            )
        except InvalidRequestError as error:
            rejected.append(RejectedRecord(kinesis_record, UNREADABLE, str(error)))
            continue
        events = chains.setdefault((record.type.METHOD, record.type.chain(record.body)), {})
        # The same bytes with the same id are one event. The same id with other content is two: Personalize
        # keeps the first of them.
        key = (record.event_id, kinesis_record.data)
        events.setdefault(key, PendingEvent(record, [])).kinesis_records.append(kinesis_record)
    planned = [chain for events in chains.values() for chain in _chains([*events.values()], tracking_id)]
    # A long chain that is started last would run on alone after all the others.
    planned.sort(key=lambda chain: len(chain.calls), reverse=True)
    return Plan(planned, rejected, unread)


def _chains(events: Sequence[PendingEvent], tracking_id: str) -> list[Chain]:
    """Return one chain, or one for each value of the shared arguments when one would be too long.

    So a session whose events alternate between two users keeps the order of each user.
    """
    calls = [*_calls(events, tracking_id)]
    if len(calls) <= MAX_CALLS_PER_CHAIN:
        return [Chain(calls)]
    alike: dict[frozenset[tuple[str, str]], list[PendingEvent]] = {}
    for event in events:
        shared = event.record.type.shared_arguments(event.record.body)
        alike.setdefault(frozenset(shared.items()), []).append(event)
    return [Chain([*_calls(part, tracking_id)]) for part in alike.values()]


def _calls(events: Sequence[PendingEvent], tracking_id: str) -> Iterator[ApiCall]:
    """Yield the calls of a chain: neighbours whose shared arguments are equal travel together."""
    kind: RecordType = events[0].record.type
    for shared, neighbours in groupby(events, lambda event: kind.shared_arguments(event.record.body)):
        arguments = {"trackingId": tracking_id, **shared}
        for part in batches(neighbours, max_items=kind.MAX_ENTRIES_PER_CALL):
            yield ApiCall(kind.METHOD, arguments, kind.ENTRIES_ARGUMENT, part)
