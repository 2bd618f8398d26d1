"""The local stack after many requests: a request's time, the idle processor time, memory and disk.

Half of the requests get recommendations, the other half send one event each. The last rows are those of the
next run, which starts with what the first one has kept. Beside it runs a stack that gets no other requests
than the measured ones, so that what slows the machine down slows both.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

from bench import process_tree
from bench.change import ApiUsers
from bench.checkout import Checkout, RunningCheckout
from bench.gateway import raise_throttle
from bench.measure import VALUES_PER_PERCENTILE, Row, Series, once, p95, take_turns

REQUESTS = (0, 10_000, 50_000)
CLIENTS = 8
ROUNDS = 5
IDLE_SECONDS = 3.0
SETTLING_SECONDS = 10.0
"""Between the last request and the measurements: its event is delivered and archived meanwhile."""
WARM_UP_REQUESTS = 50


def rows(checkout: Checkout, beside: Checkout) -> Iterator[Row]:
    """Yield the rows of each number of requests, and those of the next run."""
    checkout.renew()
    beside.renew()
    with beside.running() as new:
        with checkout.running() as running:
            for done, wanted in pairwise((0, *REQUESTS)):
                _send(running.stack, done, wanted)
                yield from _rows(f"local stack after {wanted:,} requests", running, new)
        started = time.perf_counter()
        with checkout.running() as running:
            seconds = time.perf_counter() - started
            yield from _rows("local stack in the next run", running, new)
    yield Row("local stack in the next run: until ready", "s", once(seconds))


def _send(stack: Mapping[str, str], done: int, wanted: int) -> None:
    api = ApiUsers(stack)

    def send(number: int) -> None:
        if number % 2:
            api.recommend(f"visitor-{number}")
        else:
            api.send(f"visitor-{number}", "dracula")

    with ThreadPoolExecutor(CLIENTS) as clients:
        for _ in clients.map(send, range(done, wanted)):
            pass


def _rows(what: str, running: RunningCheckout, new: RunningCheckout) -> Iterator[Row]:
    stacks = {"ours": running, "new": new}
    for each in stacks.values():
        raise_throttle(each.stack["awsEndpointUrl"])
        _seconds(each, WARM_UP_REQUESTS)
    time.sleep(SETTLING_SECONDS)
    alternative = "a new stack beside it"
    times = take_turns({name: partial(_p95, each) for name, each in stacks.items()}, ROUNDS)
    yield Row(f"{what}: /recommendations, p95", "ms", times["ours"], alternative, times["new"])
    if process_tree.available:
        idle = take_turns({name: partial(_idle_percent, each) for name, each in stacks.items()}, ROUNDS)
        yield Row(f"{what}: idle, of one processor", "%", idle["ours"], alternative, idle["new"])
        memory = [once(process_tree.resident_mb(each.process_id)) for each in stacks.values()]
        yield Row(f"{what}: memory", "MB", memory[0], alternative, memory[1])
    # Blocks, not bytes: a small file takes a whole one.
    sizes = [512 * path.stat().st_blocks for path in running.home.rglob("*") if path.is_file()]
    yield Row(f"{what}: disk", "MB", once(sum(sizes) / 1e6))
    yield Row(f"{what}: files", "", once(len(sizes)))


def _p95(running: RunningCheckout) -> float:
    """Return the 95th percentile in ms of some requests."""
    return p95(Series(_seconds(running, VALUES_PER_PERCENTILE)).scaled(1000)).median


def _seconds(running: RunningCheckout, requests: int) -> tuple[float, ...]:
    api = ApiUsers(running.stack)

    def request() -> float:
        started = time.perf_counter()
        api.recommend("timed")
        return time.perf_counter() - started

    return tuple(request() for _ in range(requests))


def _idle_percent(running: RunningCheckout) -> float:
    return process_tree.cpu_share(running.process_id, IDLE_SECONDS)
