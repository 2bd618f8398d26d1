"""The local stack as its user meets it: from `make run` to an answer, from an event to what it changes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

import boto3

from bench.change import ApiReaders, EngineReaders
from bench.checkout import Checkout
from bench.measure import Row, Series, take_turns
from local.emulator import start_emulator
from local.personalize import REGION

STARTS = 3
EVENTS = 200
BLOCK = 40
"""Events of which one p95 is taken, so that it has a spread too."""
WARM_UP = 5


def rows() -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder) / "checkout")
        yield from _start_rows(checkout, Path(folder) / "emulator")
        yield from _change_rows(checkout)


def _start_rows(checkout: Checkout, state_dir: Path) -> Iterator[Row]:
    """Against the floor: nothing that runs on MiniStack can answer before MiniStack does."""
    floor = "bare MiniStack until healthy"
    contenders = {"cold": lambda: _cold_start(checkout), "warm": lambda: _warm_start(checkout)}
    series = take_turns({**contenders, floor: lambda: _emulator_start(state_dir)}, STARTS)
    for start in contenders:
        yield Row(f"make run: {start}, to the first answer", "s", series[start], floor, series[floor])


def _cold_start(checkout: Checkout) -> float:
    checkout.renew()
    return _warm_start(checkout)


def _warm_start(checkout: Checkout) -> float:
    """Seconds from the command to the first recommendations through the API."""
    started = time.perf_counter()
    with checkout.running() as stack:
        ApiReaders(stack).ask("ann")
        return time.perf_counter() - started


def _emulator_start(state_dir: Path) -> float:
    shutil.rmtree(state_dir, ignore_errors=True)
    started = time.perf_counter()
    emulator = start_emulator(state_dir=state_dir)
    taken = time.perf_counter() - started
    emulator.stop()
    return taken


def _change_rows(checkout: Checkout) -> Iterator[Row]:
    """Against the two calls that do the same: what API, stream and functions add on this machine."""
    newcomers = (f"newcomer-{number}" for number in count())
    with checkout.running() as stack:
        _lift_throttle(stack["awsEndpointUrl"])
        api, engine = ApiReaders(stack), EngineReaders(stack["personalizeUrl"])
        contenders = {
            "api": lambda: api.reader(next(newcomers)).seconds_to_change(),
            "engine": lambda: engine.reader(next(newcomers)).seconds_to_change(),
        }
        take_turns(contenders, WARM_UP)
        series = take_turns(contenders, EVENTS)
    what, alternative = "local stack: event to changed recommendation", "the engine's own calls, by boto3"
    ours, theirs = (series[name].scaled(1000) for name in contenders)
    yield Row(f"{what}, p50", "ms", ours, alternative, theirs)
    yield Row(f"{what}, p95", "ms", _p95(ours), alternative, _p95(theirs))


def _lift_throttle(aws_url: str) -> None:
    """One key may make 50 requests a second by default, which asking without a pause exceeds."""
    session: Any = boto3.Session("test", "test", region_name=REGION)
    gateway = session.client("apigateway", endpoint_url=aws_url)
    lifted = [
        {"op": "replace", "path": f"/throttle/{limit}", "value": "100000"}
        for limit in ("rateLimit", "burstLimit")
    ]
    for plan in gateway.get_usage_plans()["items"]:
        gateway.update_usage_plan(usagePlanId=plan["id"], patchOperations=lifted)


def _p95(series: Series) -> Series:
    """The 95th percentile of each block of so many values."""
    blocks = [series.values[start:][:BLOCK] for start in range(0, len(series.values), BLOCK)]
    return Series(tuple(quantiles(block, n=20, method="inclusive")[-1] for block in blocks))
