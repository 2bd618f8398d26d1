"""The aggregation format of the Kinesis Producer Library: a record that holds several. Reads it only. Pure.

The page is github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md: four bytes of magic,
a message of Protocol Buffers (protobuf.dev/programming-guides/encoding), and the MD5 of the message. Keys and
tags have no meaning for delivery and are only skipped. What is inside of an inner record is left alone, also
where it is an aggregate itself: AWS's own library takes one level apart.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from itertools import islice

MAGIC = b"\xf3\x89\x9a\xc2"
"""No text in UTF-8 begins with it."""
DIGEST_BYTES = 16

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10
_MAX_FIELD_NUMBER = 2**29 - 1

_RECORDS = (3, _LENGTH)
_DATA = (3, _LENGTH)
_TAGS = (4, _LENGTH)


class NotAggregatedError(Exception):
    """The bytes are no aggregate: the magic, the MD5 or the message is not what the format says."""


def inner_records(data: bytes) -> Iterator[bytes]:
    """Yield the data of each inner record, in order. Raises NotAggregatedError, possibly after some of them.

    The time is linear in what is read.
    """
    if not (data.startswith(MAGIC) and len(data) > len(MAGIC) + DIGEST_BYTES):
        raise NotAggregatedError("too short, or without the magic")
    message, digest = data[len(MAGIC) : -DIGEST_BYTES], data[-DIGEST_BYTES:]
    if hashlib.md5(message, usedforsecurity=False).digest() != digest:
        raise NotAggregatedError("the MD5 is that of another message")
    for field, content in _fields(message):
        if field == _RECORDS:
            yield _data_of(content)


def firehose_records(data: bytes, max_records: int | None = None) -> list[bytes]:
    """Return what Firehose archives of a record: the first inner records of an aggregate, else the record.

    Firehose joins them as they are (docs: streams/latest/dev/kpl-with-firehose). A broken aggregate stays as
    it is, and so does an aggregate in an aggregate.
    """
    if not data.startswith(MAGIC):
        return [data]
    try:
        return [*islice(inner_records(data), max_records)]
    except NotAggregatedError:
        return [data]


def _data_of(record: bytes) -> bytes:
    """Return the data of an inner record. Of a field that is there twice the last one counts."""
    data = b""
    for field, content in _fields(record):
        if field == _DATA:
            data = content
        elif field == _TAGS:
            deque(_fields(content), maxlen=0)  # A tag that is broken breaks the message.
    return data


def _fields(message: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yield number and wire type of each field of a message, and the content of one that has a length."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if not 0 < number <= _MAX_FIELD_NUMBER:
            raise NotAggregatedError("a field has an impossible number")
        start = position
        if wire_type == _VARINT:
            _, position = _varint(message, position)
        elif wire_type == _LENGTH:
            size, start = _varint(message, position)
            position = start + size
        elif wire_type in _FIXED_BYTES:
            position += _FIXED_BYTES[wire_type]
        else:
            raise NotAggregatedError("groups and unknown wire types are not part of the format")
        if position > len(message):
            raise NotAggregatedError("a field is longer than the message")
        yield (number, wire_type), message[start:position]


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Return the number at a position, and the position after it."""
    value = 0
    for place, byte in enumerate(message[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, position + place + 1
    raise NotAggregatedError("a number does not end")
