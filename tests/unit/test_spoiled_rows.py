"""Which records spoil rows of the archive, held to a model: Firehose joins records, Athena reads lines."""

import base64
import json
import time

import pytest
from aws_kinesis_agg.deaggregator import deaggregate_records
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.delivery.kinesis import MAX_EVENTS_PER_RECORD, events_of
from chalicelib.delivery.rows import spoiled_rows
from tests.support.factories import aggregate, json_lines, kinesis_record, request, signed

LINE = json.dumps(request()).encode() + b"\n"
UNFINISHED = LINE.removesuffix(b"\n")
PRETTY = json.dumps(request(), indent=2).encode() + b"\n"
RECORD_BYTES = 1_000_000


def spoiled(data):
    record = kinesis_record(data)
    return spoiled_rows(record, events_of(record))


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (LINE, 0),
        (LINE.replace(b"\n", b"\r\n"), 0),
        (LINE * 3, 0),
        (b"\n" + LINE + b"\n\n", 0),
        (b"", 0),
        (b"no event\n", 0),
        (UNFINISHED, 1),
        (LINE + UNFINISHED, 1),
        (UNFINISHED + b" ", 1),
        (PRETTY, 1),
        (b"\n" + PRETTY + b"\n", 1),
        (PRETTY.rstrip(), 1),
        (PRETTY[:-3] + b"\n", 1),
        (aggregate(LINE, LINE + LINE, b""), 0),
        (aggregate(UNFINISHED), 1),
        (aggregate(UNFINISHED, LINE, LINE + UNFINISHED), 2),
        (aggregate(PRETTY, LINE, PRETTY.rstrip(), UNFINISHED), 3),
        (aggregate(aggregate(LINE)), 1),
        (aggregate(LINE, LINE)[:-1], 1),
        (signed(b""), 1),
        (aggregate(LINE) + b"\n", 1),
    ],
)
def test_a_record_without_a_newline_and_an_event_over_several_lines_count_once_each(data, count):
    assert spoiled(data) == count


def archived_by_the_library(data):
    """What Firehose archives of a record, by AWS's own library."""
    place = {"sequenceNumber": "1", "kinesisSchemaVersion": "1.0", "approximateArrivalTimestamp": 1.0}
    records = deaggregate_records([{"kinesis": {"data": base64.b64encode(data), **place}}])
    return b"".join(base64.b64decode(record["kinesis"]["data"]) for record in records)


def rows(archive):
    """The events that Athena reads."""
    for line in archive.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            yield None


contents = st.lists(st.sampled_from([LINE, LINE + LINE, UNFINISHED, LINE + UNFINISHED, PRETTY]), min_size=1)


@given(contents, st.booleans())
@example([UNFINISHED], False)
def test_what_does_not_count_leaves_every_row_of_the_archive_whole(parts, aggregated):
    records = [aggregate(*parts)] if aggregated else parts
    count = sum(spoiled(data) for data in records)
    archive = b"".join(map(archived_by_the_library, [*records, LINE]))
    events = sum(len(events_of(kinesis_record(data))) for data in [*records, LINE])
    read = [row for row in rows(archive) if row == request()]
    assert (len(read) == events) == (count == 0)
    assert count == sum(part in {UNFINISHED, LINE + UNFINISHED, PRETTY} for part in parts)


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (json_lines(*[request()] * (MAX_EVENTS_PER_RECORD + 1)), 0),
        (json_lines(*[request()] * (MAX_EVENTS_PER_RECORD + 1))[:-1], 1),
        (aggregate(*[b"{}"] * (MAX_EVENTS_PER_RECORD + 1)), MAX_EVENTS_PER_RECORD),
        (aggregate(*[b"{}\n"] * (MAX_EVENTS_PER_RECORD + 1)), 0),
    ],
)
def test_of_a_record_with_too_many_events_only_newlines_are_judged_and_of_an_aggregate_the_first(data, count):
    assert spoiled(data) == count


@pytest.mark.parametrize(
    "data",
    [
        b"\n" * RECORD_BYTES,
        b"\n" * RECORD_BYTES + b"{}",
        b'{"a":' + b"\n" * RECORD_BYTES + b"1}\n",
        signed(b"\x1a\x05\x08\0\x1a\x01\n" * (RECORD_BYTES // 7)),
        b"x" * RECORD_BYTES,
    ],
    ids=["newlines", "newlines and no end", "one value", "small inner records", "no newline"],
)
def test_the_largest_records_are_judged_in_no_time(data):
    record = kinesis_record(data)
    events = events_of(record)
    started = time.process_time()
    spoiled_rows(record, events)
    assert time.process_time() - started < 0.2
