"""The local stack: `make run` to a response, an event to other recommendations, and after many requests."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import local_growth
from bench.change import ApiUsers, EngineUsers
from bench.checkout import Checkout
from bench.gateway import raise_throttle
from bench.measure import Row, p95, take_turns
from local.emulator import start_emulator

STARTS = 3
EVENTS = 200
WARM_UP_EVENTS = 5


def rows() -> Iterator[Row]:
    """Yield the rows about the local stack."""
    with TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder) / "checkout")
        yield from _start_rows(checkout, Path(folder) / "emulator")
        yield from _change_rows(checkout)
        yield from local_growth.rows(checkout, Checkout(Path(folder) / "beside"))


def _start_rows(checkout: Checkout, state_dir: Path) -> Iterator[Row]:
    """Yield the rows beside the lower bound: nothing on MiniStack can respond before MiniStack does."""
    minimum = "bare MiniStack until healthy"
    contenders = {"cold": lambda: _cold_start(checkout), "warm": lambda: _warm_start(checkout)}
    series = take_turns({**contenders, minimum: lambda: _emulator_start(state_dir)}, STARTS)
    for start in contenders:
        yield Row(f"make run: {start}, to the first response", "s", series[start], minimum, series[minimum])


def _cold_start(checkout: Checkout) -> float:
    checkout.renew()
    return _warm_start(checkout)


def _warm_start(checkout: Checkout) -> float:
    """Return the seconds from the command to the first recommendations through the API."""
    started = time.perf_counter()
    with checkout.running() as running:
        ApiUsers(running.stack).recommend("ann")
        return time.perf_counter() - started


def _emulator_start(state_dir: Path) -> float:
    shutil.rmtree(state_dir, ignore_errors=True)
    started = time.perf_counter()
    emulator = start_emulator(state_dir=state_dir)
    seconds = time.perf_counter() - started
    emulator.stop()
    return seconds


def _change_rows(checkout: Checkout) -> Iterator[Row]:
    """Yield the rows beside the same two calls to the engine, so that API, stream and functions remain."""
    newcomers = (f"newcomer-{number}" for number in count())
    with checkout.running() as running:
        stack = running.stack
        raise_throttle(stack["awsEndpointUrl"])
        api, engine = ApiUsers(stack), EngineUsers(stack["personalizeUrl"])
        contenders = {
            "api": lambda: api.user(next(newcomers)).seconds_to_change(),
            "engine": lambda: engine.user(next(newcomers)).seconds_to_change(),
        }
        take_turns(contenders, WARM_UP_EVENTS)
        series = take_turns(contenders, EVENTS)
    what, alternative = "local stack: event to changed recommendation", "the engine's own calls, by boto3"
    ours, theirs = (series[name].scaled(1000) for name in contenders)
    yield Row(f"{what}, p50", "ms", ours, alternative, theirs)
    yield Row(f"{what}, p95", "ms", p95(ours), alternative, p95(theirs))
