"""Puts the events of records back into the stream, each once in a run, and counts what became of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chalicelib.batching import batches
from chalicelib.delivery.outcome import RejectedRecord
from chalicelib.records import Record
from chalicelib.stream import MAX_RECORDS_PER_CALL, EventStream
from ops.errors import InputError
from ops.redrive_result import RedriveResult
from ops.undelivered import Identity, Repair, events_of, identity_of, readable_reason, reason_of, to_records


class _Event(NamedTuple):
    """An event of the record ``source``, and what goes back for it: nothing when it stays."""

    source: Identity
    reason: str
    records: list[Record]
    is_last: bool


@dataclass
class StreamWriter:
    """What one run puts into the stream. A dry run puts nothing and counts what would go.

    ``max_seconds`` is the time for one ``put``.
    """

    stream: EventStream
    repair: Repair | None
    dry_run: bool
    max_seconds: float
    _stored: set[Identity] = field(default_factory=set)
    _counted: set[Identity] = field(default_factory=set)

    def has_stored(self, rejected: RejectedRecord) -> bool:
        """Return whether the stream holds all events of the record. Never after a dry run."""
        return not self.dry_run and identity_of(rejected) in self._stored

    def put(self, records: Sequence[RejectedRecord]) -> RedriveResult:
        """Put the events of records, in order, until the stream does not take one.

        Records that are there are left out. Returns the counts of the events of those that are new.
        """
        waiting = {identity_of(rejected): rejected for rejected in records}
        waiting = {key: rejected for key, rejected in waiting.items() if key not in self._stored}
        new = waiting.keys() - self._counted
        incomplete: set[Identity] = set()
        deadline = time.monotonic() + self.max_seconds
        result = RedriveResult()
        for events in batches(self._events(waiting), max_items=MAX_RECORDS_PER_CALL):
            held = [*self._hold(events, deadline)]
            incomplete |= {event.source for event, is_held in held if not is_held}
            self._stored |= {event.source for event in events if event.is_last} - incomplete
            self._counted |= {event.source for event in events}
            result += _counts((event, is_held, event.source in new) for event, is_held in held)
            if result.failed:
                break
        return result

    def _events(self, waiting: Mapping[Identity, RejectedRecord]) -> Iterator[_Event]:
        """Yield the events of records, one at a time: a record may hold any number."""
        for source, rejected in waiting.items():
            before: _Event | None = None
            for event in events_of(rejected):
                if before is not None:
                    yield before
                before = _Event(source, *self._ready(event), is_last=False)
            if before is not None:
                yield before._replace(is_last=True)

    def _ready(self, event: RejectedRecord) -> tuple[str, list[Record]]:
        """Return why an event waits, and the records that go back for it."""
        try:
            return reason_of(event), to_records(event, self.repair)
        except InputError as error:
            return readable_reason(str(error)), []

    def _hold(self, events: Sequence[_Event], deadline: float) -> Iterator[tuple[_Event, bool]]:
        """Put events into the stream. Yields whether it holds each, which a dry run takes for granted."""
        records = [record for event in events for record in event.records]
        outcomes = iter(
            [None] * len(records)
            if self.dry_run
            else self.stream.put(records, seconds_left=lambda: deadline - time.monotonic())
        )
        for event in events:
            errors = [next(outcomes) for _ in event.records]
            yield event, bool(errors) and not any(errors)


def _counts(events: Iterable[tuple[_Event, bool, bool]]) -> RedriveResult:
    """Return the counts of events: of each, whether the stream holds it and whether it is new in this run."""
    reasons: Counter[str] = Counter()
    put_back = left = failed = 0
    for event, is_held, is_new in events:
        failed += bool(event.records) and not is_held
        if is_new:
            reasons[event.reason] += 1
            put_back += is_held
            left += not event.records
    return RedriveResult(reasons, put_back, left, failed)
