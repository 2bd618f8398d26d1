"""The event of Lambda's Kinesis source as typed records (docs: lambda/latest/dg/with-kinesis), and the events
in each of them. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import chain, islice
from typing import Any

from chalicelib import timestamps
from chalicelib.delivery.aggregation import MAGIC, NotAggregatedError, inner_records
from chalicelib.delivery.json_lines import lines_of, may_be_lines
from chalicelib.records import content_of

MAX_EVENTS_PER_RECORD = 1000
"""A record with more of them is quarantined whole: an aggregate of one megabyte may hold 500,000."""
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""Of the event, the records in base64 (docs: lambda/latest/dg/gettingstarted-limits)."""
RECORD_OVERHEAD_BYTES = 600
"""What the event says about a record beside its data, at most. The capacity calculator and the simulation of
Lambda cut batches by these two limits."""


@dataclass(frozen=True)
class KinesisRecord:
    """One record of the stream, or one event of a record that holds several.

    ``data`` is the decoded payload: of the record, or of the event. ``index`` is the position of the event in
    its record, None where it is the only one. ``has_too_many_events`` says that ``data`` is a whole record
    with more than MAX_EVENTS_PER_RECORD.
    """

    shard_id: str
    sequence_number: str
    arrived_at: datetime
    data: bytes
    index: int | None = None
    has_too_many_events: bool = False

    @property
    def place(self) -> tuple[str, str]:
        """Shard and sequence number: what identifies a record of the stream."""
        return self.shard_id, self.sequence_number

    @property
    def derived_id(self) -> str:
        """The id of an event that has none: the same at every delivery. It identifies the event."""
        place = f"{self.shard_id}:{self.sequence_number}"
        return place if self.index is None else f"{place}:{self.index}"


def decode_records(event: Mapping[str, Any]) -> list[KinesisRecord]:
    """Return the records of a batch in the order of their shard."""
    return [
        KinesisRecord(
            shard_id=record["eventID"].partition(":")[0],
            sequence_number=record["kinesis"]["sequenceNumber"],
            arrived_at=datetime.fromtimestamp(record["kinesis"]["approximateArrivalTimestamp"], timezone.utc),
            data=base64.b64decode(record["kinesis"]["data"]),
        )
        for record in event["Records"]
    ]


def events_of(record: KinesisRecord) -> list[KinesisRecord]:
    """Return the events of a record of the stream, in order: itself where it is one.

    A record with more than MAX_EVENTS_PER_RECORD is returned whole and says so; no more of it is read.
    """
    data = record.data
    if not may_be_lines(data) and not data.startswith(MAGIC):
        return [record]
    contents = _contents_of(data, MAX_EVENTS_PER_RECORD)
    if len(contents) > MAX_EVENTS_PER_RECORD:
        return [replace(record, has_too_many_events=True)]
    return [*_events(record, contents)]


def all_events_of(record: KinesisRecord) -> Iterator[KinesisRecord]:
    """Yield the events of a record of the stream, however many it holds."""
    return _events(record, _contents_of(record.data, None))


def _events(record: KinesisRecord, contents: Sequence[bytes]) -> Iterator[KinesisRecord]:
    """Yield the events of a record. They arrived at one moment, so each of several gets a time of its own."""
    if len(contents) == 1:
        yield record if contents[0] is record.data else replace(record, data=contents[0])
        return
    times = timestamps.spaced([content_of(content) for content in contents], record.arrived_at)
    for index, (content, time) in enumerate(zip(contents, times, strict=True)):
        yield KinesisRecord(record.shard_id, record.sequence_number, time, content, index)


def _contents_of(data: bytes, max_events: int | None) -> list[bytes]:
    """Return the bytes of each event, and at most one more than ``max_events``.

    What begins with the magic and is no aggregate is one event, and so is an inner record without a line:
    both are quarantined as they are.
    """
    parts = inner_records(data) if data.startswith(MAGIC) else (data,)
    events = chain.from_iterable((part,) if part.startswith(MAGIC) else lines_of(part) for part in parts)
    try:
        return [*islice(events, None if max_events is None else max_events + 1)] or [data]
    except NotAggregatedError:
        return [data]
