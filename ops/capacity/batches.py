"""What becomes of a load's batches, on paper: how large they get, how many calls and seconds each takes.

Nothing is measured and nothing is called. docs/capacity.md has the formulae, and bench.capacity_check holds
them against the delivery code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from chalicelib import clients
from chalicelib.delivery import MAX_EVENTS_PER_CALL
from ops.capacity.load import Load


@dataclass(frozen=True)
class Delivery:
    """What becomes of a load's batches, on average: foretold by delivery_of() or simulated."""

    load: Load
    records_per_batch: float
    calls_per_batch: float
    invocation_seconds: float

    @property
    def batches_per_second(self) -> float:
        """Batches that have to be delivered to keep up."""
        return self.load.events_per_second / self.records_per_batch

    @property
    def put_events_per_second(self) -> float:
        """Calls that have to be made to keep up."""
        return self.batches_per_second * self.calls_per_batch

    @property
    def busy_share(self) -> float:
        """Of a lane: time that its batches take to time in which they come in. Above 1, it falls behind."""
        return self.batches_per_second * self.invocation_seconds / self.load.lanes

    @property
    def keeps_up(self) -> bool:
        return self.busy_share <= 1

    @property
    def invocations_at_once(self) -> float:
        return self.load.lanes * min(1.0, self.busy_share)

    @property
    def longest_wait(self) -> float:
        """Seconds from the stream to Personalize, about: the batch before, the gathering, the event's own."""
        if not self.keeps_up:
            return math.inf
        to_fill_a_batch = self.load.lanes / self.batches_per_second - self.invocation_seconds
        return min(self.load.window_seconds, to_fill_a_batch) + 2 * self.invocation_seconds


def delivery_of(load: Load) -> Delivery:
    """The batch on which a lane settles: as many records as come in while it is gathered and delivered."""
    # A session stays in one lane, so there are never more lanes at work than sessions.
    lanes = min(load.lanes, load.sessions)
    rate, sessions = load.events_per_second / lanes, load.sessions / lanes

    def surplus(records: float) -> float:
        _, seconds = invocation(records, sessions, load)
        return rate * _cycle(rate, load.window_seconds, seconds) - records

    low, high = 0.0, float(load.largest_batch)
    if surplus(high) < 0:
        # More records come in than a small batch holds, and fewer than the largest: halve the interval.
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if surplus(middle) >= 0 else (low, middle)
    return Delivery(load, high, *invocation(high, sessions, load))


def call_chances(mean_events: float) -> list[float]:
    """The chance that a session needs a first call, a second, a third, …: P(K > 0), P(K > 10), P(K > 20), …

    K, its events in a batch, is Poisson. Their sum is the mean number of calls, E⌈K/10⌉.
    """
    chances, not_more = [], 0.0
    for k in range(int(mean_events + 12 * math.sqrt(mean_events)) + 30):
        not_more += math.exp(k * math.log(mean_events) - mean_events - math.lgamma(k + 1))
        if k % MAX_EVENTS_PER_CALL == 0:
            chances.append(max(0.0, 1 - not_more))
    return chances


def invocation(records: float, sessions: float, load: Load) -> tuple[float, float]:
    """Calls and seconds of a batch whose records come from ``sessions`` sessions at random.

    Calls of several sessions wait for Personalize together, and for the processor one after another; those of
    one session are a chain.
    """
    chances = call_chances(records / sessions)
    calls = max(1.0, sessions * sum(chances))
    at_once = max(1.0, min(clients.PUT_EVENTS_CONCURRENCY, sessions * chances[0]))
    cpu, wait = load.call_cpu_seconds, load.put_events_ms / 1000
    rounds, rest = divmod(calls - 1, at_once)
    together = rounds * max(cpu + wait, at_once * cpu) + rest * cpu + cpu + wait
    longest_chain = sum(1 - (1 - chance) ** sessions for chance in chances) * (cpu + wait)
    # The sessions that begin with it take the processor before it once.
    alone = (at_once - 1) * cpu + longest_chain
    return calls, records * load.event_cpu_seconds + max(together, alone)


def _cycle(rate: float, window: float, seconds: float) -> float:
    """Seconds from one invocation to the next. The window opens when the last one has ended.

    It opens again while not one record is there (lambda/latest/dg/invocation-eventsourcemapping.html).
    """
    windows = 1 + math.exp(-rate * (seconds + window)) / -math.expm1(-rate * window)
    return seconds + window * windows
