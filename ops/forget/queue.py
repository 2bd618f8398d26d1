"""The messages of the quarantine queue that hold events of a person.

SQS hands out messages of others with them. Those are shown again as they were.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from chalicelib.delivery import quarantine
from ops.bucket import Bucket
from ops.errors import AwsError, InputError
from ops.forget.editing import Part, part_of_record, parts_of
from ops.forget.person import Person
from ops.held_messages import HIDDEN_SECONDS, HeldMessages, count_held_by_others
from ops.quarantined import QuarantinedRecord, read_message

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True)
class _Read:
    """What a message holds: a record, which delivery has put, or anything else; and what is left of it."""

    part: Part
    record: QuarantinedRecord | None = None


@dataclass(frozen=True)
class Quarantine:
    """The queue of one deployment, and the bucket that its messages may point to.

    ``wait_seconds`` and ``hidden_seconds`` are those of ``HeldMessages``.
    """

    sqs: SQSClient
    url: str
    bucket: Bucket
    wait_seconds: int = 1
    hidden_seconds: int = HIDDEN_SECONDS

    @property
    def s3(self) -> S3Client:
        """The client for records that are too large for the queue."""
        return self.bucket.s3

    def judge(self, person: Person) -> tuple[int, frozenset[str]]:
        """Return how many messages hold something of the person, and the sessions that they show."""
        count, sessions = 0, frozenset[str]()
        with self._held() as held:
            for message in _messages(held):
                part = self._read(message["Body"], person).part
                count += part.removed > 0
                sessions |= part.sessions
        return count, sessions

    def clean(self, person: Person) -> None:
        """Delete the messages of the person.

        A message that holds events of others too is first put anew without the person's. What points to an
        object goes when nothing of the object would be left. The object itself is cleaned with its prefix.
        """
        with self._held() as held:
            for message in _messages(held):
                read = self._read(message["Body"], person)
                if not read.part.removed or (read.part.kept and _has_location(message["Body"])):
                    continue
                if read.part.kept:
                    # A kill before the deletion leaves two: a redrive takes equal records for one.
                    self._put_anew(read)
                held.delete([message["ReceiptHandle"]])

    def hidden(self) -> int:
        """Return how many messages other readers hold, about."""
        return count_held_by_others(self.sqs, self.url)

    def _held(self) -> HeldMessages:
        return HeldMessages(self.sqs, self.url, self.wait_seconds, self.hidden_seconds)

    def _read(self, body: str, person: Person) -> _Read:
        try:
            record = read_message(body, self.bucket)
        except InputError:
            return _Read(parts_of(_odd_content(body), person))
        return _Read(part_of_record(record.rejected.record, person), record)

    def _put_anew(self, read: _Read) -> None:
        """Put what is left of a message, as delivery does: what is too large goes to the bucket."""
        if read.record is None:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=read.part.kept.decode(errors="replace"))
            return
        rejected = read.record.rejected
        changed = replace(rejected, record=replace(rejected.record, data=read.part.kept))
        queue = quarantine.Quarantine(self.url, self.bucket.name, self)
        outcome = queue.put([changed], now=read.record.quarantined_at, seconds_left=lambda: 60.0)
        if outcome.deferred:
            raise AwsError(f"{outcome.deferred[0][1]} Run it again.")


def _messages(held: HeldMessages) -> Iterator[Mapping[str, Any]]:
    """Yield one message after another: each may point to a record of several megabytes."""
    return chain.from_iterable(held.rounds())


def _has_location(body: str) -> bool:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and "recordLocation" in message


def _odd_content(body: str) -> bytes:
    """Return what a message that delivery does not write may hold: its record, else all of it."""
    try:
        message = json.loads(body)
        record = message["record"]
        if message.get("encoding") == "base64":
            return base64.b64decode(record)
        return str(record).encode(errors="surrogatepass") if isinstance(record, str) else body.encode()
    except (LookupError, TypeError, ValueError, RecursionError, AttributeError):
        return body.encode(errors="surrogatepass")
