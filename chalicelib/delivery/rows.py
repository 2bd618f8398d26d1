"""What a record does to the rows of the archive. Pure.

Firehose joins what it archives as it is, and Athena reads each line as a row. Delivery reads records that
Athena cannot, so only a count of them tells a producer's operator that rows of the archive are lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.delivery.aggregation import MAGIC, firehose_records
from chalicelib.delivery.json_lines import may_be_lines
from chalicelib.delivery.kinesis import MAX_EVENTS_PER_RECORD, KinesisRecord


def spoiled_rows(record: KinesisRecord, events: Sequence[KinesisRecord]) -> int:
    """Return how many of the records that Firehose makes of a record of the stream spoil a row.

    Such a record has no newline at its end, so that the next one continues its line, or it is one event over
    several lines. ``events`` are what ``events_of`` returns for the record: they are not parsed again. Of an
    aggregate the first MAX_EVENTS_PER_RECORD inner records are judged.
    """
    data = record.data
    if data.find(b"\n") == len(data) - 1 and not data.startswith(MAGIC):
        return 0  # one line, as most records are
    archived = firehose_records(data, MAX_EVENTS_PER_RECORD)
    unfinished = sum(bool(each) and not each.rstrip(b" \t\r").endswith(b"\n") for each in archived)
    return unfinished + sum(_is_over_several_lines(event) for event in events)


def _is_over_several_lines(event: KinesisRecord) -> bool:
    """Return whether an event with a newline at its end has others inside. Lines of JSON have no newline."""
    data = event.data
    if event.has_too_many_events or not may_be_lines(data) or not data.endswith(b"\n"):
        return False
    return b"\n" in data.strip()
