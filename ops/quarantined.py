"""What a message of the quarantine queue says: one record, or the key of one in the bucket, and its place.

The record is one event, with the index that it had where its record held several, or a record of the stream
that was quarantined whole.

The queue is the dead-letter queue of delivery (``chalicelib.delivery.quarantine`` writes the messages).
Whoever may write to it can send anything, so nothing of a message is believed before it is checked.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib import contract, timestamps
from chalicelib.delivery.kinesis import KinesisRecord
from chalicelib.delivery.outcome import RejectedRecord
from chalicelib.errors import InvalidRequestError
from ops.bucket import Bucket
from ops.errors import InputError
from ops.undelivered import MAX_INDEX, Identity, check_place, identity_of, readable_reason

PREFIX = "quarantine/"
"""The prefix of the archive bucket that a message may point to."""
_TEXTS = ("reason", "error", "shardId", "sequenceNumber")


@dataclass(frozen=True)
class QuarantinedRecord:
    """A record of the quarantine, and the messages that hold it: a batch delivered twice leaves two.

    Only the message of one event of several says when it arrived in the stream. For any other ``arrived_at``
    is when the record was quarantined first.
    """

    rejected: RejectedRecord
    quarantined_at: datetime
    receipts: tuple[str, ...] = ()


def read_messages(
    messages: Sequence[Mapping[str, Any]], bucket: Bucket
) -> tuple[list[QuarantinedRecord], list[str]]:
    """Return the records of some SQS messages, and why each of the other messages holds none.

    Each record is there once, in the order that the records had in the stream.
    """
    records: dict[Identity, QuarantinedRecord] = {}
    odd: list[str] = []
    for message in messages:
        try:
            found = read_message(message["Body"], bucket)
        except InputError as error:
            odd.append(readable_reason(f"odd message: {error}"))
            continue
        identity = identity_of(found.rejected)
        known = records.get(identity, found)
        first = min(known, found, key=lambda copy: copy.quarantined_at)
        records[identity] = replace(first, receipts=(*known.receipts, message["ReceiptHandle"]))
    return [records[identity] for identity in sorted(records)], odd


def read_message(body: str, bucket: Bucket) -> QuarantinedRecord:
    """Return the record of a message. Raises InputError for a message that delivery does not write."""
    try:
        message = contract.parse(body.encode())
    except (InvalidRequestError, UnicodeEncodeError) as error:
        raise InputError("it is not JSON") from error
    if not isinstance(message, dict):
        raise InputError("it is not a JSON object")
    for name in _TEXTS:
        if not isinstance(message.get(name), str):
            raise InputError(f"{name} is not text")
    quarantined_at = _time(message, "quarantinedAt")
    check_place(message["shardId"], message["sequenceNumber"])
    record = KinesisRecord(
        message["shardId"],
        message["sequenceNumber"],
        _time(message, "arrivedAt") if "arrivedAt" in message else quarantined_at,
        _content(message, bucket),
        _index(message),
    )
    return QuarantinedRecord(RejectedRecord(record, message["reason"], message["error"]), quarantined_at)


def _time(message: Mapping[str, Any], name: str) -> datetime:
    if not isinstance(message.get(name), str):
        raise InputError(f"{name} is not text")
    try:
        return timestamps.parse(message[name], name)
    except InvalidRequestError as error:
        raise InputError(f"{name} is not a time") from error


def _index(message: Mapping[str, Any]) -> int | None:
    """Return the position of the event in its record. Absent where it was alone."""
    if "index" not in message:
        return None
    index = message["index"]
    if type(index) is not int or not 0 <= index <= MAX_INDEX:
        raise InputError("index is not the position of an event")
    return index


def _content(message: Mapping[str, Any], bucket: Bucket) -> bytes:
    """Return the bytes of the record as they came: text, base64, or an object in the archive bucket."""
    if "recordLocation" in message:
        return _object(message["recordLocation"], bucket)
    text, encoding = message.get("record"), message.get("encoding")
    if not isinstance(text, str):
        raise InputError("record is not text")
    if encoding is None:
        return text.encode()
    if encoding != "base64":
        raise InputError("encoding is not base64")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise InputError("record is not base64") from error


def _object(location: object, bucket: Bucket) -> bytes:
    """Return the object that a message points to: one under PREFIX in the bucket of this stack, no other.

    The operator may read more than whoever wrote the message.
    """
    place = f"s3://{bucket.name}/"
    if not (isinstance(location, str) and location.startswith(place + PREFIX)):
        raise InputError(f"recordLocation is not in {place}{PREFIX}")
    return bucket.read(location.removeprefix(place))
