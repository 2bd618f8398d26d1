"""What the facts about one event say: the verdict, and what to do. Pure.

What was known exactly goes before what is inferred: that Personalize has the event (local only), that it is
quarantined, that its batch was given up. Otherwise it was delivered or waits (``progress``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.timestamps import to_rfc3339
from ops import local_stage
from ops.command_lines import make_line
from ops.trace.describing import given_up_lines, line, quarantine_lines, row_lines
from ops.trace.facts import ArchivedRow, Facts, UndeliveredCopy
from ops.trace.identifiers import is_derived
from ops.trace.progress import Progress, judge, minute_of, reasons_sentence
from ops.undelivered import GIVEN_UP

ARCHIVE_DELAY = timedelta(minutes=5)
"""After which Firehose writes at the latest, while it is not behind (resources/pipeline.yaml)."""

ACCEPTING = timedelta(seconds=30)
"""After ReceivedAt, at most, the event is in the stream: API Gateway ends a call after 29 seconds."""
SOON_SECONDS = 15
"""After which delivery on this machine is late."""


@dataclass(frozen=True)
class Report:
    """Lines to print. ``is_found``: the event was found anywhere."""

    is_found: bool
    lines: tuple[str, ...]


def report(facts: Facts) -> Report:
    """Return what became of the event: the verdict first, then what was seen where."""
    is_found = bool(facts.archived.rows or facts.quarantine.found or facts.given_up.found or _is_given(facts))
    verdict = _verdict(facts) if is_found else _nowhere(facts)
    details = [*row_lines(facts), *quarantine_lines(facts.quarantine), *given_up_lines(facts.given_up)]
    advice = () if is_found else _advice(facts)
    return Report(is_found, (*verdict, *details, *advice))


def arrived_by(rows: Sequence[ArchivedRow], now: datetime) -> datetime:
    """Return when the event was in the stream for the last time, at the latest.

    An event that was put back has its old ReceivedAt once more. Then the object tells: Firehose began it at
    most ARCHIVE_DELAY before the event came.
    """
    times: list[datetime] = []
    seen: set[datetime] = set()
    for row in rows:
        if row.received_at is None or row.received_at in seen:
            times.append(row.stored_at + ARCHIVE_DELAY)
        else:
            times.append(row.received_at)
            seen.add(row.received_at)
    return min(max(times), now)


def _is_given(facts: Facts) -> bool:
    return facts.given is not None and facts.given.at is not None


def _verdict(facts: Facts) -> Iterator[str]:
    if facts.given is not None and facts.given.at is not None:
        yield line("delivered", f"Personalize has it since {to_rfc3339(facts.given.at)}.")
        if facts.quarantine.found or facts.given_up.found:
            yield line("", "A copy waits all the same. Putting it back trains on nothing twice.")
    elif facts.quarantine.found:
        yield from _quarantined(facts.quarantine.found[0], facts.stage)
    elif facts.given_up.found:
        yield from _given_up(facts.given_up.found[0], facts.stage)
    elif facts.given is not None:
        yield _waiting_here(facts)
    else:
        yield _inferred(facts)


def _nowhere(facts: Facts) -> Iterator[str]:
    if facts.archived.problem:
        yield line("not known", "The archive could not be asked, and no other place has the event.")
    else:
        yield line("not found", f"{facts.days}, stage {facts.stage}.")


def _quarantined(copy: UndeliveredCopy, stage: str) -> Iterator[str]:
    yield line("quarantined", copy.reason)
    if copy.keeps_contract:
        yield line("to do", f"Remove the cause, then: {make_line('redrive', STAGE=stage)}")
    else:
        repair = make_line("redrive", "--repair", "repair.py", STAGE=stage)
        yield line("to do", f"It breaks the contract. Mend its producer, and repair it: {repair}")


def _given_up(copy: UndeliveredCopy, stage: str) -> Iterator[str]:
    yield line("given up", f"Lambda gave its batch up: {copy.reason.removeprefix(f'{GIVEN_UP}: ')}")
    options = ("--given-up",) if copy.keeps_contract else ("--given-up", "--repair", "repair.py")
    doctor, redrive = make_line("doctor", STAGE=stage), make_line("redrive", *options, STAGE=stage)
    yield line("to do", f"Remove the cause ({doctor} says it), then: {redrive}")


def _waiting_here(facts: Facts) -> str:
    """Return the verdict where Personalize can be asked, and was not given the event."""
    if facts.given is not None and (facts.given.problem or facts.given.has_more):
        problem = facts.given.problem or "the engine has more events than were searched."
        return line("not known", f"Whether Personalize has it is not known: {problem}")
    accepted = arrived_by(facts.archived.rows, facts.now)
    waited = round((facts.now - accepted).total_seconds())
    failed = [each for each in facts.delivery.lines if each.reasons and each.at >= accepted]
    if failed:
        newest = max(failed, key=lambda each: each.at)
        age = round(newest.oldest_age.total_seconds())
        behind = f"{age} seconds" if age < 120 else f"{age // 60} minutes"
        return line("waiting", f"Delivery is {behind} behind.{reasons_sentence(facts.delivery)}")
    if waited < SOON_SECONDS:
        return line("waiting", "Personalize does not have it yet. Delivery takes about a second: ask again.")
    return line(
        "waiting",
        f"Personalize does not have it after {waited} seconds. The log of delivery says why when the "
        "invocation ends, after two minutes at most: ask again then.",
    )


def _inferred(facts: Facts) -> str:
    """Return the verdict where Personalize cannot be asked."""
    if facts.archived.total > len(facts.archived.rows):
        return line("not known", "It has more rows than were read. Whether all were delivered is not known.")
    in_stream = min(arrived_by(facts.archived.rows, facts.now) + ACCEPTING, facts.now)
    judgement = judge(in_stream, facts.delivery, facts.now, facts.stage)
    unsearched = [
        name
        for name, search in (("the quarantine", facts.quarantine), ("what was given up", facts.given_up))
        if not search.is_complete
    ]
    if judgement.progress is Progress.DELIVERED and unsearched:
        places = " or in ".join(unsearched)
        return line("not known", f"It was delivered, or it is in {places}: not all of that was searched.")
    return line(judgement.progress.value, judgement.because)


def _advice(facts: Facts) -> Iterator[str]:
    """Yield what to check when nothing was found."""
    is_local = facts.stage == local_stage.STAGE
    delay, when = "five minutes", f"after {minute_of(facts.now + 2 * ARCHIVE_DELAY)}"
    if is_local:
        delay, when = "five seconds", "in ten seconds"
    yield line("check", f"The time: the archive has an event after {delay}. If it is new, ask again {when}.")
    yield line("", "The days: FROM=2026-01-01 TO=2026-01-31, in UTC. Those above were asked.")
    yield line("", "The spelling: capital and small letters differ.")
    yield line(
        "", "The response: 400 and 503 stored nothing, and Results of a batch names what was rejected."
    )
    if is_derived(facts.event_id):
        yield line("", "The id: delivery derives one like this for an event without EventId, of another")
        yield line("", "producer. The archive has that event without an id, so nobody can find it there by")
        yield line("", "this one. Whether it was delivered, only the delay of delivery tells:")
        yield line("", make_line("doctor", STAGE=facts.stage))
