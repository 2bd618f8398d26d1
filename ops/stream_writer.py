"""Puts records back into the stream, each once in a run, and counts what became of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from chalicelib.delivery.outcome import RejectedRecord
from chalicelib.records import Record
from chalicelib.stream import EventStream
from ops.errors import InputError
from ops.redrive_result import RedriveResult
from ops.undelivered import Identity, Repair, identity_of, readable_reason, reason_of, to_record


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
        """Return whether the stream holds the record. Never after a dry run."""
        return not self.dry_run and identity_of(rejected) in self._stored

    def put(self, records: Sequence[RejectedRecord]) -> RedriveResult:
        """Put records into the stream that are not there yet. Returns the counts of those that are new."""
        waiting = {identity_of(rejected): rejected for rejected in records}
        waiting = {key: rejected for key, rejected in waiting.items() if key not in self._stored}
        ready: dict[Identity, Record] = {}
        reasons: dict[Identity, str] = {}
        for key, rejected in waiting.items():
            reasons[key] = reason_of(rejected)
            try:
                record = to_record(rejected, self.repair)
            except InputError as error:
                reasons[key] = readable_reason(str(error))
            else:
                if record is not None:
                    ready[key] = record
        stored = self._put(ready)
        new = waiting.keys() - self._counted
        self._stored |= stored
        self._counted |= new
        return RedriveResult(
            Counter(reasons[key] for key in new),
            put_back=len(stored & new),
            left=len(new - ready.keys()),
            failed=len(ready) - len(stored),
        )

    def _put(self, ready: dict[Identity, Record]) -> set[Identity]:
        """Return what the stream holds. In a dry run that is everything."""
        if self.dry_run:
            return set(ready)
        deadline = time.monotonic() + self.max_seconds
        outcomes = self.stream.put([*ready.values()], seconds_left=lambda: deadline - time.monotonic())
        return {key for key, error in zip(ready, outcomes, strict=True) if error is None}
