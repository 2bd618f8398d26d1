"""Records that can never be delivered, into the quarantine queue: kept whole, with the reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.errors import AwsError, ConfigError, PersonalizeApiError, UnavailableError, from_botocore
from chalicelib.packing import pack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

MAX_MESSAGE_BYTES = 256 * 1024
"""Of a message and of a batch of them. SQS takes 1 MiB today, 256 KiB where the account is older
(API_SendMessageBatch); a record above the smaller limit goes to the bucket, which is right for both."""
MAX_MESSAGES_PER_CALL = 10

UNREADABLE = "unreadable"
REFUSED = "refused"
"""The two reasons: the record breaks the contract, or Personalize refused the event."""


@dataclass(frozen=True)
class Reject:
    """A record that no retry will help. ``record`` is the bytes as they came."""

    reason: str
    error: str
    record: bytes
    shard_id: str
    sequence_number: str


@dataclass(frozen=True)
class Quarantine:
    """Where rejects go. The clients are made at first use: most invocations quarantine nothing."""

    queue_url: str
    bucket_name: str | None
    sqs: Callable[[], SQSClient]
    s3: Callable[[], S3Client]


def put(
    rejects: Sequence[Reject], quarantine: Quarantine, *, now: datetime
) -> list[PersonalizeApiError | None]:
    """Store every reject; for each, None or why it is not stored (it then has to be delivered again)."""
    errors: list[PersonalizeApiError | None] = [None] * len(rejects)
    bodies: list[str] = []
    for index, reject in enumerate(rejects):
        body = to_message(reject, now=now)
        if len(body) > MAX_MESSAGE_BYTES:
            try:
                body = _point_to(_store(reject, quarantine), reject, now)
            except PersonalizeApiError as error:
                errors[index] = error
        bodies.append(body)
    stored = [index for index, error in enumerate(errors) if error is None]
    for call in pack(
        stored,
        lambda index: len(bodies[index]),
        max_items=MAX_MESSAGES_PER_CALL,
        max_bytes=MAX_MESSAGE_BYTES,
    ):
        for index, failure in _send(call, bodies, quarantine).items():
            errors[index] = failure
    return errors


def to_message(reject: Reject, *, now: datetime) -> str:
    """The queue message: ``{"reason", "error", "record", "shardId", "sequenceNumber", "quarantinedAt"}``.

    ``record`` is the record as text; for one that is not UTF-8 it is base64 and ``encoding`` says so. ASCII
    only: SQS refuses some characters that JSON allows, and so a character is a byte.
    """
    try:
        content = {"record": reject.record.decode()}
    except UnicodeDecodeError:
        content = {"record": base64.b64encode(reject.record).decode(), "encoding": "base64"}
    return _message(reject, content, now)


def _point_to(location: str, reject: Reject, now: datetime) -> str:
    return _message(reject, {"record": None, "recordLocation": location}, now)


def _message(reject: Reject, content: dict[str, Any], now: datetime) -> str:
    return json.dumps(
        {
            "reason": reject.reason,
            "error": reject.error,
            **content,
            "shardId": reject.shard_id,
            "sequenceNumber": reject.sequence_number,
            "quarantinedAt": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
    )


def _store(reject: Reject, quarantine: Quarantine) -> str:
    """Keep a record in the bucket, under a key that a second delivery of the same record writes again."""
    if quarantine.bucket_name is None:
        raise ConfigError("EVENTS_BUCKET_NAME is not set, and a record is too large for the queue.")
    key = f"quarantine/{reject.shard_id}/{reject.sequence_number}"
    try:
        quarantine.s3().put_object(Bucket=quarantine.bucket_name, Key=key, Body=reject.record)
    except AwsError as error:
        raise from_botocore(error, "The archive bucket") from error
    return f"s3://{quarantine.bucket_name}/{key}"


def _send(call: list[int], bodies: list[str], quarantine: Quarantine) -> dict[int, PersonalizeApiError]:
    try:
        answer = quarantine.sqs().send_message_batch(
            QueueUrl=quarantine.queue_url,
            Entries=[{"Id": str(index), "MessageBody": bodies[index]} for index in call],
        )
    except AwsError as error:
        return {index: from_botocore(error, "The quarantine queue") for index in call}
    return {
        int(failed["Id"]): UnavailableError("The quarantine queue did not take a message.")
        for failed in answer.get("Failed", [])
    }
