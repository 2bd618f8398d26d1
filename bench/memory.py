"""The speed and the price of each memory size, and the sizes that follow for .chalice/config.json.

Only processor time is measured. The rest is calculated from it: Lambda's share of a processor
(ops.capacity.load), the delivery of a batch (ops.capacity.batches) and the price (ops.capacity.prices).
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from bench.cold_start import STARTS, seconds_to_first_line
from bench.delivery import LATENCY_SECONDS
from bench.measure import take_turns
from bench.sandbox import Sandbox, environment, sandbox
from bench.server import running_server
from bench.throttle import available, throttled
from bench.traffic import fewest_calls
from ops.capacity.batches import invocation
from ops.capacity.load import MB_OF_ONE_CPU, ON_DEMAND_SHARDS, Load, cpu_share, deployed_memory_mb
from ops.capacity.prices import Prices

SIZES_MB = (128, 256, 512, 768, 1024, 1536, MB_OF_ONE_CPU)
MAX_COLD_START_SECONDS = 0.4
"""Longest time to the first response of a cold start.

A visitor may wait half a second. Lambda needs a part of it before Python starts, which is not measured here.
"""
MAX_BATCH_RATIO = 1.5
"""Longest time of a batch, divided by its time with a whole processor. A throttled batch takes longer."""

RECORDS, SESSIONS = 1000, 200
CALLS = 25
"""Warm requests of one round."""
ROUNDS = 5
THROTTLED_MB = (1024, 768, 512) if available else ()
"""Sizes to which a warm request and a delivery are throttled, to compare with the prediction."""
WHY_DIFFERENT = (
    "A warm request ends before its share of a period is used up, so throttling hardly slows it down. "
    "A delivery is stopped and continued in every period, which takes processor time of its own."
)


@dataclass(frozen=True)
class Cpu:
    """Processor seconds of a warm request, a cold start, one PutEvents call and one event."""

    request: float
    start: float
    call: float
    event: float

    def cold_seconds(self, memory_mb: int) -> float:
        """Return the seconds from the start of Python to the first response of /recommendations."""
        return self.start / cpu_share(memory_mb) + LATENCY_SECONDS

    def warm_seconds(self, memory_mb: int) -> float:
        """Return the most seconds of a later request. Lambda slows down long work, not every millisecond."""
        return self.request / cpu_share(memory_mb) + LATENCY_SECONDS

    def batch(self, memory_mb: int) -> tuple[float, float]:
        """Return calls and seconds of a delivery."""
        load = Load(
            memory_mb=memory_mb,
            put_events_ms=1e3 * LATENCY_SECONDS,
            cpu_ms_per_call=1e3 * self.call,
            cpu_ms_per_event=1e3 * self.event,
        )
        return invocation(RECORDS, SESSIONS, load)


def api_memory(cpu: Cpu) -> int:
    """Return the smallest size whose cold start takes at most MAX_COLD_START_SECONDS."""
    return _smallest(lambda size: cpu.cold_seconds(size) <= MAX_COLD_START_SECONDS)


def delivery_memory(cpu: Cpu) -> int:
    """Return the smallest size that can use the PutEvents quota with a new stream's shards.

    A batch takes at most MAX_BATCH_RATIO times as long as with a whole processor.
    """
    longest = MAX_BATCH_RATIO * cpu.batch(MB_OF_ONE_CPU)[1]

    def suffices(size: int) -> bool:
        calls, seconds = cpu.batch(size)
        return ON_DEMAND_SHARDS * calls / seconds > Load().put_events_quota and seconds <= longest

    return _smallest(suffices)


def _smallest(suffices: Callable[[int], bool]) -> int:
    return next(filter(suffices, SIZES_MB), SIZES_MB[-1])


def notes() -> str:
    """Return the table of sizes, the chosen sizes, and the predictions beside throttled measurements."""
    with running_server(LATENCY_SECONDS) as server:
        measured = _measure(server.url)
    cpu = cpu_of(measured)
    parts = [_inputs(cpu), _sizes(cpu), _rule(cpu)]
    if THROTTLED_MB:
        head = ("throttled to", "MB", "predicted, ms", "measured, ms", "predicted ÷ measured")
        parts += [_table(head, _checks(cpu, measured)), WHY_DIFFERENT]
    return "\n\n".join(parts)


def cpu_of(measured: Mapping[str, float]) -> Cpu:
    """Return the processor times that follow from the medians.

    Two batches with the same number of records, in few and in many calls, tell calls from events.
    """
    fewer = fewest_calls(RECORDS, SESSIONS)
    call = (measured["many calls"] - measured["few calls"]) / (RECORDS - fewer)
    event = max(0.0, measured["few calls"] - fewer * call) / RECORDS
    return Cpu(measured["request"], measured["start"] - LATENCY_SECONDS, call, event)


def _measure(url: str) -> dict[str, float]:
    """Return medians in seconds: processor time, wall time for a cold start and for what is throttled.

    All contenders take turns, because a machine can be faster in one minute than in another.
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
        for size in THROTTLED_MB:
            contenders[f"request {size}"] = partial(_throttled, request, size, CALLS)
            contenders[f"few calls {size}"] = partial(_throttled, few_calls, size, 1)
        return {name: series.median for name, series in take_turns(contenders, ROUNDS).items()}


