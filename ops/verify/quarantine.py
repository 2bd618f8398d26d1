"""The test user's message in the quarantine queue, among those of others.

SQS hands out messages as it likes, so others are received too. They are searched for the mark, not read, and
shown again as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ops.errors import AwsError
from ops.held_messages import HeldMessages
from ops.verify.play import Play

MAX_OTHER_MESSAGES = 500
"""Messages of others that are gone through. Where there are more, the search would hide them for long."""


def waiting(play: Play) -> int:
    """Return how many messages the queue has."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    response = play.clients("sqs").get_queue_attributes(QueueUrl=play.queue_url, AttributeNames=names)
    return sum(int(response["Attributes"][name]) for name in names)


def pause_seconds(play: Play) -> float:
    """Return the pause between two searches: on AWS so long that a redrive finds the messages of others."""
    return 0.2 if play.is_local else 10.0


@contextmanager
def marked_messages(play: Play, mark: str) -> Iterator[tuple[HeldMessages, list[Mapping[str, Any]]]]:
    """Hold the messages of a test user. What is not deleted is shown again at the end.

    Raises AwsError where too many messages of others wait.
    """
    others = waiting(play)
    if others > MAX_OTHER_MESSAGES:
        raise AwsError(
            f"The quarantine holds {others} messages. They are not gone through for the one of {mark}: "
            "redrive them first."
        )
    held_for = play.deadlines.hidden
    sqs, wait_seconds = play.clients("sqs"), 0 if play.is_local else 1
    with HeldMessages(sqs, play.queue_url, wait_seconds, hidden_seconds=held_for) as held:
        yield held, [each for messages in held.rounds() for each in messages if mark in each["Body"]]


def delete_marked(play: Play, mark: str) -> bool:
    """Delete the messages of a test user. Returns whether there was one."""
    with marked_messages(play, mark) as (held, messages):
        held.delete([message["ReceiptHandle"] for message in messages])
        return bool(messages)
