"""Lambda's Kinesis event source mapping, played against any function: which records it gets again, and when.

Every rule names its page below docs.aws.amazon.com/lambda/latest/dg/:

    [kinesis]  with-kinesis.html                          batches, order, errors
    [report]   services-kinesis-batchfailurereporting.html  ReportBatchItemFailures, and bisecting with it
    [failure]  kinesis-on-failure-destination.html        retry limits, bisecting, destinations
    [params]   services-kinesis-parameters.html           names, defaults and ranges
    [mapping]  invocation-eventsourcemapping.html         batching, payload limit, parallel batches

Where the pages are silent, the reading that is harder on the function is played, and a comment says so.
Not played: batching and tumbling windows, filters, resharding, retention, and the pause before a retry (which
may be passed in).
"""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from random import Random
from typing import Any, Literal

from chalicelib.delivery.kinesis import MAX_PAYLOAD_BYTES, RECORD_OVERHEAD_BYTES
from simulation.stream import STREAM_ARN, Record, Stream, hash_key

Function = Callable[[dict[str, Any]], object]
"""One invocation: takes the event, returns the answer. Any exception is a function error: the function
raised, or its time was up, or its sandbox died."""

INFINITE = -1

COUNTS = ("invocations", "failures", "redelivered", "discarded", "finished")
"""What a lane counts: invocations and those that failed, wholly or in part; the rest are records."""


@dataclass(frozen=True)
class EventSourceMapping:
    """The settings, under the service's names, with its defaults [params]."""

    batch_size: int = 100
    report_batch_item_failures: bool = False
    bisect_batch_on_function_error: bool = False
    maximum_retry_attempts: int = INFINITE
    maximum_record_age_in_seconds: float = INFINITE
    parallelization_factor: int = 1


@dataclass(frozen=True)
class Destination:
    """Where a batch goes that is given up: S3 gets the records, SQS and SNS only their place [failure]."""

    kind: Literal["s3", "sqs", "sns"]
    send: Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Batch:
    """Neighbouring records of a lane, and how often they have been sent already.

    ``retries`` counts against MaximumRetryAttempts, ``invocations`` counts every time.
    """

    records: Sequence[Record]
    retries: int = 0
    invocations: int = 0

    def event(self) -> dict[str, Any]:
        return {"Records": [record.as_event() for record in self.records]}


class CompleteFailureError(Exception):
    """The function's answer makes the whole batch fail."""


def first_failed(answer: object, sequence_numbers: Sequence[str]) -> int | None:
    """Position of the record that the batch is sent again from; None: all of it succeeded [report].

    The lowest of the reported sequence numbers counts. Success: a null or empty answer, a null or empty
    list. Complete failure (CompleteFailureError): an item whose itemIdentifier is an empty string, null or
    under another key.
    """
    if not answer:
        return None
    if not isinstance(answer, Mapping):
        # Not documented. No object, so no list of failures can be read from it.
        raise CompleteFailureError("the answer is not an object")
    # An object without the key is read as one with a null list: success, however much was meant by it.
    failures = answer.get("batchItemFailures")
    if failures is None:
        return None
    if not isinstance(failures, Sequence) or isinstance(failures, str):
        raise CompleteFailureError("batchItemFailures is not a list")
    positions = {number: position for position, number in enumerate(sequence_numbers)}
    reported = []
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, Mapping) else None
        # An identifier that is not of this batch is not documented; nothing can be concluded from it.
        if not isinstance(identifier, str) or identifier not in positions:
            raise CompleteFailureError("an itemIdentifier names no record of the batch")
        reported.append(identifier)
    # As numbers: they are decimal strings, and '9' comes before '10'.
    return positions[min(reported, key=int)] if reported else None


def after_error(batch: Batch, mapping: EventSourceMapping) -> list[Batch]:
    """What is sent after a function error, in order: the batch again, or its halves.

    Bisecting happens whatever ReportBatchItemFailures says [report] and uses up no retry [failure].
    """
    if mapping.bisect_batch_on_function_error and len(batch.records) > 1:
        middle = len(batch.records) // 2
        return [
            Batch(batch.records[:middle], batch.retries, batch.invocations),
            Batch(batch.records[middle:], batch.retries, batch.invocations),
        ]
    return [Batch(batch.records, batch.retries + 1, batch.invocations)]


def after_report(batch: Batch, position: int, mapping: EventSourceMapping) -> list[Batch]:
    """What is sent after a partial success: all from the reported record on, and nothing newer [report].

    With bisecting on, the batch is split at that record, which is a split like any other and uses up no
    retry. Without, the documentation does not say whether progress gives the rest new retries; here it does
    not.
    """
    split = mapping.bisect_batch_on_function_error and position > 0
    return [Batch(batch.records[position:], batch.retries + (not split), batch.invocations)]


def cut(records: Iterable[Record], batch_size: int) -> list[Record]:
    """The next batch: BatchSize records, fewer when the payload limit comes first [mapping]."""
    batch: list[Record] = []
    payload = 0
    for record in records:
        payload += RECORD_OVERHEAD_BYTES + (len(record.data) + 2) // 3 * 4
        if batch and payload > MAX_PAYLOAD_BYTES:
            break
        batch.append(record)
        if len(batch) == batch_size:
            break
    return batch


