"""What a message of the quarantine queue says: one record, or the key of one in the bucket, and its place.

The queue is the dead-letter queue of delivery (``chalicelib.delivery.quarantine`` writes the messages).
Whoever may write to it can send anything, so nothing of a message is believed before it is checked.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib import contract, timestamps
from chalicelib.delivery.kinesis import KinesisRecord
from chalicelib.delivery.outcome import RejectedRecord
from chalicelib.errors import InvalidRequestError
from ops.bucket import Bucket
from ops.errors import InputError
from ops.undelivered import Identity, check_place, identity_of, readable_reason

PREFIX = "quarantine/"
"""The prefix of the archive bucket that a message may point to."""
_TEXTS = ("reason", "error", "shardId", "sequenceNumber", "quarantinedAt")


@dataclass(frozen=True)
class QuarantinedRecord:
    """A record of the quarantine, and the messages that hold it: a batch delivered twice leaves two.

    A message does not say when the record arrived in the stream. ``arrived_at`` is when it was quarantined
    first.
    """

    rejected: RejectedRecord
    receipts: tuple[str, ...]


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
            rejected = read_message(message["Body"], bucket)
        except InputError as error:
            odd.append(readable_reason(f"odd message: {error}"))
            continue
        identity, receipts = identity_of(rejected), (message["ReceiptHandle"],)
        known = records.get(identity, QuarantinedRecord(rejected, ()))
        first = min(known.rejected, rejected, key=lambda copy: copy.record.arrived_at)
        records[identity] = QuarantinedRecord(first, known.receipts + receipts)
    return [records[identity] for identity in sorted(records)], odd


def read_message(body: str, bucket: Bucket) -> RejectedRecord:
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
    try:
        quarantined_at = timestamps.parse(message["quarantinedAt"], "quarantinedAt")
    except InvalidRequestError as error:
        raise InputError("quarantinedAt is not a time") from error
    check_place(message["shardId"], message["sequenceNumber"])
    record = KinesisRecord(
        message["shardId"], message["sequenceNumber"], quarantined_at, _content(message, bucket)
    )
    return RejectedRecord(record, message["reason"], message["error"])


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
