"""The search for one event in the quarantine and among the batches that were given up. It changes nothing.

A message that is read is hidden from a redrive meanwhile. So it is hidden for a short time only, and is shown
again as soon as the search ends.
"""

from __future__ import annotations

import heapq
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

from chalicelib.delivery.outcome import RejectedRecord
from ops.archive.days import Days
from ops.bucket import Bucket
from ops.errors import InputError
from ops.given_up import PREFIX, read_batch
from ops.held_messages import HeldMessages, count_held_by_others
from ops.quarantined import read_messages
from ops.trace.facts import Search, UndeliveredCopy
from ops.trace.identifiers import find_event, keeps_contract
from ops.undelivered import reason_of

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_MESSAGES = 5000
HIDDEN_SECONDS = 120
MAX_SEARCH_SECONDS = 90
"""Less than HIDDEN_SECONDS. Messages that are shown again look like the end of the queue."""
MAX_BATCHES = 500
MAX_KEYS = 20_000
"""Of the prefix of the batches. They are listed, and only those of the days are read, the newest first."""
_NAME = re.compile(r"/([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}\.[0-9]{2}\.[0-9]{2})-[^/]*", re.ASCII)
"""The end of a key: the second in which the batch was given up."""


def search_quarantine(
    sqs: SQSClient,
    queue_url: str,
    bucket: Bucket,
    event_id: str,
    *,
    wait_seconds: int = 1,
    max_messages: int = MAX_MESSAGES,
    clock: Callable[[], float] = time.monotonic,
) -> Search:
    """Return the messages that hold an event. The search ends with the round that has the first of them.

    It also ends after MAX_SEARCH_SECONDS of ``clock``, and after ``max_messages``. Then it is not complete.
    """
    end = clock() + MAX_SEARCH_SECONDS
    hidden = count_held_by_others(sqs, queue_url)
    found: list[UndeliveredCopy] = []
    searched = 0
    with HeldMessages(sqs, queue_url, wait_seconds, HIDDEN_SECONDS) as held:
        for messages in held.rounds():
            # One after another: a message may point to a record of several megabytes.
            for each in takewhile(lambda _: clock() < end, messages):
                found += _copies_of_message(each, bucket, event_id)
                searched += 1
            if found or searched >= max_messages or clock() >= end:
                break
        is_stopped = searched >= max_messages or clock() >= end
    return Search(found, searched, has_more=not found and is_stopped, hidden=hidden)


def search_given_up(bucket: Bucket, event_id: str, days: Days, *, max_batches: int = MAX_BATCHES) -> Search:
    """Return the batches that hold an event, of those that were given up since the first day."""
    since = days.first.isoformat()
    listed = [*islice(bucket.keys(PREFIX), MAX_KEYS + 1)]
    dated = [(name[1], name[2], key) for key in listed if (name := _NAME.search(key)) and name[1] >= since]
    found: list[UndeliveredCopy] = []
    searched = 0
    for day, clock, key in heapq.nlargest(max_batches, dated):
        searched += 1
        found += _copies_of_batch(bucket, key, event_id, _moment(day, clock))
        if found:
            break
    has_more = not found and (len(dated) > max_batches or len(listed) > MAX_KEYS)
    return Search(found, searched, has_more=has_more)


def _copies_of_message(
    message: Mapping[str, Any], bucket: Bucket, event_id: str
) -> Iterator[UndeliveredCopy]:
    for record in read_messages([message], bucket)[0]:
        place = record.rejected.record.derived_id
        yield from _copies(record.rejected, event_id, record.quarantined_at, place)


def _copies_of_batch(
    bucket: Bucket, key: str, event_id: str, at: datetime | None
) -> Iterator[UndeliveredCopy]:
    try:
        batch = read_batch(bucket.read(key))
    except InputError:  # It is no batch, or a redrive has just deleted it.
        return
    for rejected in batch.records:
        yield from _copies(rejected, event_id, at, f"s3://{bucket.name}/{key}")


def _copies(
    rejected: RejectedRecord, event_id: str, at: datetime | None, where: str
) -> Iterator[UndeliveredCopy]:
    event = find_event(rejected.record, event_id)
    if event is not None:
        yield UndeliveredCopy(reason_of(rejected), at, keeps_contract(event), where)


def _moment(day: str, clock: str) -> datetime | None:
    try:
        return datetime.strptime(f"{day} {clock}", "%Y-%m-%d %H.%M.%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
