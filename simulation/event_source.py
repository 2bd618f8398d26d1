"""Lambda's Kinesis event source: it sends the records of a stream to a function, and sends failed ones again.

simulation.mapping has the rules and names the page of each; the marks in brackets are its marks. This module
keeps the state of each shard and calls the function. The pause before a retry is passed in.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

from simulation.mapping import (
    INFINITE,
    Batch,
    Destination,
    EventSourceMapping,
    batches_after_error,
    batches_after_partial_failure,
    first_failed,
    invocation_record,
    next_batch,
)
from simulation.stream import Record, Stream, hash_key

Function = Callable[[dict[str, Any]], object]
"""One invocation: it takes the event and returns the response.

Any exception is a function error: the function raised, its timeout was over, or its sandbox was killed.
"""

COUNTS = ("invocations", "failures", "redelivered", "discarded", "finished")
"""Counts of a shard reader: invocations, those that failed wholly or in part, and three counts of records."""


class ShardReader:
    """A reader of one shard that sends one batch at a time, strictly in order.

    A shard has as many readers as ParallelizationFactor says. The records of a partition key always go
    through the same reader, which keeps their order [mapping].
    """

    def __init__(
        self,
        shard: Sequence[Record],
        number: int,
        function: Function,
        mapping: EventSourceMapping,
        *,
        destination: Destination | None,
        now: Callable[[], float],
    ) -> None:
        # All names are there from the start, so that another thread can read while this one counts.
        self.counts = Counter(dict.fromkeys(COUNTS, 0))
        self.checkpoint: str | None = None
        self._shard = shard
        self._number = number
        self._function = function
        self._mapping = mapping
        self._destination = destination
        self._now = now
        self._seen = 0
        self._unread: deque[Record] = deque()
        # What remains of the current batch, the earliest part last. No newer record is read before this list
        # is empty: an error stops the shard [kinesis].
        self._pending: list[Batch] = []

    def step(self) -> Batch | None:
        """Make one invocation at most. Return the batch that was processed, None when nothing is left."""
        if not self._pending:
            records = self._read()
            if not records:
                return None
            self._pending.append(Batch(records))
        batch = self._discard_expired(self._pending.pop())
        if batch.records:
            self._send(batch)
        return batch

    def _send(self, batch: Batch) -> None:
        self.counts["invocations"] += 1
        self.counts["redelivered"] += len(batch.records) if batch.invocations else 0
        batch = Batch(batch.records, batch.retries, batch.invocations + 1)
        try:
            response = self._function(batch.event())
            failed = None
            # Without the setting Lambda ignores the response: the batch succeeded, whatever it says [report].
            if self._mapping.report_batch_item_failures:
                failed = first_failed(response, [record.sequence_number for record in batch.records])
        except Exception:  # noqa: BLE001 - every exception of a function is an error of that function
            self._retry(batches_after_error(batch, self._mapping))
            return
        if failed is None:
            self._finish(batch.records)
            return
        self._finish(batch.records[:failed])
        self._retry(batches_after_partial_failure(batch, failed, self._mapping))

    def _retry(self, batches: list[Batch]) -> None:
        self.counts["failures"] += 1
        max_retries = self._mapping.maximum_retry_attempts
        for batch in reversed(batches):
            if max_retries != INFINITE and batch.retries > max_retries:
                self._discard(batch, "RetryAttemptsExhausted")
            else:
                self._pending.append(batch)

    def _discard_expired(self, batch: Batch) -> Batch:
        """Discard the records older than MaximumRecordAgeInSeconds; return the batch of the others [failure].

        The limit holds for the first invocation too.
        """
        max_age_seconds = self._mapping.maximum_record_age_in_seconds
        if max_age_seconds == INFINITE:
            return batch
        oldest = self._now() - max_age_seconds
        expired = [record for record in batch.records if record.arrived_at < oldest]
        if expired:
            # The documentation names no condition for expired records.
            self._discard(Batch(expired, batch.retries, batch.invocations), "RecordAgeExpired")
        remaining = [record for record in batch.records if record.arrived_at >= oldest]
        return Batch(remaining, batch.retries, batch.invocations)

    def _discard(self, batch: Batch, condition: str) -> None:
        """Give up a batch, so that the shard goes on with the next one [failure]."""
        self.counts["discarded"] += len(batch.records)
        if self._destination is not None:
            kind = self._destination.kind
            self._destination.send(invocation_record(batch, condition, kind, self._now()))
        self._finish(batch.records)

    def _finish(self, records: Sequence[Record]) -> None:
        if records:
            self.checkpoint = records[-1].sequence_number
            self.counts["finished"] += len(records)

    def _read(self) -> list[Record]:
        factor = self._mapping.parallelization_factor
        for record in self._shard[self._seen :]:
            if factor == 1 or hash_key(record.partition_key) % factor == self._number:
                self._unread.append(record)
            self._seen += 1
        records = next_batch(self._unread, self._mapping.batch_size)
        for _ in records:
            self._unread.popleft()
        return records


class EventSource:
    """A stream mapped to a function. The shard readers do not wait for each other [kinesis]."""

    def __init__(
        self,
        stream: Stream,
        function: Function,
        mapping: EventSourceMapping,
        *,
        now: Callable[[], float],
        destination: Destination | None = None,
    ) -> None:
        self.readers = [
            ShardReader(shard, number, function, mapping, destination=destination, now=now)
            for shard in stream.shards
            for number in range(mapping.parallelization_factor)
        ]
        self._stopped = threading.Event()

    @property
    def counts(self) -> Counter[str]:
        """The sum of each of COUNTS over all shard readers."""
        return sum((reader.counts for reader in self.readers), Counter())

    def run(self, *, pause: Callable[[], None] = lambda: None) -> None:
        """Send everything that the stream holds, with a thread for each shard reader.

        Call ``pause`` after each failed batch. Return early after stop().
        """
        with ThreadPoolExecutor(max_workers=len(self.readers)) as threads:
            for finished in [threads.submit(self._run, reader, pause) for reader in self.readers]:
                finished.result()

    def run_in_turns(self, random: Random, *, max_invocations: int = 100_000) -> None:
        """Send everything in one thread, one invocation at a time, so that a run is repeatable.

        ``random`` draws the shard reader of each invocation. Raise RuntimeError after ``max_invocations``,
        which ends the run of a function that always fails.
        """
        for _ in range(max_invocations):
            readers = list(self.readers)
            random.shuffle(readers)
            if not any(reader.step() for reader in readers):
                return
        raise RuntimeError(f"not done after {max_invocations} invocations")

    def stop(self) -> None:
        """Let every shard reader end after its current invocation."""
        self._stopped.set()

    def _run(self, reader: ShardReader, pause: Callable[[], None]) -> None:
        failures = 0
        while not self._stopped.is_set() and reader.step() is not None:
            if reader.counts["failures"] > failures:
                failures = reader.counts["failures"]
                pause()
