"""The batches that Lambda gave up: documents in the archive bucket, each with the records of one batch.

The page is docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html. An object is named
``aws/lambda/<ESM-UUID>/<shardID>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<Random UUID>``. It is a JSON document with
``KinesisBatchInfo``, which says where the batch was in the stream, and ``payload``, the whole invocation
event as JSON text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from chalicelib import contract
from chalicelib.delivery.kinesis import decode_records
from chalicelib.delivery.outcome import RejectedRecord
from chalicelib.errors import InvalidRequestError
from ops.bucket import Bucket
from ops.errors import InputError
from ops.undelivered import GIVEN_UP, check_place, readable_reason

PREFIX = "aws/lambda/"
"""The prefix is Lambda's."""
_EPOCH = datetime.fromtimestamp(0, timezone.utc)


@dataclass(frozen=True)
class GivenUpBatch:
    """The records of one document, in stream order, and what else is in it that should not be.

    Lambda's condition is the error of each. Whether its events keep the contract is not judged here.
    ``place`` is the shard and the first sequence number of the batch.
    """

    place: tuple[str, int]
    records: tuple[RejectedRecord, ...]
    odd: tuple[str, ...]


def find_batches(bucket: Bucket) -> tuple[list[str], list[str]]:
    """Return the keys of the documents in stream order, and why each other object of the prefix is none.

    The key of an object names the second in which the batch was given up. Many batches share a second, so
    each object is read for its place.
    """
    places: list[tuple[tuple[str, int], str]] = []
    odd: list[str] = []
    for key in bucket.keys(PREFIX):
        try:
            places.append((read_batch(bucket.read(key)).place, key))
        except InputError as error:
            odd.append(readable_reason(f"odd object: {error}"))
    return [key for _, key in sorted(places)], odd


def read_batch(document: bytes) -> GivenUpBatch:
    """Return the batch of a document. Raises InputError for a document that Lambda does not write."""
    found = _object(document, "it")
    info, payload = found.get("KinesisBatchInfo"), found.get("payload")
    if not isinstance(info, dict) or not isinstance(payload, str):
        raise InputError("it has no KinesisBatchInfo or no payload")
    check_place(info.get("shardId"), info.get("startSequenceNumber"))
    entries = _object(payload.encode(), "payload").get("Records")
    if not isinstance(entries, list) or not entries:
        raise InputError("payload has no records")
    condition = _condition(found)
    records: list[RejectedRecord] = []
    odd: list[str] = []
    for entry in entries:
        try:
            records += _read_entry(entry, info["shardId"], condition)
        except InputError as error:
            odd.append(readable_reason(f"odd record: {error}"))
    if info.get("batchSize") != len(entries):
        odd.append("odd object: payload does not have as many records as batchSize says")
    in_order = sorted(records, key=lambda rejected: int(rejected.record.sequence_number))
    return GivenUpBatch((info["shardId"], int(info["startSequenceNumber"])), tuple(in_order), tuple(odd))


def _object(text: bytes, name: str) -> dict[str, Any]:
    try:
        value = contract.parse(text)
    except InvalidRequestError as error:
        raise InputError(f"{name} is not JSON") from error
    if not isinstance(value, dict):
        raise InputError(f"{name} is not a JSON object")
    return value


def _condition(document: Mapping[str, Any]) -> str:
    context = document.get("requestContext")
    return str(context.get("condition")) if isinstance(context, dict) else "no condition"


def _read_entry(entry: Any, shard_id: str, condition: str) -> list[RejectedRecord]:
    """Return what a record of the invocation event holds, decoded as delivery does. Raises InputError."""
    try:
        records = decode_records({"Records": [entry]})
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise InputError("it is not a record of Kinesis") from error
    for record in records:
        check_place(record.shard_id, record.sequence_number)
        if record.shard_id != shard_id:
            raise InputError("it is not of the shard of its batch")
        if record.arrived_at < _EPOCH:
            raise InputError("approximateArrivalTimestamp is not a time since 1970")
    return [RejectedRecord(record, GIVEN_UP, condition) for record in records]
