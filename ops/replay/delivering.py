"""Delivers the lines of a day, some thousands at a time, by the plan and the sender of delivery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from chalicelib.delivery.kinesis import KinesisRecord
from chalicelib.delivery.outcome import Outcome, RejectedRecord
from chalicelib.delivery.plan import RESERVED_SECONDS, Plan, plan
from chalicelib.delivery.send import Sender
from chalicelib.errors import MisconfiguredError
from chalicelib.sandbox import WorkerThreads
from ops.archive.engine import QueryEngine
from ops.errors import AwsError, InputError
from ops.replay.pace import PacedClient
from ops.replay.position import HashedLines, Position, PositionFile
from ops.replay.rows import ArchivedLine, DayCount, lines_query, read_lines
from ops.undelivered import readable_reason

MAX_LINES = 10_000
"""Of one plan. A session's events that are in it travel together."""
MAX_CHARACTERS = 16_000_000
"""Of the lines of one plan: a line may hold thousands of events that were joined."""
SECONDS_PER_PLAN = 60
"""At a low pace a plan has fewer lines: at most one call for each, in about a minute."""
FIRST_LINES = 100
"""Of a plan before anything was delivered: the tracker may be a wrong one."""
MAX_REFUSED_AT_FIRST = 10
MAX_RETRY_SECONDS = 300.0
"""After so long without success the run ends. It goes on when it is started again."""
MAX_REASONS = 50
OTHER_REASONS = "for other reasons"


@dataclass
class Counts:
    """What became of lines. ``refused`` counts events that Personalize refused, ``broken`` those that break
    the contract, both by why.

    ``unreadable_lines`` hold something that is no event. ``calls`` are those that the plans have.
    """

    lines: int = 0
    events: int = 0
    delivered: int = 0
    calls: int = 0
    unreadable_lines: int = 0
    scanned_bytes: list[int] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)

    def add_reasons(self, counter: Counter[str], rejected: Iterable[RejectedRecord]) -> None:
        """Count why events were not delivered. Of any number of reasons, only so many are kept."""
        for each in rejected:
            reason = readable_reason(each.error)
            counter[reason if reason in counter or len(counter) < MAX_REASONS else OTHER_REASONS] += 1


@dataclass(frozen=True)
class Replay:
    """One replay to one tracker. Without a ``client`` it is a dry run: it plans, and makes no call.

    ``clock`` and ``sleep`` are in seconds. ``threads`` make calls at a time. ``show`` gets the counts so far.
    A plan has at most ``max_lines``.
    """

    engine: QueryEngine
    tracking_id: str
    calls_per_second: float
    kept: PositionFile
    client: PacedClient | None
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    chance: Callable[[], float]
    threads: int = 32
    max_lines: int = MAX_LINES
    show: Callable[[Counts], None] = lambda counts: None

    def run(self, days: Sequence[DayCount], start: Position) -> Counts:
        """Deliver the lines of some days, in order, behind a position. Return what became of them.

        Raises AwsError when Personalize does not take a call for long, or denies access, and InputError when
        it refuses everything at first. The position that is kept says what was delivered by then.
        """
        counts, done = Counts(), dict(start.done)
        for day in days:
            if start.is_done(day):
                continue
            goes_on = day.day == start.day and start.lines
            if not (goes_on and self._replay_day(day.day, start, done, counts)):
                # Or the archive has other lines by now: an object came late, or a person was forgotten.
                self._replay_day(day.day, Position(), done, counts)
            done[day.day] = day.lines
        if self.client is not None:
            self.kept.remove()
        return counts

    def _replay_day(self, day: str, start: Position, done: dict[str, int], counts: Counts) -> bool:
        """Deliver the lines of a day behind a position. Return False where those before it have changed."""
        with self.engine.run(lines_query(day)) as result:
            counts.scanned_bytes.append(result.scanned_bytes)
            lines = HashedLines(day, read_lines(result.rows, day), done)
            if start.lines and not lines.skip_to(start):
                return False
            while part := [*self._part(lines, counts)]:
                self._deliver(part, counts)
                if self.client is not None:
                    self.kept.write(lines.position)
                self.show(counts)
        return True

    def _part(self, lines: Iterator[ArchivedLine], counts: Counts) -> Iterator[ArchivedLine]:
        """Yield the lines of the next plan."""
        max_lines = min(self.max_lines, max(1, int(SECONDS_PER_PLAN * self.calls_per_second)))
        if not counts.delivered:
            max_lines = min(max_lines, FIRST_LINES)
        characters = 0
        for _ in range(max_lines):
            line = next(lines, None)
            if line is None:
                return
            yield line
            characters += len(line.text)
            if characters >= MAX_CHARACTERS:
                return

    def _deliver(self, lines: Sequence[ArchivedLine], counts: Counts) -> None:
        records = [record for line in lines for record in line.records]
        planned = plan(records, tracking_id=self.tracking_id)
        sent = self._send(planned, records)
        counts.lines += len(lines)
        counts.events += len(records)
        counts.delivered += len(records) - len(planned.rejected) - len(sent.rejected)
        counts.calls += sum(len(chain.calls) for chain in planned.chains)
        counts.unreadable_lines += sum(line.has_others for line in lines)
        counts.add_reasons(counts.broken, planned.rejected)
        counts.add_reasons(counts.refused, sent.rejected)
        if not counts.delivered and counts.refused.total() >= MAX_REFUSED_AT_FIRST:
            raise InputError(
                f"Personalize refused the first {counts.refused.total():,} events, so it is hardly them. Is "
                f"TRACKER right? {next(iter(counts.refused))}"
            )

    def _send(self, planned: Plan, records: Sequence[KinesisRecord]) -> Outcome:
        """Make the calls of a plan. Return what became of its events: each was delivered or refused.

        As long as some of them are delivered, the others are tried again.
        """
        if self.client is None:
            return Outcome()
        rejected: list[RejectedRecord] = []
        delivered: list[KinesisRecord] = []
        while True:
            sent = self._send_once(planned, self.client)
            rejected += sent.rejected
            delivered += sent.delivered
            if not sent.deferred:
                return Outcome(delivered=delivered, rejected=rejected)
            if self.client.failure is not None:
                raise self.client.failure
            failures = [failure for _, failure in sent.deferred]
            final = next((each for each in failures if isinstance(each, MisconfiguredError)), None)
            if final or not (sent.delivered or sent.rejected):
                raise AwsError(f"{final or failures[0]} Run the same command again to go on.")
            places = {record.derived_id: place for place, record in enumerate(records)}
            waiting = {places[record.derived_id]: record for record, _ in sent.deferred}
            planned = plan([waiting[place] for place in sorted(waiting)], tracking_id=self.tracking_id)

    def _send_once(self, planned: Plan, client: PacedClient) -> Outcome:
        calls = sum(len(chain.calls) for chain in planned.chains)
        deadline = self.clock() + calls / self.calls_per_second + MAX_RETRY_SECONDS
        services = _Services(client, self.sleep, self.chance, self._worker_threads)
        return Sender(services, lambda: deadline - self.clock() + RESERVED_SECONDS).send(planned.chains)

    @cached_property
    def _worker_threads(self) -> WorkerThreads:
        return WorkerThreads(self.threads)


@dataclass(frozen=True)
class _Services:
    """What the sender uses. The client is its own ``Clients``: it has one service."""

    personalize_events: PacedClient
    sleep: Callable[[float], None]
    chance: Callable[[], float]
    worker_threads: WorkerThreads

    @property
    def clients(self) -> _Services:
        return self
