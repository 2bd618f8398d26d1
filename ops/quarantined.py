"""The messages of the quarantine queue: read in rounds, held meanwhile, deleted or shown again.

The queue is the dead-letter queue of delivery. A message has one record, or the place of one in the bucket.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types import TracebackType

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

HIDDEN_SECONDS = 900
"""How long a message that was read is hidden from other readers: enough for a round, also after a crash."""
MESSAGES_PER_ROUND = 500
"""Messages that are read before their records go back: PutRecords takes as many records."""
_MESSAGES_PER_CALL = 10


@dataclass(frozen=True)
class QuarantinedRecord:
    """A record of the quarantine, and the messages that hold it: a batch delivered twice leaves two."""

    message: Mapping[str, Any]
    receipts: tuple[str, ...] = ()

    @property
    def position(self) -> tuple[str, int]:
        """Shard and sequence number. They identify a record, and order it among those of its shard."""
        return self.message["shardId"], int(self.message["sequenceNumber"])

    @property
    def quarantined_at(self) -> datetime:
        """When delivery put the record into the queue."""
        return datetime.fromisoformat(self.message["quarantinedAt"].replace("Z", "+00:00"))

    @property
    def why(self) -> str:
        """Reason and error, on one line."""
        return f"{self.message['reason']}: {self.message['error']}"


def records_of(messages: Sequence[Mapping[str, Any]]) -> list[QuarantinedRecord]:
    """Return the records of some SQS messages, each once, in the order that they had in the stream."""
    found: dict[tuple[str, int], QuarantinedRecord] = {}
    for message in messages:
        record = QuarantinedRecord(json.loads(message["Body"]), (message["ReceiptHandle"],))
        earlier = found.setdefault(record.position, record)
        if earlier is not record:
            receipts = (*earlier.receipts, *record.receipts)
            found[record.position] = QuarantinedRecord(earlier.message, receipts)
    return [record for _, record in sorted(found.items())]


def content_of(record: QuarantinedRecord, s3: S3Client) -> bytes:
    """Return the bytes of the record as they came: text, base64, or an object in the archive bucket."""
    message = record.message
    if "recordLocation" in message:
        bucket, _, key = message["recordLocation"].removeprefix("s3://").partition("/")
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    text: str = message["record"]
    return base64.b64decode(text) if message.get("encoding") == "base64" else text.encode()


@dataclass
class HeldMessages:
    """The messages that this run has read and hides from other readers. Left, it shows them again."""

    sqs: SQSClient
    queue_url: str
    wait_seconds: int
    receipts: list[str] = field(default_factory=list)

    def __enter__(self) -> HeldMessages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show again what is still held. Where that fails, it shows by itself after HIDDEN_SECONDS."""
        for chunk in _chunks(self.receipts):
            with suppress(ClientError):
                self.sqs.change_message_visibility_batch(
                    QueueUrl=self.queue_url,
                    Entries=[
                        {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                        for index, receipt in enumerate(chunk)
                    ],
                )

    def rounds(self) -> Iterator[list[Mapping[str, Any]]]:
        """Yield the messages in rounds, until the queue shows no more."""
        while True:
            found: list[Mapping[str, Any]] = []
            while len(found) < MESSAGES_PER_ROUND:
                response = self.sqs.receive_message(
                    QueueUrl=self.queue_url,
                    MaxNumberOfMessages=_MESSAGES_PER_CALL,
                    VisibilityTimeout=HIDDEN_SECONDS,
                    WaitTimeSeconds=self.wait_seconds,
                )
                messages = response.get("Messages", [])
                self.receipts += [message["ReceiptHandle"] for message in messages]
                found += cast(list[Mapping[str, Any]], messages)
                if not messages:
                    break
            if not found:
                return
            yield found

    def delete(self, receipts: Sequence[str]) -> None:
        """Delete messages. What SQS does not delete stays held, and is shown again at the end."""
        for chunk in _chunks(receipts):
            response = self.sqs.delete_message_batch(
                QueueUrl=self.queue_url,
                Entries=[{"Id": str(index), "ReceiptHandle": receipt} for index, receipt in enumerate(chunk)],
            )
            deleted = {chunk[int(entry["Id"])] for entry in response.get("Successful", [])}
            self.receipts = [receipt for receipt in self.receipts if receipt not in deleted]


def _chunks(receipts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(receipts), _MESSAGES_PER_CALL):
        yield receipts[start : start + _MESSAGES_PER_CALL]
