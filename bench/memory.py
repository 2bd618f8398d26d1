"""What each size of memory gives and costs, and from it the sizes that .chalice/config.json has.

Measured here is processor time; everything else follows from it: Lambda's share of a processor
(bench.throttle), the delivery of a batch (ops.capacity.batches) and the price (ops.capacity.prices).
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from bench.cold_start import STARTS, seconds_to_first_line
from bench.delivery import LATENCY
from bench.measure import take_turns
from bench.sandbox import Sandbox, environment, sandbox
from bench.server import running_server
from bench.throttle import available, throttled
from bench.traffic import fewest_calls
from ops.capacity.batches import invocation
from ops.capacity.load import MB_OF_ONE_CPU, ON_DEMAND_SHARDS, Load, cpu_share, deployed_memory_mb
from ops.capacity.prices import Prices

SIZES = (128, 256, 512, 768, 1024, 1536, MB_OF_ONE_CPU)
LONGEST_START = 0.4
"""Seconds to the first answer of a cold start: a visitor may wait half a second, of which Lambda needs a part
before Python starts, which is not measured here."""
LONGEST_BATCH = 1.5
"""Times as long as with a whole processor that a batch may take. Really throttled, it takes longer still."""

RECORDS, SESSIONS = 1000, 200
CALLS = 25
"""Warm requests of one round."""
ROUNDS = 5
CHECKED = (1024, 768, 512) if available else ()
"""Sizes to which a warm request and a delivery are throttled, to see whether it comes as foretold."""
WHY_APART = (
    "A warm request is over before its share of a period is used up, so it is hardly slowed down. A delivery "
    "is stopped and continued in every period, which takes processor time of its own."
)


@dataclass(frozen=True)
class Cpu:
    """Processor time in seconds: of a warm request, of a cold start, of one PutEvents call and one event."""

    request: float
    start: float
    call: float
    event: float

    def first_answer(self, memory_mb: int) -> float:
        """Seconds from the start of Python to the first /recommendations."""
        return self.start / cpu_share(memory_mb) + LATENCY

    def warm_answer(self, memory_mb: int) -> float:
        """Seconds at most of every further one: Lambda slows down what lasts, not every millisecond."""
        return self.request / cpu_share(memory_mb) + LATENCY

    def batch(self, memory_mb: int) -> tuple[float, float]:
        """Calls and seconds of a delivery."""
        load = Load(
            memory_mb=memory_mb,
            put_events_ms=1e3 * LATENCY,
            cpu_ms_per_call=1e3 * self.call,
            cpu_ms_per_event=1e3 * self.event,
        )
        return invocation(RECORDS, SESSIONS, load)


def api_memory(cpu: Cpu) -> int:
    """The smallest size whose cold start answers within LONGEST_START."""
    return _smallest(lambda size: cpu.first_answer(size) <= LONGEST_START)


def delivery_memory(cpu: Cpu) -> int:
    """The smallest that can pass the PutEvents quota from a new stream's shards, and is not slow for it."""
    longest = LONGEST_BATCH * cpu.batch(MB_OF_ONE_CPU)[1]

    def suffices(size: int) -> bool:
        calls, seconds = cpu.batch(size)
        return ON_DEMAND_SHARDS * calls / seconds > Load().put_events_quota and seconds <= longest

    return _smallest(suffices)


def _smallest(suffices: Callable[[int], bool]) -> int:
    return next(filter(suffices, SIZES), SIZES[-1])


def notes() -> str:
    """The table, the rule with the sizes that it yields, and predictions beside what throttling gives."""
    with running_server(LATENCY) as server:
        found = _measured(server.url)
    cpu = cpu_of(found)
    parts = [_inputs(cpu), _sizes(cpu), _rule(cpu)]
    if CHECKED:
        head = ("throttled to", "MB", "predicted, ms", "measured, ms", "predicted ÷ measured")
        parts += [_table(head, _checks(cpu, found)), WHY_APART]
    return "\n\n".join(parts)


def cpu_of(found: Mapping[str, float]) -> Cpu:
    """Two batches of as many records in few calls and in many tell calls from events."""
    fewer = fewest_calls(RECORDS, SESSIONS)
    call = (found["many calls"] - found["few calls"]) / (RECORDS - fewer)
    event = max(0.0, found["few calls"] - fewer * call) / RECORDS
    return Cpu(found["request"], found["start"] - LATENCY, call, event)


