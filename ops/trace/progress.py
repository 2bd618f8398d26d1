"""Whether delivery has finished what it had at a time, by the metrics of its batches. Pure.

Personalize has no call that reads events, and no line of a log names one. So that an event was delivered is
inferred. A batch that holds an event returns to Lambda until each of its events is delivered, quarantined or
given up, and each time that it ends it reports the age of its oldest record (the metric ``OldestEventAge``).
When batches go on to end, and for some minutes none reported a record as old as the event, no batch holds it
any more. They must do so while the stream keeps the event: one that expired there is in no batch either.
"""

from __future__ import annotations

from collections.abc import Sequence
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
GIVEN_UP = timedelta(hours=49)
"""After which Lambda has given up every batch with a record, for which it takes 48 hours."""
MARGIN = timedelta(hours=1)
"""Before the end of the stream's retention, in which delivery does not count."""
QUARANTINED = timedelta(days=14)
"""How long the queue keeps a message."""
EARLIER = timedelta(minutes=6)
"""How much earlier than the given time a record may have been in the stream."""


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
        return _unproved(
            "It was delivered, or it was quarantined and expired: the queue keeps a message for 14 days."
        )
    if delivery.problem:
        return _unproved(f"The metrics of delivery could not be read: {delivery.problem}")
    return _by_metrics(arrived_by, delivery, now, stage)


def _by_metrics(arrived_by: datetime, delivery: Delivery, now: datetime, stage: str) -> Judgement:
    since = [period for period in delivery.periods if period.end > arrived_by - EARLIER]
    ended = [period for period in since if period.oldest_age is not None]
    holding = [period for period in ended if _may_hold(period, arrived_by)]
    free_since = max((period.end for period in holding), default=arrived_by)
    proved_at = free_since + SETTLED + PUBLISHED
    recently = now - SETTLED - PUBLISHED
    lost = _lost(since, arrived_by)
    if lost:
        return lost
    if holding and holding[-1].end > recently and _age(holding[-1]) >= BEHIND:
        return Judgement(Progress.WAITING, f"{_behind(holding[-1])}{reasons_sentence(delivery)}")
    failures = sum(period.failures for period in since if period.end > recently)
    if failures and now - arrived_by < GIVEN_UP:
        return _unproved(
            f"The function that delivers has failed {failures} times in the last minutes. Its log says why "
            f"({make_line('doctor', STAGE=stage)})."
        )
    if now < proved_at:
        return _unproved(f"It is too early to tell. Ask again after {minute_of(proved_at)}.")
    kept_until = arrived_by + delivery.retention - MARGIN
    if not _has_gone_on(ended, free_since, kept_until, now):
        return _without_proof(ended, free_since, kept_until, now, stage)
    return Judgement(
        Progress.DELIVERED,
        f"Since {minute_of(free_since)} no batch of delivery has held an event as old as this one, and it is "
        "neither quarantined nor given up.",
    )


def _lost(since: Sequence[Period], arrived_by: datetime) -> Judgement | None:
    """Return the judgement where a batch that was given up and not stored may have held the record."""
    count = sum(period.not_stored for period in since if period.end > arrived_by)
    if not count:
        return None
    return _unproved(
        f"Lambda gave batches up since then and could not store them in the bucket ({count} failures). An "
        "event of such a batch is lost for delivery. Send the event again, with the same EventId: "
        "Personalize trains on the first one only."
    )


def _has_gone_on(ended: Sequence[Period], free_since: datetime, kept_until: datetime, now: datetime) -> bool:
    """Return whether batches went on to end after the last that may have held the record.

    One must have ended while the stream kept the record, and later than any new try. After a pause of
    delivery, which may have been stopped meanwhile, a new try may come later than that batch.
    """
    before = free_since
    for period in ended:
        if period.start < free_since:
            continue
        if period.end > kept_until:
            return False
        is_paused = period.start - before > SETTLED
        if is_paused:
            return period.end + SETTLED + PUBLISHED <= now
        if period.start >= free_since + SETTLED:
            return True
        before = period.end
    return False


def _without_proof(
    ended: Sequence[Period], free_since: datetime, kept_until: datetime, now: datetime, stage: str
) -> Judgement:
    """Return the judgement of a record after which delivery has not gone on."""
    doctor, verify = make_line("doctor", STAGE=stage), make_line("verify", STAGE=stage)
    if now > kept_until:
        return _unproved(
            "No batch of delivery proves that it was delivered while the stream kept it. If delivery was "
            f"stopped, it is lost or still waits ({doctor}). Send it again, with the same EventId: "
            "Personalize trains on the first one only."
        )
    if not ended:
        return Judgement(
            Progress.WAITING,
            f"No batch has ended since it was accepted: delivery has stopped, or the metrics are missing "
            f"({doctor}).",
        )
    return _unproved(
        f"No batch has ended long enough after {minute_of(free_since)} to tell. It was delivered, unless "
        f"delivery has stopped ({doctor}). Ask again {_in_minutes(SETTLED + PUBLISHED)} after the next event "
        f"({verify} sends one)."
    )


def _unproved(because: str) -> Judgement:
    return Judgement(Progress.UNPROVED, because)


def _in_minutes(length: timedelta) -> str:
    return f"{length // timedelta(minutes=1)} minutes"


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
