"""Delivery to a Personalize that responds in 20 ms: time, calls, growth with the batch, and concurrency."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from bench.measure import Row, Series, once, take_turns
from bench.sandbox import Sandbox, sandbox
from bench.server import Server, running_server
from bench.traffic import fewest_calls
from chalicelib.services import DELIVERY_CONCURRENCY

LATENCY_SECONDS = 0.02
BATCHES = ((1_000, 200), (10_000, 3_000))
"""Records and sessions."""
SAMPLE_RECORDS = 50
"""Records that the sequential contender sends in a round. All of them would take four minutes."""
CURVE = (4, 8, 12, 16, 20, 24, 32)
ROUNDS = 9
GROWTH = ((100, 20), (1_000, 200), (10_000, 2_000))


def rows() -> Iterator[Row]:
    """Yield the rows about delivery."""
    with running_server(LATENCY_SECONDS) as server:
        for records, sessions in BATCHES:
            yield from _against_both(records, sessions, server)
        yield from _curve(server.url)
    # Without latency, because the processor time of waiting is not growth.
    with running_server() as server:
        yield from _growth(server.url)


def _against_both(records: int, sessions: int, server: Server) -> Iterator[Row]:
    batch = f"{records} {sessions}"
    with (
        sandbox(f"bench.handlers:our_delivery {batch}", server.url, warm_up=1) as ours,
        sandbox(f"bench.handlers:sequential_delivery {batch} {SAMPLE_RECORDS}", server.url) as sequence,
    ):
        sequence.run()
        series = take_turns({"ours": lambda: _wall(ours), "sequence": lambda: _wall(sequence)}, ROUNDS)
        server.calls()
        ours.run()
        calls = server.calls()["PutEvents"]
    fewest = fewest_calls(records, sessions)
    ideal = fewest * LATENCY_SECONDS / DELIVERY_CONCURRENCY
    what = f"delivery: {records:,} records of {sessions:,} sessions"
    yield Row(
        f"{what}, speed",
        "s",
        series["sequence"].scaled(records / SAMPLE_RECORDS),
        "ours (how many times faster)",
        series["ours"],
        "≥ 50",
    )
    yield Row(
        f"{what}, time",
        "s",
        series["ours"],
        f"the ideal: {fewest:,} calls × 20 ms ÷ {DELIVERY_CONCURRENCY}",
        Series((ideal,) * ROUNDS),
        "≤ 1.3",
    )
    yield Row(f"{what}, calls", "calls", once(calls), "the fewest possible", once(fewest), "1")


def _growth(url: str) -> Iterator[Row]:
    with ExitStack() as stack:
        contenders = {}
        for records, sessions in GROWTH:
            target = f"bench.handlers:our_delivery {records} {sessions}"
            contender = stack.enter_context(sandbox(target, url, warm_up=2_000 // records + 1))
            contenders[str(records)] = partial(_cpu_per_record, contender, records)
        cpu = take_turns(contenders, ROUNDS)
    for records, _ in GROWTH:
        ours = cpu[str(records)].scaled(1e6)
        per_thousand = cpu["1000"].scaled(1e6)
        what = f"growth: CPU per record, {records:,} records"
        yield Row(what, "µs CPU", ours, "per record of 1,000", per_thousand, "0.9–1.1")
    for records, sessions in GROWTH:
        with sandbox(f"bench.handlers:peak_of_delivery {records} {sessions}", url) as measured:
            peak = once(measured.run().returned / records)
        yield Row(f"growth: peak memory per record, {records:,} records", "bytes", peak)


def _cpu_per_record(contender: Sandbox, records: int) -> float:
    """Return processor seconds per record. A round has the same number of records for every batch size."""
    calls = GROWTH[-1][0] // records
    return contender.run(calls).cpu_seconds / calls / records


def _curve(url: str) -> Iterator[Row]:
    records, sessions = BATCHES[1]
    for concurrency in CURVE:
        target = f"bench.handlers:our_delivery {records} {sessions} {concurrency}"
        with sandbox(target, url, warm_up=1) as ours:
            walls = Series(tuple(_wall(ours) for _ in range(3)))
        ideal = fewest_calls(records, sessions) * LATENCY_SECONDS / concurrency
        yield Row(
            f"concurrency {concurrency}: {records:,} records",
            "s",
            walls,
            "its ideal",
            Series((ideal,) * len(walls.values)),
        )


def _wall(contender: Sandbox) -> float:
    return contender.run().wall_seconds
