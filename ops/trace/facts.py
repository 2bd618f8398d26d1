"""What is known of one event, as the places that know something said it. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops.archive.days import Days


@dataclass(frozen=True)
class ArchivedRow:
    """A row of the archive with the EventId.

    ``received_at`` is None where another producer put it. ``stored_at`` is the time in the name of the
    object, when Firehose had its first record; where the name has none, the end of the day. ``subject``
    is the item or the action. ``content`` is what two events with one id are told apart by.
    """

    received_at: datetime | None
    event_type: str
    session_id: str
    user_id: str
    subject: str
    content: tuple[str, ...]
    address: str
    stored_at: datetime


@dataclass(frozen=True)
class Archived:
    """The rows of an event, oldest first, and how many there are in all. ``problem``: why none was read."""

    rows: Sequence[ArchivedRow] = ()
    total: int = 0
    problem: str = ""


@dataclass(frozen=True)
class UndeliveredCopy:
    """A copy of the event that delivery could not deliver.

    ``reason`` is one line that can be printed. ``keeps_contract``: whether redrive puts it back as it is.
    ``where`` is the place of the record in the stream, or the address of the object.
    """

    reason: str
    at: datetime | None
    keeps_contract: bool
    where: str


@dataclass(frozen=True)
class Search:
    """What was found in the quarantine, or among the batches that were given up.

    ``searched`` counts messages or objects. ``has_more``: there are more of them. ``hidden`` counts messages
    that another reader holds. ``problem``: why nothing was searched.
    """

    found: Sequence[UndeliveredCopy] = ()
    searched: int = 0
    has_more: bool = False
    hidden: int = 0
    problem: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether the event would have been found if it were there."""
        return not (self.has_more or self.hidden or self.problem)


@dataclass(frozen=True)
class Period:
    """A minute of delivery, or a longer time. ``oldest_age`` is that of the oldest record of a batch that
    ended in it.

    It is None where no batch ended. ``failures`` counts invocations that ended with an error, ``not_stored``
    counts batches that Lambda gave up and could not store in the bucket.
    """

    start: datetime
    oldest_age: timedelta | None = None
    failures: int = 0
    not_stored: int = 0
    length: timedelta = timedelta(minutes=1)

    @property
    def end(self) -> datetime:
        return self.start + self.length


@dataclass(frozen=True)
class DeliveryLine:
    """A line of the function's log about a batch. ``reasons`` are why it returned events to Lambda."""

    at: datetime
    oldest_age: timedelta
    reasons: Sequence[str]


@dataclass(frozen=True)
class Delivery:
    """How far delivery is: by the metrics, oldest period first, and the newest lines of its log.

    ``retention`` is how long the stream keeps a record. ``problem``: why nothing was read.
    """

    periods: Sequence[Period] = ()
    lines: Sequence[DeliveryLine] = ()
    retention: timedelta = timedelta(0)
    problem: str = ""


@dataclass(frozen=True)
class Given:
    """What the local engine was given, which stands for Personalize. ``at`` is None when it was not.

    ``has_more``: it has older events that were not searched.
    """

    at: datetime | None = None
    has_more: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Facts:
    """Everything that is known. ``given`` is None on AWS: Personalize has no call that reads events."""

    event_id: str
    stage: str
    days: Days
    now: datetime
    archived: Archived
    quarantine: Search
    given_up: Search
    given: Given | None
    delivery: Delivery
