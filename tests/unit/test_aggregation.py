"""The aggregates of the Kinesis Producer Library: what the reader reads, held against AWS's own library."""

import base64
import hashlib

import pytest
from aws_kinesis_agg.aggregator import AggRecord
from aws_kinesis_agg.deaggregator import deaggregate_records
from aws_kinesis_agg.messages_pb2 import AggregatedRecord
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.delivery.aggregation import MAGIC, NotAggregatedError, firehose_records, inner_records
from tests.support.factories import aggregate, signed

LIMIT = 1024 * 1024


def read(data):
    """The inner records; None for what is no aggregate."""
    try:
        return [*inner_records(data)]
    except NotAggregatedError:
        return None


def read_by_the_library(data):
    """The same by aws_kinesis_agg, which returns what is no aggregate as it is."""
    place = {"sequenceNumber": "1", "kinesisSchemaVersion": "1.0", "approximateArrivalTimestamp": 1.0}
    records = deaggregate_records([{"kinesis": {"data": base64.b64encode(data), **place}}])
    found = [base64.b64decode(record["kinesis"]["data"]) for record in records]
    return None if records and "aggregated" not in records[0]["kinesis"] else found


def parsed_by_the_library(message):
    """The data in a message; None for what does not parse. Keys that are missing do not matter here."""
    try:
        return [record.data for record in AggregatedRecord.FromString(message).records]
    except DecodeError:
        return None


keys = st.text(max_size=5)
contents = st.lists(
    st.tuples(keys, st.binary(max_size=40), st.none() | st.integers(0, 2**128 - 1).map(str)), min_size=1
)


@given(contents)
def test_what_the_library_writes_is_read(records):
    written = AggRecord()
    for partition_key, data, explicit_hash_key in records:
        assert written.add_user_record(partition_key, data, explicit_hash_key)
    data = written.get_contents()[2]
    assert read(data) == read_by_the_library(data) == [content for _, content, _ in records]


@given(contents, st.data())
def test_what_is_changed_is_no_aggregate(records, draw):
    data = aggregate(*[content for _, content, _ in records])
    position = draw.draw(st.integers(0, len(data) - 1))
    changed = (
        data[:position] + bytes([data[position] ^ draw.draw(st.integers(1, 255))]) + data[position + 1 :]
    )
    shorter = data[: draw.draw(st.integers(0, len(data) - 1))]
    for broken in (changed, shorter, data + b"\n", data[1:]):
        assert read(broken) is read_by_the_library(broken) is None


# Messages that no library writes, with the right MD5

tags = st.fixed_dictionaries({"key": keys}, optional={"value": keys})


@st.composite
def messages(draw):
    """A message with keys, explicit hash keys and tags; the fields of records may be there several times."""
    message = AggregatedRecord(partition_key_table=["k"], explicit_hash_key_table=["1"])
    for _ in range(draw(st.integers(1, 4))):
        record = message.records.add(partition_key_index=0, data=draw(st.binary(max_size=200)))
        if draw(st.booleans()):
            record.explicit_hash_key_index = 0
        for tag in draw(st.lists(tags, max_size=2)):
            record.tags.add(**tag)
    return message.SerializeToString()


def varint(number):
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80]) + varint(number >> 7)


def field(number, wire_type, content):
    return varint(number << 3 | wire_type) + content


fields = st.one_of(
    st.builds(
        lambda number, value: field(number, 0, varint(value)), st.integers(1, 20), st.integers(0, 2**64 - 1)
    ),
    st.builds(
        lambda number, value: field(number, 1, value), st.integers(1, 20), st.binary(min_size=8, max_size=8)
    ),
    st.builds(
        lambda number, value: field(number, 5, value),
        st.integers(1, 2**29 - 1),
        st.binary(min_size=4, max_size=4),
    ),
    st.builds(
        lambda number, value: field(number, 2, varint(len(value)) + value),
        st.integers(4, 20),
        st.binary(max_size=9),
    ),
    st.builds(
        lambda parts: field(3, 2, varint(len(b"".join(parts))) + b"".join(parts)),
        st.permutations(
            [field(1, 0, b"\0"), field(3, 2, b"\2{}"), field(3, 2, b"\2[]"), field(9, 0, b"\7")]
        ).flatmap(lambda parts: st.integers(0, 4).map(lambda count: parts[:count])),
    ),
)


@given(messages(), st.lists(fields, max_size=4))
def test_fields_are_read_and_skipped_as_the_library_does(message, others):
    whole = message + b"".join(others)
    assert read(signed(whole)) == parsed_by_the_library(whole) is not None


@given(st.binary(max_size=60) | st.builds(bytes.__add__, messages(), st.binary(max_size=12)))
@example(b"")
@example(b"\x1a\x00")
@example(b"\xff" * 30)
@example(b"\x1a" + b"\xff" * 9 + b"\x01")
def test_any_message_ends_and_what_is_read_is_what_the_library_reads(message):
    found = read(signed(message))
    assert found is None or found == parsed_by_the_library(message)


@pytest.mark.parametrize("wire_type", [3, 4, 6, 7])
def test_groups_and_unknown_wire_types_are_refused(wire_type):
    assert read(signed(aggregate(b"{}")[4:-16] + field(9, wire_type, field(9, 4, b"")))) is None


def test_an_aggregate_in_an_aggregate_is_left_as_it_is():
    inner = aggregate(b"a", b"b")
    assert read(aggregate(inner, b"c")) == read_by_the_library(aggregate(inner, b"c")) == [inner, b"c"]


@pytest.mark.parametrize("data", [b"{}\n", b"", aggregate(b"{}\n")[:-1], signed(b"\x1a\x05abc")])
def test_firehose_archives_what_is_no_aggregate_as_it_is(data):
    assert firehose_records(data) == [data]


def test_firehose_archives_the_inner_records_of_an_aggregate():
    inner = aggregate(b"a", b"b")
    data = aggregate(b"one\n", b"", inner)
    assert firehose_records(data) == read_by_the_library(data) == [b"one\n", b"", inner]
    assert firehose_records(data, 2) == [b"one\n", b""]


def test_reading_ends_where_the_reader_has_enough():
    message = field(3, 2, b"\4\x08\0\x1a\0") * 100_000
    assert len(signed(message)) < LIMIT
    records = inner_records(signed(message))
    assert [next(records) for _ in range(3)] == [b"", b"", b""]


def test_the_magic_is_that_of_the_format():
    assert bytes.fromhex("f3899ac2") == MAGIC
    assert aggregate(b"{}")[-16:] == hashlib.md5(aggregate(b"{}")[4:-16]).digest()