def _throttled(process: Sandbox, memory_mb: int, calls: int) -> float:
    with throttled(process.process_id, cpu_share(memory_mb)):
        return process.run(calls).wall_seconds / calls


def _checks(cpu: Cpu, measured: Mapping[str, float]) -> Iterator[tuple[str, ...]]:
    for size in THROTTLED_MB:
        for what, predicted_seconds, measured_seconds in (
            ("warm /recommendations", cpu.warm_seconds(size), measured[f"request {size}"]),
            (f"batch of {RECORDS:,}", cpu.batch(size)[1], measured[f"few calls {size}"]),
        ):
            ratio = f"{predicted_seconds / measured_seconds:.2f}"
            predicted_ms, measured_ms = 1e3 * predicted_seconds, 1e3 * measured_seconds
            yield what, f"{size:,}", f"{predicted_ms:.1f}", f"{measured_ms:.1f}", ratio


def _inputs(cpu: Cpu) -> str:
    return (
        f"Processor time: {1e3 * cpu.start:.0f} ms a cold start, {1e3 * cpu.request:.2f} ms a warm request, "
        f"{1e3 * cpu.call:.2f} ms a PutEvents call, {1e3 * cpu.event:.3f} ms an event; Personalize takes "
        f"{1e3 * LATENCY_SECONDS:.0f} ms. Measured on {platform.machine()}. Lambda's arm64 can be slower, "
        "and Lambda's own time before Python starts is not counted."
    )


def _sizes(cpu: Cpu) -> str:
    head = (
        "MB",
        "CPU",
        "cold start to first response, ms",
        "warm /recommendations, ms",
        "USD per million requests",
        f"batch of {RECORDS:,}, s",
        "calls/s",
        "USD per million events",
    )
    return _table(head, (_line(cpu, size) for size in SIZES_MB))


def _line(cpu: Cpu, size: int) -> tuple[str, ...]:
    price = Prices().million_invocations
    warm = cpu.warm_seconds(size)
    calls, seconds = cpu.batch(size)
    return (
        f"{size:,}",
        f"{cpu_share(size):.2f}",
        f"{1e3 * cpu.cold_seconds(size):,.0f}",
        f"{1e3 * warm:.1f}",
        f"{price(warm, size):.2f}",
        f"{seconds:.2f}",
        f"{calls / seconds:,.0f}",
        f"{price(seconds, size) / RECORDS:.4f}",
    )


def _rule(cpu: Cpu) -> str:
    calls = (
        f"with which {ON_DEMAND_SHARDS} invocations at once can use the quota of "
        f"{Load().put_events_quota:,.0f} PutEvents calls/s and a batch takes at most {MAX_BATCH_RATIO} times "
        "as long as with a whole processor"
    )
    chosen = (
        ("api_handler", api_memory(cpu), f"whose cold start responds within {MAX_COLD_START_SECONDS:g} s"),
        ("deliver_events", delivery_memory(cpu), calls),
    )
    return "\n".join(
        f"- {name}: {size:,} MB is the smallest of these {why} (deployed: {deployed_memory_mb(name):,} MB)."
        for name, size, why in chosen
    )


def _table(head: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    rule = ("---", *["---:"] * (len(head) - 1))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))
