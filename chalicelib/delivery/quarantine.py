"""Puts rejected records into the quarantine queue (a dead-letter queue): whole, with the reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib import timestamps
from chalicelib.batching import batches
from chalicelib.delivery.outcome import Outcome, RejectedRecord
from chalicelib.errors import AwsError, ConfigError, PersonalizeApiError, UnavailableError, from_botocore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

MAX_MESSAGE_BYTES = 256 * 1024
"""Of a message and of a batch of them. SQS takes 1 MiB today, 256 KiB where the account is older
(API_SendMessageBatch). A record above the smaller limit goes to the bucket, which is right for both."""
MAX_MESSAGES_PER_CALL = 10
MAX_ERROR_CHARACTERS = 1000
SLOWEST_SEND_SECONDS = 5.0
"""What a SendMessageBatch can take with the time-outs and retries of ``Clients.sqs``."""
SLOWEST_STORE_SECONDS = 7.0
"""What a PutObject can take with those of ``Clients.s3``."""

_TOO_LATE = UnavailableError("Too little time was left to quarantine the record.")

_Failures = dict[int, PersonalizeApiError]
"""Why records are not stored, by their place among the rejected ones."""


class QuarantineClients(Protocol):
    """The clients that the quarantine needs. ``Clients`` makes each when it is first used."""

    @property
    def sqs(self) -> SQSClient: ...

    @property
    def s3(self) -> S3Client: ...


@dataclass(frozen=True)
class Quarantine:
    """Where rejected records go."""

    queue_url: str
    bucket_name: str | None
    clients: QuarantineClients

    def put(
        self, rejected: Sequence[RejectedRecord], *, now: datetime, seconds_left: Callable[[], float]
    ) -> Outcome:
        """Store every record. One that is not stored is deferred: Lambda has to deliver it again.

        No call is started that might not end in time, and none to a queue that has just failed: that must not
        cost the other records of the batch their time.
        """
        failures: _Failures = {}
        halt: PersonalizeApiError | None = None
        messages = [(index, to_message(record, now=now)) for index, record in enumerate(rejected)]
        for batch in batches(
            messages,
            max_items=MAX_MESSAGES_PER_CALL,
            size_bytes=lambda message: min(len(message[1]), MAX_MESSAGE_BYTES),
            max_bytes=MAX_MESSAGE_BYTES,
        ):
            if halt is None and seconds_left() < SLOWEST_SEND_SECONDS:
                halt = _TOO_LATE
            if halt is None:
                failed, halt = self._put_batch(dict(batch), rejected, now, seconds_left)
                failures |= failed
            else:
                failures |= dict.fromkeys((index for index, _ in batch), halt)
        return Outcome(
            quarantined=[r.record for index, r in enumerate(rejected) if index not in failures],
            deferred=[(rejected[index].record, error) for index, error in failures.items()],
        )

    def _put_batch(
        self,
        messages: Mapping[int, str],
        rejected: Sequence[RejectedRecord],
        now: datetime,
        seconds_left: Callable[[], float],
    ) -> tuple[_Failures, PersonalizeApiError | None]:
        """Make one SendMessageBatch, and a PutObject for each record that is too large for it.

        Returns what failed, and the error of a queue that failed as a whole: the next call would meet it too.
        """
        failures: _Failures = {}
        bodies: dict[int, str] = {}
        for index, body in messages.items():
            if len(body) <= MAX_MESSAGE_BYTES:
                bodies[index] = body
            elif seconds_left() < SLOWEST_STORE_SECONDS + SLOWEST_SEND_SECONDS:
                failures[index] = _TOO_LATE
            else:
                try:
                    location = self._store(rejected[index])
                except PersonalizeApiError as error:
                    failures[index] = error
                else:
                    bodies[index] = _to_pointer(rejected[index], location, now)
        try:
            return failures | (self._send(bodies) if bodies else {}), None
        except PersonalizeApiError as error:
            return failures | dict.fromkeys(bodies, error), error

    def _store(self, rejected: RejectedRecord) -> str:
        """Return where the bucket keeps a record. A second delivery of the record writes the same key."""
        if self.bucket_name is None:
            raise ConfigError("EVENTS_BUCKET_NAME is not set, and a record is too large for the queue.")
        record = rejected.record
        end = "" if record.index is None else f"-{record.index}"
        key = f"quarantine/{record.shard_id}/{record.sequence_number}{end}"
        try:
            self.clients.s3.put_object(Bucket=self.bucket_name, Key=key, Body=record.data)
        except AwsError as error:
            raise from_botocore(error, "The archive bucket") from error
        return f"s3://{self.bucket_name}/{key}"

    def _send(self, bodies: Mapping[int, str]) -> _Failures:
        """Make one SendMessageBatch. Returns the messages that the queue did not take."""
        try:
            response = self.clients.sqs.send_message_batch(
                QueueUrl=self.queue_url,
                Entries=[{"Id": str(index), "MessageBody": body} for index, body in bodies.items()],
            )
        except AwsError as error:
            raise from_botocore(error, "The quarantine queue") from error
        return {
            int(failed["Id"]): UnavailableError("The quarantine queue did not take a message.")
            for failed in response.get("Failed", [])
        }


def to_message(rejected: RejectedRecord, *, now: datetime) -> str:
    """Return ``{"reason", "error", "record", "shardId", "sequenceNumber", "quarantinedAt"}`` as JSON.

    For one event of a record that held several also ``index`` and ``arrivedAt``, the time that an event has
    when it names none: after a redrive the events of a record would all have the same.

    ``record`` is the record as text. For one that is not UTF-8 it is base64, and ``encoding`` says so. The
    JSON is ASCII: SQS refuses some characters that JSON allows, and so a character is a byte.
    """
    data = rejected.record.data
    try:
        content = {"record": data.decode()}
    except UnicodeDecodeError:
        content = {"record": base64.b64encode(data).decode(), "encoding": "base64"}
    return _message(rejected, content, now)


def _to_pointer(rejected: RejectedRecord, location: str, now: datetime) -> str:
    """Return the message for a record that is kept in the bucket."""
    return _message(rejected, {"record": None, "recordLocation": location}, now)


def _message(rejected: RejectedRecord, content: Mapping[str, Any], now: datetime) -> str:
    record = rejected.record
    several = {"index": record.index, "arrivedAt": timestamps.to_rfc3339(record.arrived_at)}
    return json.dumps(
        {
            "reason": rejected.reason,
            "error": rejected.error[:MAX_ERROR_CHARACTERS],
            **content,
            "shardId": record.shard_id,
            "sequenceNumber": record.sequence_number,
            **({} if record.index is None else several),
            "quarantinedAt": timestamps.to_rfc3339(now),
        }
    )
