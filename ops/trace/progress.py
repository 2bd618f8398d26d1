"""Whether delivery has finished what it had at a time, by the metrics of its batches. Pure.

Personalize has no call that reads events, and no line of a log names one. So that an event was delivered is
inferred. A batch that holds an event returns to Lambda until each of its events is delivered, quarantined or
given up, and each time that it ends it reports the age of its oldest record (the metric ``OldestEventAge``).
When for some minutes no batch reported a record as old as the event, no batch holds it any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from chalicelib.timestamps import to_rfc3339
from ops.command_lines import make_line
from ops.trace.facts import Delivery, Period

PUBLISHED = timedelta(minutes=3)
"""After which a metric can be read."""
SETTLED = timedelta(minutes=10)
"""Between two tries of one batch. An invocation lasts at most two minutes; Lambda does not document its
pauses between them."""
BEHIND = timedelta(minutes=5)
"""From which age on delivery is behind: that of DeliveryBehindAlarm."""
GIVEN_UP = timedelta(hours=72)
"""After which a record waits no more. Lambda gives a batch up after 48 hours."""
QUARANTINED = timedelta(days=14)
"""How long the queue keeps a message."""


class Progress(Enum):
    """What is proved of an event that is neither quarantined nor given up."""

    DELIVERED = "delivered"
    WAITING = "waiting"
    UNPROVED = "not known"


@dataclass(frozen=True)
class Judgement:
    """What is proved, and the sentences that say by what."""

    progress: Progress
    because: str


def judge(arrived_by: datetime, delivery: Delivery, now: datetime, stage: str) -> Judgement:
    """Return what became of a record that was in the stream at ``arrived_by``, or a little earlier."""
    age = now - arrived_by
    if age > QUARANTINED:
        return Judgement(
            Progress.UNPROVED,
            "It was delivered, or it was quarantined and expired: the queue keeps a message for 14 days.",
        )
    if age > GIVEN_UP:
        return Judgement(
            Progress.DELIVERED,
            "It is older than what still can wait (a batch is given up after 48 hours), and it is neither "
            "quarantined nor given up.",
        )
    if delivery.problem:
        return Judgement(Progress.UNPROVED, f"The metrics of delivery could not be read: {delivery.problem}")
    return _by_metrics(arrived_by, delivery, now, stage)


def _by_metrics(arrived_by: datetime, delivery: Delivery, now: datetime, stage: str) -> Judgement:
    since = [period for period in delivery.periods if period.end > arrived_by]
    ended = [period for period in since if period.oldest_age is not None]
    holding = [period for period in ended if _may_hold(period, arrived_by)]
    free_since = max((period.end for period in holding), default=arrived_by)
    proved_at = free_since + SETTLED + PUBLISHED
    recently = now - SETTLED - PUBLISHED
    if holding and holding[-1].end > recently and _age(holding[-1]) >= BEHIND:
        return Judgement(Progress.WAITING, f"{_behind(holding[-1])}{reasons_sentence(delivery)}")
    failures = sum(period.failures for period in since if period.end > recently)
    if failures:
        return Judgement(
            Progress.UNPROVED,
            f"The function that delivers has failed {failures} times in the last minutes. Its log says why "
            f"({make_line('doctor', STAGE=stage)}).",
        )
    if now < proved_at:
        return Judgement(
            Progress.UNPROVED, f"It is too early to tell. Ask again after {minute_of(proved_at)}."
        )
    if not ended:
        return Judgement(
            Progress.WAITING,
            "No batch has ended since it was accepted: delivery has stopped, or the metrics are missing "
            f"({make_line('doctor', STAGE=stage)}).",
        )
    return Judgement(
        Progress.DELIVERED,
        f"Since {minute_of(free_since)} no batch of delivery has held an event as old as this one, and it is "
        "neither quarantined nor given up.",
    )


def _behind(period: Period) -> str:
    """Return how far delivery is behind."""
    minutes = round(_age(period).total_seconds() / 60)
    return f"Delivery is {minutes:,} minutes behind (at {minute_of(period.end)})."


def reasons_sentence(delivery: Delivery, newest: int = 3) -> str:
    """Return why events were returned to Lambda, by the newest lines of the log that say it."""
    lines = sorted((line for line in delivery.lines if line.reasons), key=lambda line: line.at)[-newest:]
    reasons = dict.fromkeys(reason for line in reversed(lines) for reason in line.reasons)
    return f" The log says: {' '.join(reasons)}" if reasons else ""


def _may_hold(period: Period, arrived_by: datetime) -> bool:
    """Return whether a batch of the period may have held a record that had arrived by then."""
    return _age(period) >= period.start - arrived_by


def _age(period: Period) -> timedelta:
    return period.oldest_age if period.oldest_age is not None else timedelta(0)


def minute_of(moment: datetime) -> str:
    """Return a time without seconds, such as ``2026-01-31T12:00Z``."""
    return to_rfc3339(moment)[:16] + "Z"
