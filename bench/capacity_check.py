"""The delivery code under simulated traffic in virtual time, beside what ops.capacity says about the same.

Records are made by the API's own code, cut into batches by the rules of Lambda in simulation.event_source,
and planned by chalicelib.delivery. Only time is played: that of the calls, and with it that of an invocation.
No quota throttles anything here.
"""

from __future__ import annotations

import heapq
import math
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice
from random import Random
from statistics import fmean

from chalicelib import clients, delivery
from chalicelib.records.events import Event, accept
from ops.capacity.batches import Delivery
from ops.capacity.capacity import Capacity, size
from ops.capacity.load import Load, load_of, option
from simulation.mapping import Batch, next_batch
from simulation.stream import Record, Stream, hash_key

START = 1_770_000_000.0
"""Seconds since 1970 when the traffic begins; any would do."""
SEED = 1
MAX_NOTE = 1000
"""Characters that fit into an event's properties with room for the key."""
LEAST_WINDOWS = 6
"""Batching windows that a simulation lasts at least."""

AS_DEPLOYED = tuple(Load(events_per_second=rate) for rate in (10.0, 1000.0, 100_000.0))


@dataclass(frozen=True)
class Invocation:
    """One batch on its way: moments in seconds, ``oldest`` is the arrival of its first record."""

    oldest: float
    started: float
    seconds: float
    records: int
    calls: int


@dataclass(frozen=True)
class Simulated:
    """What was seen of a load: averages, and the longest wait from the stream to Personalize in seconds."""

    delivery: Delivery
    longest_wait: float
    longest_invocation: float

    @property
    def keeps_up(self) -> bool:
        """No event waited for more than two other batches: who falls behind waits longer with each."""
        return self.longest_wait <= self.delivery.load.window_seconds + 3 * self.longest_invocation


class _Clock:
    """Seconds since 1970 that pass when they are told to."""

    seconds = START

    def __call__(self) -> float:
        return self.seconds


def simulate(load: Load, random: Random, *, events: int = 30_000, shards: int = 2) -> Simulated:
    """Send at least so many events through so many of the load's shards, which are all alike.

    Sessions are equally active, and each sends at random (a Poisson process). The first third warms up.
    """
    shards = min(shards, load.shards_open)
    part = shards / load.shards_open
    seconds = max(events / (load.events_per_second * part), LEAST_WINDOWS * load.window_seconds)
    clock = _Clock()
    stream = Stream(shards, now=clock, random=random)
    for event, clock.seconds in traffic(load, part, seconds, random):
        stream.put(event.record, event.session_id)
    return _average(
        load,
        [
            invocation
            for shard in stream.shards
            for lane in lanes_of(shard, load.parallelization_factor)
            for invocation in invocations_of(lane, load)
            if seconds / 3 <= invocation.started - START < seconds
        ],
    )


def _average(load: Load, invocations: Sequence[Invocation]) -> Simulated:
    return Simulated(
        Delivery(
            load,
            fmean(each.records for each in invocations),
            fmean(each.calls for each in invocations),
            fmean(each.seconds for each in invocations),
        ),
        max(each.started + each.seconds - each.oldest for each in invocations),
        max(each.seconds for each in invocations),
    )


def traffic(load: Load, part: float, seconds: float, random: Random) -> Iterator[tuple[Event, float]]:
    """Accepted events of ``part`` of the load, each with its moment. They are no shorter than can be."""
    sessions = max(1, round(load.sessions * part))
    shortest = len(_event(0, "", START, random).record)
    if load.record_bytes > shortest + MAX_NOTE:
        raise ValueError(
            f"{option('record_bytes')} has to be {shortest + MAX_NOTE} at most in the simulation."
        )
    note = "x" * (load.record_bytes - shortest)
    moment = START
    while (moment := moment + random.expovariate(load.events_per_second * part)) < START + seconds:
        yield _event(random.randrange(sessions), note, moment, random), moment


def _event(session: int, note: str, moment: float, random: Random) -> Event:
    request = {
        "UserId": f"user-{session:07}",
        "SessionId": f"session-{session:07}",
        "EventType": "watch",
        "Event": {"itemId": f"item-{random.randrange(1000):04}", "NOTE": note},
    }
    received_at = datetime.fromtimestamp(moment, timezone.utc)
    return accept(request, received_at=received_at, new_id=lambda: f"{random.getrandbits(128):032x}")


