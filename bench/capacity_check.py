"""The calculation of ops.capacity beside a simulation of the same load.

The API's own code creates the records, the rules of Lambda in simulation.mapping form the batches, and
chalicelib.delivery plans them. Only time is simulated: the time of each call, and from it the time of an
invocation. No quota throttles anything here.
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

from chalicelib import records as stream_records
from chalicelib.delivery.kinesis import decode_records
from chalicelib.delivery.plan import Plan, plan
from chalicelib.services import DELIVERY_CONCURRENCY
from ops.capacity.batches import Delivery
from ops.capacity.capacity import Capacity, parse_load, size
from ops.capacity.load import Load, option_name
from simulation.mapping import Batch, next_batch
from simulation.stream import Record, Stream, hash_key

START = 1_770_000_000.0
"""Start of the traffic in seconds since 1970. The value has no meaning."""
SEED = 1
MAX_NOTE_CHARACTERS = 1000
"""Most characters of the property that fills an event; its properties have 1024 characters with the key."""
MIN_WINDOWS = 6
"""Fewest batching windows of a simulation."""

AS_DEPLOYED = tuple(Load(events_per_second=rate) for rate in (10.0, 1000.0, 100_000.0))


@dataclass(frozen=True)
class Invocation:
    """The delivery of one batch. Times are in seconds; ``oldest`` is the arrival of its first record."""

    oldest: float
    started: float
    seconds: float
    records: int
    calls: int


@dataclass(frozen=True)
class Simulated:
    """The result of a simulation: averages, and the longest time from the stream to Personalize."""

    delivery: Delivery
    longest_wait_seconds: float
    longest_invocation_seconds: float

    @property
    def keeps_up(self) -> bool:
        """Whether no event waited for more than two other batches.

        When delivery falls behind, the wait grows with each batch.
        """
        longest_seconds = self.delivery.load.window_seconds + 3 * self.longest_invocation_seconds
        return self.longest_wait_seconds <= longest_seconds


class _Clock:
    """A clock in seconds since 1970 that stands still until the simulation moves it."""

    seconds = START

    def __call__(self) -> float:
        return self.seconds


def simulate(load: Load, random: Random, *, events: int = 30_000, shards: int = 2) -> Simulated:
    """Return the result of at least ``events`` events on ``shards`` of the load's shards.

    All shards are alike. All sessions are equally active, and each sends at random times (a Poisson process).
    The first third of the time warms up and is not counted.
    """
    shards = min(shards, load.shards_open)
    part = shards / load.shards_open
    seconds = max(events / (load.events_per_second * part), MIN_WINDOWS * load.window_seconds)
    clock = _Clock()
    stream = Stream(shards, now=clock, random=random)
    for event, clock.seconds in traffic(load, part, seconds, random):
        stream.put(event.data, event.session_id)
    return _average(
        load,
        [
            invocation
            for shard in stream.shards
            for records in records_by_reader(shard, load.parallelization_factor)
            for invocation in invocations_of(records, load)
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


def traffic(
    load: Load, part: float, seconds: float, random: Random
) -> Iterator[tuple[stream_records.Record, float]]:
    """Yield the accepted events of the share ``part`` of the load, each with its time.

    Events have ``load.record_bytes`` bytes, or the fewest possible where that is more. Raise ValueError when
    no event has that many bytes.
    """
    sessions = max(1, round(load.sessions * part))
    shortest = len(_event(0, "", START, random).data)
    if load.record_bytes > shortest + MAX_NOTE_CHARACTERS:
        longest = shortest + MAX_NOTE_CHARACTERS
        raise ValueError(f"{option_name('record_bytes')} must be {longest} at most in the simulation.")
    note = "x" * (load.record_bytes - shortest)
    time = START
    while (time := time + random.expovariate(load.events_per_second * part)) < START + seconds:
        yield _event(random.randrange(sessions), note, time, random), time


def _event(session: int, note: str, time: float, random: Random) -> stream_records.Record:
    request = {
        "UserId": f"user-{session:07}",
        "SessionId": f"session-{session:07}",
        "EventType": "watch",
        "Event": {"itemId": f"item-{random.randrange(1000):04}", "NOTE": note},
    }
    received_at = datetime.fromtimestamp(time, timezone.utc)
    new_id = f"{random.getrandbits(128):032x}"
    return stream_records.from_request(request, received_at=received_at, new_id=lambda: new_id)


def records_by_reader(shard: Sequence[Record], factor: int) -> list[list[Record]]:
    """Return the records of each shard reader. All records of a partition key have the same reader."""
    readers: list[list[Record]] = [[] for _ in range(factor)]
    for record in shard:
        readers[hash_key(record.partition_key) % factor].append(record)
    return readers


def invocations_of(records: Sequence[Record], load: Load) -> Iterator[Invocation]:
    """Yield the invocations of one shard reader. The window opens when the last invocation has ended.

    It opens again while there is no record (lambda/latest/dg/invocation-eventsourcemapping.html).
    """
    free_at, position = START, 0
    while position < len(records):
        oldest = records[position].arrived_at
        windows = max(1, math.ceil((oldest - free_at) / load.window_seconds))
        closes_at = free_at + windows * load.window_seconds
        end = bisect_right(records, closes_at, lo=position, key=lambda record: record.arrived_at)
        batch = next_batch(islice(records, position, end), load.batch_size)
        position += len(batch)
        full = len(batch) == load.batch_size or position < end
        started = max(free_at, batch[-1].arrived_at) if full else closes_at
        work = plan(decode_records(Batch(batch).event()), tracking_id="")
        seconds = len(batch) * load.event_cpu_seconds + calls_seconds(work, load)
        yield Invocation(oldest, started, seconds, len(batch), sum(len(each.calls) for each in work.chains))
        free_at = started + seconds


def calls_seconds(work: Plan, load: Load) -> float:
    """Return the seconds from the first call to the last response, as chalicelib.delivery makes the calls.

    DELIVERY_CONCURRENCY workers take the chains in the plan's order. A worker makes a chain's calls one
    after another. A call uses the processor, which all workers share, and then waits for Personalize.
    """
    waiting = iter(work.chains)
    workers = [(0.0, len(chain.calls)) for chain in islice(waiting, DELIVERY_CONCURRENCY)]
    processor_free_at = last_response_at = 0.0
    while workers:
        ready_at, calls_left = workers[0]
        processor_free_at = max(ready_at, processor_free_at) + load.call_cpu_seconds
        last_response_at = response_at = processor_free_at + load.put_events_ms / 1000
        if calls_left == 1:
            chain = next(waiting, None)
            if chain is None:
                heapq.heappop(workers)
                continue
            calls_left = len(chain.calls) + 1
        heapq.heapreplace(workers, (response_at, calls_left - 1))
    return last_response_at


def comparison(capacity: Capacity, simulated: Simulated) -> str:
    """Return a table of the calculated and the simulated figures and their differences."""
    calculated, seen = capacity.delivery, simulated.delivery
    figures = {
        "records of a batch": (calculated.records_per_batch, seen.records_per_batch),
        "calls of a batch": (calculated.calls_per_batch, seen.calls_per_batch),
        "PutEvents calls/s": (calculated.put_events_per_second, seen.put_events_per_second),
        "seconds of an invocation": (calculated.invocation_seconds, seen.invocation_seconds),
        "invocations at once": (calculated.invocations_at_once, seen.invocations_at_once),
        "busy share of a reader": (calculated.busy_share, seen.busy_share),
        "longest wait in seconds": (calculated.longest_wait_seconds, simulated.longest_wait_seconds),
    }
    rate = f"{calculated.load.events_per_second:,g} events/s"
    lines = [f"{rate:26}{'calculated':>14}{'simulated':>14}{'apart':>8}"]
    for what, (expected, found) in figures.items():
        apart = f"{expected / found - 1:8.1%}" if math.isfinite(expected) else ""
        lines.append(f"  {what:24}{expected:14,.3f}{found:14,.3f}{apart}")
    results = ("keeps up" if each.keeps_up else "falls behind" for each in (calculated, simulated))
    return "\n".join([*lines, f"  {'delivery':24}" + "".join(f"{result:>14}" for result in results)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare for the load that the options describe, without options for the three of docs/capacity.md."""
    given = sys.argv[1:] if arguments is None else arguments
    loads = (parse_load(given, "bench.capacity_check"),) if given else AS_DEPLOYED
    for load in loads:
        random = Random(SEED)
        try:
            simulated = simulate(load, random)
        except ValueError as error:
            sys.exit(str(error))
        print(comparison(size(load), simulated), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
