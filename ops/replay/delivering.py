"""Delivers the lines of a day, some thousands at a time, by the plan and the sender of delivery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

from chalicelib.delivery.outcome import Outcome
from chalicelib.delivery.plan import RESERVED_SECONDS, Plan, plan
from chalicelib.delivery.send import Sender
from chalicelib.sandbox import WorkerThreads
from ops.archive.engine import QueryEngine
from ops.errors import AwsError, InputError
from ops.replay.pace import PacedClient
from ops.replay.position import HashedLines, Position, PositionFile
from ops.replay.rows import ArchivedLine, DayCount, in_order, lines_query, records_of
from ops.undelivered import readable_reason, reason_of

MAX_LINES = 10_000
"""Of one plan. A session's events that are in it travel together."""
FIRST_LINES = 100
MAX_REFUSED_AT_FIRST = 10
SECONDS_PER_PLAN = 60
"""At a low pace a plan has fewer lines: at most one call for each, in about a minute."""
MAX_RETRY_SECONDS = 300.0
"""After so long without success the run ends. It goes on when it is started again."""


@dataclass(frozen=True)
class Counts:
    """What became of lines. ``refused`` counts events by why they were not delivered.

    ``unreadable_lines`` hold something that is no event. ``calls`` are those that the plan has.
    """

    lines: int = 0
    events: int = 0
    calls: int = 0
    unreadable_lines: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.lines + other.lines,
            self.events + other.events,
            self.calls + other.calls,
            self.unreadable_lines + other.unreadable_lines,
            self.refused + other.refused,
        )


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
        counts = Counts()
        for day in days:
            if day.day >= start.day:
                counts = self._replay_day(day.day, start if day.day == start.day else Position(), counts)
        if self.client is not None:
            self.kept.remove()
        return counts

    def _replay_day(self, day: str, start: Position, counts: Counts) -> Counts:
        with self.engine.run(lines_query(day)) as result:
            lines = HashedLines(day, in_order(result.rows))
            if start.lines and not lines.skip_to(start):
                # The archive has other lines by now: an object came late, or a person was forgotten.
                return self._replay_day(day, Position(), counts)
            while part := [*islice(lines, self._max_lines(counts))]:
                counts += self._deliver(part, is_first=not counts.lines)
                if self.client is not None:
                    self.kept.write(lines.position)
                self.show(counts)
        return counts

    def _max_lines(self, counts: Counts) -> int:
        """Return how many lines the next plan has. The first one is short: the tracker may be a wrong one."""
        if not counts.lines:
            return min(FIRST_LINES, self.max_lines)
        return int(min(self.max_lines, max(1, SECONDS_PER_PLAN * self.calls_per_second)))

    def _deliver(self, lines: Sequence[ArchivedLine], *, is_first: bool) -> Counts:
        read = [records_of(line) for line in lines]
        records = [record for found, _ in read for record in found]
        planned = plan(records, tracking_id=self.tracking_id)
        sent = self._send(planned)
        if is_first and not sent.delivered and len(sent.rejected) >= MAX_REFUSED_AT_FIRST:
            raise InputError(
                f"Personalize refused the first {len(sent.rejected):,} events, so it is hardly the events. "
                f"Is TRACKER right? {readable_reason(sent.rejected[0].error)}"
            )
        refused = [*planned.rejected, *sent.rejected]
        return Counts(
            len(lines),
            len(records),
            sum(len(chain.calls) for chain in planned.chains),
            sum(has_others for _, has_others in read),
            Counter(map(reason_of, refused)),
        )

    def _send(self, planned: Plan) -> Outcome:
        """Make the calls of a plan. Return what became of its events: each was delivered or refused."""
        if self.client is None:
            return Outcome()
        calls = sum(len(chain.calls) for chain in planned.chains)
        deadline = self.clock() + calls / self.calls_per_second + MAX_RETRY_SECONDS
        services = _Services(self.client, self.sleep, self.chance, self._worker_threads)
        sent = Sender(services, lambda: deadline - self.clock() + RESERVED_SECONDS).send(planned.chains)
        if sent.deferred:
            _, failure = sent.deferred[0]
            raise AwsError(f"{failure} Run the same command again to go on.")
        return sent

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