def lanes_of(shard: Sequence[Record], factor: int) -> list[list[Record]]:
    """The records of each lane: a partition key stays in one."""
    lanes: list[list[Record]] = [[] for _ in range(factor)]
    for record in shard:
        lanes[hash_key(record.partition_key) % factor].append(record)
    return lanes


def invocations_of(lane: Sequence[Record], load: Load) -> Iterator[Invocation]:
    """One batch after another. The window opens when the last invocation has ended.

    It opens again while not one record is there (lambda/latest/dg/invocation-eventsourcemapping.html).
    """
    free_at, position = START, 0
    while position < len(lane):
        oldest = lane[position].arrived_at
        windows = max(1, math.ceil((oldest - free_at) / load.window_seconds))
        closes_at = free_at + windows * load.window_seconds
        end = bisect_right(lane, closes_at, lo=position, key=lambda record: record.arrived_at)
        batch = next_batch(islice(lane, position, end), load.batch_size)
        position += len(batch)
        full = len(batch) == load.batch_size or position < end
        started = max(free_at, batch[-1].arrived_at) if full else closes_at
        plan = delivery.plan(delivery.arrivals(Batch(batch).event()))
        seconds = len(batch) * load.event_cpu_seconds + calls_take(plan, load)
        yield Invocation(oldest, started, seconds, len(batch), sum(len(each.calls) for each in plan.sessions))
        free_at = started + seconds


def calls_take(plan: delivery.Plan, load: Load) -> float:
    """Seconds from the first call to the last answer, as the courier of chalicelib.delivery makes them.

    Sessions are taken up in the plan's order by as many workers as there are, each makes a session's calls
    in order. A call needs the processor, which is one for all, and then waits.
    """
    waiting = iter(plan.sessions)
    workers = [(0.0, len(session.calls)) for session in islice(waiting, clients.PUT_EVENTS_CONCURRENCY)]
    processor_free_at = last_answer = 0.0
    while workers:
        ready_at, calls_left = workers[0]
        processor_free_at = max(ready_at, processor_free_at) + load.call_cpu_seconds
        last_answer = answered = processor_free_at + load.put_events_ms / 1000
        if calls_left == 1:
            session = next(waiting, None)
            if session is None:
                heapq.heappop(workers)
                continue
            calls_left = len(session.calls) + 1
        heapq.heapreplace(workers, (answered, calls_left - 1))
    return last_answer


def comparison(capacity: Capacity, simulated: Simulated) -> str:
    """The same figures on paper and simulated, and how far they are apart."""
    paper, seen = capacity.delivery, simulated.delivery
    figures = {
        "records of a batch": (paper.records_per_batch, seen.records_per_batch),
        "calls of a batch": (paper.calls_per_batch, seen.calls_per_batch),
        "PutEvents calls/s": (paper.put_events_per_second, seen.put_events_per_second),
        "seconds of an invocation": (paper.invocation_seconds, seen.invocation_seconds),
        "invocations at once": (paper.invocations_at_once, seen.invocations_at_once),
        "busy share of a lane": (paper.busy_share, seen.busy_share),
        "longest wait in seconds": (paper.longest_wait, simulated.longest_wait),
    }
    rate = f"{paper.load.events_per_second:,g} events/s"
    lines = [f"{rate:26}{'on paper':>14}{'simulated':>14}{'apart':>8}"]
    for what, (expected, found) in figures.items():
        apart = f"{expected / found - 1:8.1%}" if math.isfinite(expected) else ""
        lines.append(f"  {what:24}{expected:14,.3f}{found:14,.3f}{apart}")
    on_paper, in_time = ("keeps up" if each.keeps_up else "falls behind" for each in (paper, simulated))
    return "\n".join([*lines, f"  {'delivery':24}{on_paper:>14}{in_time:>14}"])


def main(arguments: Sequence[str] | None = None) -> None:
    """The load that the options describe; without options, the three of docs/capacity.md."""
    given = sys.argv[1:] if arguments is None else arguments
    loads = (load_of(given, "bench.capacity_check"),) if given else AS_DEPLOYED
    for load in loads:
        random = Random(SEED)
        try:
            simulated = simulate(load, random)
        except ValueError as error:
            sys.exit(str(error))
        print(comparison(size(load), simulated), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
