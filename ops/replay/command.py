"""The command that replays the archive to an event tracker: counts, plan, progress, and what became of it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, cast

from botocore.config import Config

from ops import local_stage
from ops.archive.days import Days, to_days
from ops.archive.opening import open_engine
from ops.archive.show import cost_line
from ops.errors import DeclinedError, InputError, readable_aws_errors
from ops.given_ids import check_id
from ops.kept_files import locked
from ops.locate import Deployment
from ops.progress import Progress, bar, duration
from ops.replay.delivering import Counts, Replay
from ops.replay.pace import Pace, PacedClient
from ops.replay.position import Position, PositionFile
from ops.replay.rows import DayCount, count_days
from ops.target import Reached, Target
from ops.terminal import Terminal

MAX_CALLS_PER_SECOND = 1000
"""Of PutEvents, for a dataset group (docs.aws.amazon.com/personalize/latest/dg/limits.html, 2023)."""
THREADS = 32
TRACKER_PARAMETER = "EventTrackerId"
_ONCE = Config(
    retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10, max_pool_connections=THREADS
)
"""Each try of a call counts against the quota, so the sender makes and paces them."""


@dataclass(frozen=True)
class Options:
    """What the person at the terminal asked for."""

    tracker: str
    first: str | None
    last: str | None
    calls_per_second: int
    dry_run: bool
    restart: bool


def run_replay(target: Target, options: Options, terminal: Terminal) -> bool:
    """Replay the days of the archive of a stage to a tracker. Return whether Personalize refused nothing."""
    check_id(options.tracker, "TRACKER is the tracking id of an event tracker")
    if not 1 <= options.calls_per_second <= MAX_CALLS_PER_SECOND:
        raise InputError(f"RATE is in calls a second: 1 to {MAX_CALLS_PER_SECOND}, the quota of Personalize.")
    days = to_days(options.first, options.last, datetime.now(timezone.utc).date())
    reached = target.open()
    client = open_client(reached)
    # As they were given: without TO, the run of tomorrow goes on with the one of today.
    of_days = (options.first or "", options.last or "")
    bucket = reached.deployment.output("EventsBucket")
    kept = PositionFile.of(bucket, *of_days, options.tracker, client.meta.endpoint_url)
    with readable_aws_errors(), locked(kept.path, "This replay is running already. Wait for its end."):
        return replay(Source(reached, days), options, client, kept, terminal)


@dataclass(frozen=True)
class Source:
    """Some days of the archive of a deployment."""

    reached: Reached
    days: Days


def open_client(reached: Reached) -> Any:
    """Return the client of personalize-events, which makes each call once."""
    session = reached.session
    if reached.is_local:
        coordinates = local_stage.read_coordinates(reached.stage.project_dir)
        session = local_stage.LocalSession(coordinates.personalize_url)
    make: Any = cast(Any, session).client
    with readable_aws_errors():
        return make("personalize-events", config=_ONCE)


def replay(source: Source, options: Options, client: Any, kept: PositionFile, terminal: Terminal) -> bool:
    """Count the lines, show the plan, and carry it out when it is agreed to."""
    deployment, is_local = source.reached.deployment, source.reached.is_local
    engine = open_engine(deployment, source.reached.session)
    counted, scanned_bytes = count_days(engine, source.days)
    terminal.report(f"The archive has {sum(day.lines for day in counted):,} lines, {source.days}.")
    start = Position() if options.dry_run or options.restart else kept.read()
    if not (options.dry_run or terminal.confirm([*_plan(counted, options, start, deployment)])):
        raise DeclinedError
    watch = _Watch(start.remaining_lines(counted), Progress(time.monotonic))
    pace = Pace(options.calls_per_second, time.monotonic)
    work = Replay(
        engine,
        options.tracker,
        options.calls_per_second,
        kept,
        client=None if options.dry_run else PacedClient(client, pace),
        clock=time.monotonic,
        sleep=time.sleep,
        chance=random.random,
        threads=min(THREADS, options.calls_per_second),
        show=watch.show,
    )
    try:
        counts = work.run(counted, start)
    finally:
        pace.stop()
        watch.end()
    terminal.report("\n".join(_summary(counts, pace, options)))
    terminal.report(cost_line(scanned_bytes, *counts.scanned_bytes, is_local=is_local))
    return not counts.refused


def _plan(
    counted: Sequence[DayCount], options: Options, start: Position, deployment: Deployment
) -> Iterator[str]:
    pace = f"about {options.calls_per_second:,} calls a second"
    yield f"  + the events go to the tracker {options.tracker}, {pace}"
    if start.day:
        yield (
            f"    An earlier run came to line {start.lines:,} of {start.day}. This one goes on "
            "(--restart begins anew)."
        )
    without_id = sum(day.without_id for day in counted)
    if without_id and options.tracker == deployment.parameters.get(TRACKER_PARAMETER):
        yield (
            f"  ! This tracker gets the live events. {without_id:,} lines came without EventId from other "
            "producers: Personalize would train on them twice."
        )


class _Watch:
    """Shows how far a run has come and how long it will take."""

    def __init__(self, total_lines: int, progress: Progress) -> None:
        self._total, self._progress, self._started = total_lines, progress, time.monotonic()

    def show(self, counts: Counts) -> None:
        seconds = time.monotonic() - self._started
        left = duration(seconds * max(0, self._total - counts.lines) / counts.lines) if counts.lines else "?"
        done = f"{bar(counts.lines, max(self._total, counts.lines))}  {counts.events:,} events"
        self._progress.show(f"{done}, {counts.calls / max(seconds, 1e-9):.0f} calls a second, {left} left")

    def end(self) -> None:
        self._progress.end()


def _summary(counts: Counts, pace: Pace, options: Options) -> Iterator[str]:
    if options.dry_run:
        seconds = counts.calls / options.calls_per_second
        yield (
            f"{counts.delivered:,} events would go in {counts.calls:,} calls: {duration(seconds)} at "
            f"{options.calls_per_second:,} calls a second. Nothing was sent."
        )
    else:
        yield f"{counts.delivered:,} events went in {pace.calls:,} calls."
        yield "Personalize trains on those that it had not got before."
    if counts.broken:
        yield f"{counts.broken.total():,} events break the contract, and were not sent:"
    yield from (f"{count:>7}  {reason}" for reason, count in counts.broken.most_common())
    if counts.refused:
        yield f"{counts.refused.total():,} events were refused by Personalize:"
    yield from (f"{count:>7}  {reason}" for reason, count in counts.refused.most_common())
    if counts.unreadable_lines:
        yield (
            f"{counts.unreadable_lines:,} lines hold something that is no event: 'make query "
            "NAME=spoiled-rows' names their objects."
        )
