"""The rules of Lambda's Kinesis event source mapping, as pure functions. No time passes and nothing is sent.

Every rule names its page below docs.aws.amazon.com/lambda/latest/dg/:

    [kinesis]  with-kinesis.html                          batches, order, errors
    [report]   services-kinesis-batchfailurereporting.html  ReportBatchItemFailures, and bisecting with it
    [failure]  kinesis-on-failure-destination.html        retry limits, bisecting, destinations
    [params]   services-kinesis-parameters.html           names, defaults and ranges
    [mapping]  invocation-eventsourcemapping.html         batching, payload limit, parallel batches

Where the pages are silent, the code takes the reading that is harder on the function, and a comment says so.
Not simulated: batching and tumbling windows, filters, resharding and retention.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from chalicelib.delivery.kinesis import MAX_PAYLOAD_BYTES, RECORD_OVERHEAD_BYTES
from simulation.stream import STREAM_ARN, Record

INFINITE = -1
"""The service's own value for no limit [params]."""


@dataclass(frozen=True)
class EventSourceMapping:
    """The settings, with the service's names and defaults [params]."""

    batch_size: int = 100
    report_batch_item_failures: bool = False
    bisect_batch_on_function_error: bool = False
    maximum_retry_attempts: int = INFINITE
    maximum_record_age_in_seconds: float = INFINITE
    parallelization_factor: int = 1


@dataclass(frozen=True)
class Destination:
    """The receiver of discarded batches: S3 gets the records, SQS and SNS only their position [failure]."""

    kind: Literal["s3", "sqs", "sns"]
    send: Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Batch:
    """Consecutive records of a shard reader, and how often they have been sent.

    ``retries`` counts against MaximumRetryAttempts. ``invocations`` counts every time the batch was sent.
    """

    records: Sequence[Record]
    retries: int = 0
    invocations: int = 0

    def event(self) -> dict[str, Any]:
        """Return Lambda's event with these records."""
        return {"Records": [record.as_event() for record in self.records]}


class CompleteFailureError(Exception):
    """The function's response makes the whole batch fail."""


def next_batch(records: Iterable[Record], batch_size: int) -> list[Record]:
    """Return the first ``batch_size`` records, or fewer when they reach the payload limit [mapping]."""
    batch: list[Record] = []
    payload_bytes = 0
    for record in records:
        payload_bytes += RECORD_OVERHEAD_BYTES + (len(record.data) + 2) // 3 * 4
        if batch and payload_bytes > MAX_PAYLOAD_BYTES:
            break
        batch.append(record)
        if len(batch) == batch_size:
            break
    return batch


def first_failed(response: object, sequence_numbers: Sequence[str]) -> int | None:
    """Return the index of the record from which the batch is sent again, None for a success [report].

    The lowest of the reported sequence numbers counts. A null or empty response and a null or empty list are
    a success. Raise CompleteFailureError for an item whose itemIdentifier is an empty string, null or under
    another key.
    """
    if not response:
        return None
    if not isinstance(response, Mapping):
        # Not documented. A response that is not an object holds no list of failures.
        raise CompleteFailureError("the response is not an object")
    # An object without the key counts as one with a null list: a success, whatever the function meant.
    failures = response.get("batchItemFailures")
    if failures is None:
        return None
    if not isinstance(failures, Sequence) or isinstance(failures, str):
        raise CompleteFailureError("batchItemFailures is not a list")
    indexes = {number: index for index, number in enumerate(sequence_numbers)}
    reported = []
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, Mapping) else None
        # Not documented: an identifier that names no record of this batch.
        if not isinstance(identifier, str) or identifier not in indexes:
            raise CompleteFailureError("an itemIdentifier names no record of the batch")
        reported.append(identifier)
    # Sequence numbers are decimal strings, so they are compared as numbers: "9" is lower than "10".
    return indexes[min(reported, key=int)] if reported else None


def batches_after_error(batch: Batch, mapping: EventSourceMapping) -> list[Batch]:
    """Return what is sent after a function error, in order: the batch again, or its halves.

    Bisecting happens with and without ReportBatchItemFailures [report] and uses up no retry [failure].
    """
    if mapping.bisect_batch_on_function_error and len(batch.records) > 1:
        middle = len(batch.records) // 2
        return [
            Batch(batch.records[:middle], batch.retries, batch.invocations),
            Batch(batch.records[middle:], batch.retries, batch.invocations),
        ]
    return [Batch(batch.records, batch.retries + 1, batch.invocations)]


def batches_after_partial_failure(batch: Batch, first: int, mapping: EventSourceMapping) -> list[Batch]:
    """Return what is sent after a partial failure: the records from index ``first`` on, no newer [report].

    With bisecting on, the batch is split at that record, and a split uses up no retry. Without bisecting, the
    documentation does not say whether progress gives the remaining records new retries; here it does not.
    """
    split = mapping.bisect_batch_on_function_error and first > 0
    return [Batch(batch.records[first:], batch.retries + (not split), batch.invocations)]


def invocation_record(
    batch: Batch, condition: str, destination_kind: str, discarded_at: float
) -> dict[str, Any]:
    """Return the JSON document that a destination gets for a discarded batch [failure].

    ``discarded_at`` is in seconds since 1970.
    """
    first, last = batch.records[0], batch.records[-1]
    document: dict[str, Any] = {
        "requestContext": {"condition": condition, "approximateInvokeCount": batch.invocations},
        "version": "1.0",
        "timestamp": _to_rfc3339(discarded_at),
        "KinesisBatchInfo": {
            "shardId": first.shard_id,
            "startSequenceNumber": first.sequence_number,
            "endSequenceNumber": last.sequence_number,
            "approximateArrivalOfFirstRecord": _to_rfc3339(first.arrived_at),
            "approximateArrivalOfLastRecord": _to_rfc3339(last.arrived_at),
            "batchSize": len(batch.records),
            "streamArn": STREAM_ARN,
        },
    }
    return document | ({"payload": json.dumps(batch.event())} if destination_kind == "s3" else {})


def _to_rfc3339(seconds: float) -> str:
    time = datetime.fromtimestamp(seconds, timezone.utc)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
