"""The messages of the quarantine queue that hold events of a person.

SQS hands out messages of others with them. Those are shown again as they were.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from chalicelib.delivery.quarantine import record_members
from ops.bucket import Bucket
from ops.errors import InputError
from ops.forget.editing import Part, part_of_record, parts_of
from ops.forget.person import Person
from ops.held_messages import HIDDEN_SECONDS, HeldMessages
from ops.quarantined import read_message

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


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

    def judge(self, person: Person) -> tuple[int, frozenset[str]]:
        """Return how many messages hold something of the person, and the sessions that they show."""
        with self._held() as held:
            found = [self._part(message["Body"], person) for message in _messages(held)]
        sessions = frozenset[str]().union(*(part.sessions for part in found))
        return sum(part.removed > 0 for part in found), sessions

    def clean(self, person: Person) -> None:
        """Delete the messages of the person.

        A message that holds events of others too is first put anew without the person's. What points to an
        object goes when nothing of the object would be left. The object itself is cleaned with its prefix.
        """
        with self._held() as held:
            for message in _messages(held):
                part = self._part(message["Body"], person)
                if not part.removed or (part.kept and _has_location(message["Body"])):
                    continue
                if part.kept:
                    # A kill before the deletion leaves two: a redrive takes equal records for one.
                    body = _changed(message["Body"], part.kept)
                    self.sqs.send_message(QueueUrl=self.url, MessageBody=body)
                held.delete([message["ReceiptHandle"]])

    def hidden(self) -> int:
        """Return how many messages other readers hold: about, says SQS."""
        name = "ApproximateNumberOfMessagesNotVisible"
        response = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])  # type: ignore[list-item]
        return int(response["Attributes"][name])  # type: ignore[index]

    def _held(self) -> HeldMessages:
        return HeldMessages(self.sqs, self.url, self.wait_seconds, self.hidden_seconds)

    def _part(self, body: str, person: Person) -> Part:
        """Return what is left of a message's record, or of a message that delivery does not write."""
        try:
            return part_of_record(read_message(body, self.bucket).rejected.record, person)
        except InputError:
            part = parts_of(body.encode(errors="surrogatepass"), person)
            # Such a message says nothing that could be kept in another form.
            return replace(part, kept=b"") if part.removed else part


def _messages(held: HeldMessages) -> Iterator[Mapping[str, Any]]:
    """Yield one message after another: each may point to a record of several megabytes."""
    return chain.from_iterable(held.rounds())


def _has_location(body: str) -> bool:
    return "recordLocation" in json.loads(body)


def _changed(body: str, record: bytes) -> str:
    """Return a message with another record, written as delivery writes it."""
    message = {name: value for name, value in json.loads(body).items() if name != "encoding"}
    return json.dumps({**message, **record_members(record)})