def _measured(url: str) -> dict[str, float]:
    """Medians in seconds: processor time at full speed, a start's by the clock, and whatever is throttled.

    All take turns, because this machine may be faster in one minute than in another.
    """
    variables = environment(url)
    with ExitStack() as stack:

        def warm(target: str, warm_up: int) -> Sandbox:
            return stack.enter_context(sandbox(f"bench.handlers:{target}", url, warm_up=warm_up))

        request = warm("our_recommendations", CALLS)
        few_calls = warm(f"our_delivery {RECORDS} {SESSIONS}", 2)
        many_calls = warm(f"our_delivery {RECORDS} {RECORDS}", 1)
        contenders = {
            "request": lambda: request.run(CALLS).cpu_seconds / CALLS,
            "start": lambda: seconds_to_first_line(STARTS[0].ours, variables, 1),
            "few calls": lambda: few_calls.run().cpu_seconds,
            "many calls": lambda: many_calls.run().cpu_seconds,
        }
        for size in CHECKED:
            contenders[f"request {size}"] = partial(_throttled, request, size, CALLS)
            contenders[f"few calls {size}"] = partial(_throttled, few_calls, size, 1)
        return {name: series.median for name, series in take_turns(contenders, ROUNDS).items()}


def _throttled(process: Sandbox, memory_mb: int, calls: int) -> float:
    with throttled(process.process_id, cpu_share(memory_mb)):
        return process.run(calls).wall_seconds / calls


def _checks(cpu: Cpu, found: Mapping[str, float]) -> Iterator[tuple[str, ...]]:
    for size in CHECKED:
        for what, predicted, measured in (
            ("warm /recommendations", cpu.warm_answer(size), found[f"request {size}"]),
            (f"batch of {RECORDS:,}", cpu.batch(size)[1], found[f"few calls {size}"]),
        ):
            ratio = f"{predicted / measured:.2f}"
            yield what, f"{size:,}", f"{1e3 * predicted:.1f}", f"{1e3 * measured:.1f}", ratio


def _inputs(cpu: Cpu) -> str:
    return (
        f"Processor time: {1e3 * cpu.start:.0f} ms a cold start, {1e3 * cpu.request:.2f} ms a warm request, "
        f"{1e3 * cpu.call:.2f} ms a PutEvents call, {1e3 * cpu.event:.3f} ms an event; Personalize takes "
        f"{1e3 * LATENCY:.0f} ms. Measured on {platform.machine()}; Lambda's arm64 need not be as fast, "
        "and what it takes itself before Python starts is not counted."
    )


def _sizes(cpu: Cpu) -> str:
    head = (
        "MB",
        "CPU",
        "cold start to first answer, ms",
        "warm /recommendations, ms",
        "USD per million requests",
        f"batch of {RECORDS:,}, s",
        "calls/s",
        "USD per million events",
    )
    return _table(head, (_line(cpu, size) for size in SIZES))


def _line(cpu: Cpu, size: int) -> tuple[str, ...]:
    price = Prices().million_invocations
    warm = cpu.warm_answer(size)
    calls, seconds = cpu.batch(size)
    return (
        f"{size:,}",
        f"{cpu_share(size):.2f}",
        f"{1e3 * cpu.first_answer(size):,.0f}",
        f"{1e3 * warm:.1f}",
        f"{price(warm, size):.2f}",
        f"{seconds:.2f}",
        f"{calls / seconds:,.0f}",
        f"{price(seconds, size) / RECORDS:.4f}",
    )


def _rule(cpu: Cpu) -> str:
    calls = (
        f"with which {ON_DEMAND_SHARDS} invocations at once can pass the quota of "
        f"{Load().put_events_quota:,.0f} PutEvents calls/s and a batch takes at most {LONGEST_BATCH} times "
        "as long as with a whole processor"
    )
    chosen = (
        ("api_handler", api_memory(cpu), f"whose cold start answers within {LONGEST_START:g} s"),
        ("deliver_events", delivery_memory(cpu), calls),
    )
    return "\n".join(
        f"- {name}: {size:,} MB is the smallest of these {why} (deployed: {deployed_memory_mb(name):,} MB)."
        for name, size, why in chosen
    )


def _table(head: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    rule = ("---", *["---:"] * (len(head) - 1))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))
