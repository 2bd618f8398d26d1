"""The batches of a load, by calculation: their records, calls and seconds on average. Pure.

docs/capacity.md has the formulae. bench.capacity_check compares them with the delivery code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from chalicelib.records.events import MAX_ENTRIES_PER_CALL
from chalicelib.services import DELIVERY_CONCURRENCY
from ops.capacity.load import Load


@dataclass(frozen=True)
class Delivery:
    """The batches of a load on average, calculated by delivery_of() or simulated."""

    load: Load
    records_per_batch: float
    calls_per_batch: float
    invocation_seconds: float

    @property
    def batches_per_second(self) -> float:
        """Batches that delivery has to finish each second to keep up."""
        return self.load.events_per_second / self.records_per_batch

    @property
    def put_events_per_second(self) -> float:
        """PutEvents calls that delivery has to make each second to keep up."""
        return self.batches_per_second * self.calls_per_batch

    @property
    def busy_share(self) -> float:
        """The time that a shard reader's batches take, divided by the time in which their records come in.

        Above 1, delivery falls behind.
        """
        return self.batches_per_second * self.invocation_seconds / self.load.shard_readers

    @property
    def keeps_up(self) -> bool:
        """Whether batches are delivered as fast as their records come in."""
        return self.busy_share <= 1

    @property
    def invocations_at_once(self) -> float:
        """Invocations that run at the same time, on average."""
        return self.load.shard_readers * min(1.0, self.busy_share)

    @property
    def longest_wait_seconds(self) -> float:
        """The longest time from the stream to Personalize, about.

        An event waits for the batch before it, for the gathering of its own batch, and for its delivery.
        """
        if not self.keeps_up:
            return math.inf
        seconds_to_fill = self.load.shard_readers / self.batches_per_second - self.invocation_seconds
        return min(self.load.window_seconds, seconds_to_fill) + 2 * self.invocation_seconds


def delivery_of(load: Load) -> Delivery:
    """Return the average batch: as many records as come in while a batch is gathered and delivered."""
    # A session stays with one shard reader, so no more shard readers work than there are sessions.
    readers = min(load.shard_readers, load.sessions)
    rate, sessions = load.events_per_second / readers, load.sessions / readers

    def surplus(records: float) -> float:
        _, seconds = invocation(records, sessions, load)
        return rate * _cycle_seconds(rate, load.window_seconds, seconds) - records

    low, high = 0.0, float(load.largest_batch)
    if surplus(high) < 0:
        # The surplus is positive for a small batch and negative for the largest, so bisection finds its zero.
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if surplus(middle) >= 0 else (low, middle)
    return Delivery(load, high, *invocation(high, sessions, load))


def call_chances(mean_events: float) -> list[float]:
    """Return the chances that a session needs a first call, a second, a third, …

    They are P(K > 0), P(K > 10), P(K > 20), … with K, its events in a batch, from a Poisson distribution with
    the mean ``mean_events``. Their sum is the mean number of calls, E⌈K/10⌉.
    """
    chances, not_more = [], 0.0
    for k in range(int(mean_events + 12 * math.sqrt(mean_events)) + 30):
        not_more += math.exp(k * math.log(mean_events) - mean_events - math.lgamma(k + 1))
        if k % MAX_ENTRIES_PER_CALL == 0:
            chances.append(max(0.0, 1 - not_more))
    return chances


def invocation(records: float, sessions: float, load: Load) -> tuple[float, float]:
    """Return calls and seconds of a batch whose records come from ``sessions`` sessions at random.

    Calls of several sessions wait for Personalize at the same time and use the processor one after another.
    Calls of one session are made one after another.
    """
    chances = call_chances(records / sessions)
    calls = max(1.0, sessions * sum(chances))
    at_once = max(1.0, min(DELIVERY_CONCURRENCY, sessions * chances[0]))
    cpu, wait = load.call_cpu_seconds, load.put_events_ms / 1000
    rounds, rest = divmod(calls - 1, at_once)
    together = rounds * max(cpu + wait, at_once * cpu) + rest * cpu + cpu + wait
    longest_chain = sum(1 - (1 - chance) ** sessions for chance in chances) * (cpu + wait)
    # Each session that starts at the same time uses the processor once before it.
    alone = (at_once - 1) * cpu + longest_chain
    return calls, records * load.event_cpu_seconds + max(together, alone)


def _cycle_seconds(rate: float, window_seconds: float, seconds: float) -> float:
    """Return the time from one invocation to the next. The window opens when the last invocation has ended.

    It opens again while there is no record (lambda/latest/dg/invocation-eventsourcemapping.html).
    """
    windows = 1 + math.exp(-rate * (seconds + window_seconds)) / -math.expm1(-rate * window_seconds)
    return seconds + window_seconds * windows
