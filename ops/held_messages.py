"""The messages of the quarantine queue: read in rounds, held meanwhile, deleted or shown again.

What a message says is read elsewhere (``ops.quarantined``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types import TracebackType

    from mypy_boto3_sqs import SQSClient

HIDDEN_SECONDS = 900
"""How long redrive hides a message that it has read from other readers: enough for a round."""
MESSAGES_PER_ROUND = 500
"""Messages that are read before their records go back: PutRecords takes as many records."""
_MESSAGES_PER_CALL = 10


@dataclass
class HeldMessages:
    """The messages that this run has read and hides from other readers. Left, it shows them again.

    After ``hidden_seconds`` a message shows by itself, also after a crash.
    """

    sqs: SQSClient
    queue_url: str
    wait_seconds: int
    hidden_seconds: int = HIDDEN_SECONDS
    receipts: list[str] = field(default_factory=list)

    def __enter__(self) -> HeldMessages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show again what is still held. Where that fails, it shows by itself after ``hidden_seconds``."""
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
        """Yield the messages in rounds, each once, until the queue shows no new one.

        A message that stays is shown again after ``hidden_seconds``. Without its id a long run would never
        end.
        """
        ids: set[str] = set()
        while found := self._round(ids):
            yield found

    def _round(self, ids: set[str]) -> list[Mapping[str, Any]]:
        """Return messages whose id is not in ``ids``, and add their ids."""
        found: list[Mapping[str, Any]] = []
        while len(found) < MESSAGES_PER_ROUND:
            response = self.sqs.receive_message(
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=_MESSAGES_PER_CALL,
                VisibilityTimeout=self.hidden_seconds,
                WaitTimeSeconds=self.wait_seconds,
            )
            messages = cast(list[Mapping[str, Any]], response.get("Messages", []))
            self.receipts += [message["ReceiptHandle"] for message in messages]
            new = [message for message in messages if message["MessageId"] not in ids]
            ids.update(message["MessageId"] for message in new)
            found += new
            if not new:
                break
        return found

    def delete(self, receipts: Sequence[str]) -> None:
        """Delete messages. What SQS does not delete stays held, and is shown again at the end."""
        for chunk in _chunks(receipts):
            response = self.sqs.delete_message_batch(
                QueueUrl=self.queue_url,
                Entries=[{"Id": str(index), "ReceiptHandle": receipt} for index, receipt in enumerate(chunk)],
            )
            deleted = {chunk[int(entry["Id"])] for entry in response.get("Successful", [])}
            self.receipts = [receipt for receipt in self.receipts if receipt not in deleted]


def count_held_by_others(sqs: SQSClient, queue_url: str) -> int:
    """Return how many messages other readers hold: about, says SQS. Asked before this reader holds any."""
    name = "ApproximateNumberOfMessagesNotVisible"
    response = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=[name])  # type: ignore[list-item]
    return int(response["Attributes"][name])  # type: ignore[index]


def _chunks(receipts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(receipts), _MESSAGES_PER_CALL):
        yield receipts[start : start + _MESSAGES_PER_CALL]