def invocation_record(
    batch: Batch, condition: str, destination_kind: str, discarded_at: float
) -> dict[str, Any]:
    """The JSON document that a destination gets for a batch that is given up [failure]."""
    first, last = batch.records[0], batch.records[-1]
    document: dict[str, Any] = {
        "requestContext": {"condition": condition, "approximateInvokeCount": batch.invocations},
        "version": "1.0",
        "timestamp": _iso(discarded_at),
        "KinesisBatchInfo": {
            "shardId": first.shard_id,
            "startSequenceNumber": first.sequence_number,
            "endSequenceNumber": last.sequence_number,
            "approximateArrivalOfFirstRecord": _iso(first.arrived_at),
            "approximateArrivalOfLastRecord": _iso(last.arrived_at),
            "batchSize": len(batch.records),
            "streamArn": STREAM_ARN,
        },
    }
    return document | ({"payload": json.dumps(batch.event())} if destination_kind == "s3" else {})


class Lane:
    """One reader of a shard: sends one batch at a time, strictly in order.

    A shard has ParallelizationFactor lanes; a partition key always travels in the same one, so that its
    order is kept [mapping].
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
        # All names from the start, so that another thread may read while this one counts.
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
        # What is left of the batch under way, the earliest part last. Nothing newer is read before it is
        # empty: an error stops the shard [kinesis].
        self._pending: list[Batch] = []

    def step(self) -> Batch | None:
        """At most one invocation. None when there is nothing to send, else what was looked at."""
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
            answer = self._function(batch.event())
            position = None
            if self._mapping.report_batch_item_failures:
                position = first_failed(answer, [record.sequence_number for record in batch.records])
            # Without the setting the answer is not looked at: whatever it says, the batch succeeded [report].
        except Exception:  # noqa: BLE001 - whatever goes wrong in a function is an error of that function
            self._retry(after_error(batch, self._mapping))
            return
        if position is None:
            self._finish(batch.records)
            return
        self._finish(batch.records[:position])
        self._retry(after_report(batch, position, self._mapping))

    def _retry(self, batches: list[Batch]) -> None:
        self.counts["failures"] += 1
        limit = self._mapping.maximum_retry_attempts
        for batch in reversed(batches):
            if limit != INFINITE and batch.retries > limit:
                self._discard(batch, "RetryAttemptsExhausted")
            else:
                self._pending.append(batch)

    def _discard_expired(self, batch: Batch) -> Batch:
        """Records above MaximumRecordAgeInSeconds are not sent, neither first nor again [failure]."""
        age = self._mapping.maximum_record_age_in_seconds
        if age == INFINITE:
            return batch
        oldest = self._now() - age
        expired = [record for record in batch.records if record.arrived_at < oldest]
        if expired:
            # The documentation names no condition for this one.
            self._discard(Batch(expired, batch.retries, batch.invocations), "RecordAgeExpired")
        fresh = [record for record in batch.records if record.arrived_at >= oldest]
        return Batch(fresh, batch.retries, batch.invocations)

    def _discard(self, batch: Batch, condition: str) -> None:
        """Give a batch up and go on with the next: the shard must not stand still [failure]."""
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
        records = cut(self._unread, self._mapping.batch_size)
        for _ in records:
            self._unread.popleft()
        return records


class EventSource:
    """A stream mapped to a function. Lanes do not wait for each other [kinesis]."""

    def __init__(
        self,
        stream: Stream,
        function: Function,
        mapping: EventSourceMapping,
        *,
        now: Callable[[], float],
        destination: Destination | None = None,
    ) -> None:
        self.lanes = [
            Lane(shard, number, function, mapping, destination=destination, now=now)
            for shard in stream.shards
            for number in range(mapping.parallelization_factor)
        ]
        self._stopped = threading.Event()

    @property
    def counts(self) -> Counter[str]:
        """COUNTS of all lanes together."""
        return sum((lane.counts for lane in self.lanes), Counter())

    def run(self, *, pause: Callable[[], None] = lambda: None) -> None:
        """Send everything that the stream holds, every lane in a thread of its own.

        ``pause`` is called after a batch that failed. Returns early after stop().
        """
        with ThreadPoolExecutor(max_workers=len(self.lanes)) as threads:
            for finished in [threads.submit(self._run, lane, pause) for lane in self.lanes]:
                finished.result()

    def run_in_turns(self, random: Random, *, at_most: int = 100_000) -> None:
        """The same in one thread, one invocation at a time, of a lane that is drawn each time: repeatable.

        Stops with RuntimeError after ``at_most`` invocations, for a function that always fails.
        """
        for _ in range(at_most):
            lanes = list(self.lanes)
            random.shuffle(lanes)
            if not any(lane.step() for lane in lanes):
                return
        raise RuntimeError(f"not done after {at_most} invocations")

    def stop(self) -> None:
        """Let every lane end after the invocation under way."""
        self._stopped.set()

    def _run(self, lane: Lane, pause: Callable[[], None]) -> None:
        failures = 0
        while not self._stopped.is_set() and lane.step() is not None:
            if lane.counts["failures"] > failures:
                failures = lane.counts["failures"]
                pause()


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
