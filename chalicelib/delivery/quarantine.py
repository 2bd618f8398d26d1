"""Records that can never be delivered, into the quarantine queue: kept whole, with the reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.batching import pack
from chalicelib.errors import AwsError, ConfigError, PersonalizeApiError, UnavailableError, from_botocore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

MAX_MESSAGE_BYTES = 256 * 1024
"""Of a message and of a batch of them. SQS takes 1 MiB today, 256 KiB where the account is older
(API_SendMessageBatch); a record above the smaller limit goes to the bucket, which is right for both."""
MAX_MESSAGES_PER_CALL = 10
MAX_ERROR_CHARACTERS = 1000
SLOWEST_CALL = 5.0
"""Seconds that a SendMessageBatch can take with the time-outs and retries of clients.sqs."""
SLOWEST_STORE = 7.0
"""The same for a PutObject with those of clients.s3."""

UNREADABLE = "unreadable"
REFUSED = "refused"
"""The two reasons: the record breaks the contract, or Personalize refused the event."""


_TOO_LATE = UnavailableError("Too little time was left to quarantine the record.")


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
    rejects: Sequence[Reject],
    quarantine: Quarantine,
    *,
    now: datetime,
    seconds_left: Callable[[], float],
) -> list[PersonalizeApiError | None]:
    """Store every reject; for each, None or why it is not stored (it then has to be delivered again).

    No call is started that might not end in time, nor one to a queue that has just failed: that must not cost
    the other records of the batch their time.
    """
    failures: dict[int, PersonalizeApiError] = {}
    halt: PersonalizeApiError | None = None
    for call in pack(
        [(index, to_message(reject, now=now)) for index, reject in enumerate(rejects)],
        lambda entry: min(len(entry[1]), MAX_MESSAGE_BYTES),
        max_items=MAX_MESSAGES_PER_CALL,
        max_bytes=MAX_MESSAGE_BYTES,
    ):
        if halt is None and seconds_left() < SLOWEST_CALL:
            halt = _TOO_LATE
        if halt is None:
            records = {index: (rejects[index], body) for index, body in call}
            halt = _put_call(records, quarantine, now, seconds_left, failures)
        else:
            failures |= dict.fromkeys((index for index, _ in call), halt)
    return [failures.get(index) for index in range(len(rejects))]


def _put_call(
    call: Mapping[int, tuple[Reject, str]],
    quarantine: Quarantine,
    now: datetime,
    seconds_left: Callable[[], float],
    failures: dict[int, PersonalizeApiError],
) -> PersonalizeApiError | None:
    """One SendMessageBatch, and PutObject for what is too large for it. Notes what failed in ``failures``.

    Returns the error of a queue that failed as a whole: the next call would meet it too.
    """
    bodies: dict[int, str] = {}
    for index, (reject, body) in call.items():
        if len(body) <= MAX_MESSAGE_BYTES:
            bodies[index] = body
        elif seconds_left() < SLOWEST_STORE + SLOWEST_CALL:
            failures[index] = _TOO_LATE
        else:
            try:
                bodies[index] = _point_to(_store(reject, quarantine), reject, now)
            except PersonalizeApiError as error:
                failures[index] = error
    try:
        failures |= _send(bodies, quarantine) if bodies else {}
    except PersonalizeApiError as error:
        failures |= dict.fromkeys(bodies, error)
        return error
    return None


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
    """The message for a record that is kept in the bucket."""
    return _message(reject, {"record": None, "recordLocation": location}, now)


def _message(reject: Reject, content: dict[str, Any], now: datetime) -> str:
    return json.dumps(
        {
            "reason": reject.reason,
            "error": reject.error[:MAX_ERROR_CHARACTERS],
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


def _send(bodies: Mapping[int, str], quarantine: Quarantine) -> dict[int, PersonalizeApiError]:
    """One SendMessageBatch; which of the messages the queue did not take."""
    try:
        answer = quarantine.sqs().send_message_batch(
            QueueUrl=quarantine.queue_url,
            Entries=[{"Id": str(index), "MessageBody": body} for index, body in bodies.items()],
        )
    except AwsError as error:
        raise from_botocore(error, "The quarantine queue") from error
    return {
        int(failed["Id"]): UnavailableError("The quarantine queue did not take a message.")
        for failed in answer.get("Failed", [])
    }
