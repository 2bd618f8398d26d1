"""The local stack: the time from `make run` to a response, and from an event to other recommendations."""

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

from bench.change import ApiUsers, EngineUsers
from bench.checkout import Checkout
from bench.measure import Row, Series, take_turns
from local.emulator import start_emulator
from local.personalize import REGION

STARTS = 3
EVENTS = 200
EVENTS_PER_PERCENTILE = 40
"""Events for one p95, so that there are several of them and they have a spread."""
WARM_UP_EVENTS = 5


def rows() -> Iterator[Row]:
    """Yield the rows about the local stack."""
    with TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder) / "checkout")
        yield from _start_rows(checkout, Path(folder) / "emulator")
        yield from _change_rows(checkout)


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
    with checkout.running() as stack:
        ApiUsers(stack).recommend("ann")
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
    with checkout.running() as stack:
        _raise_throttle(stack["awsEndpointUrl"])
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
    yield Row(f"{what}, p95", "ms", _p95(ours), alternative, _p95(theirs))


def _raise_throttle(aws_url: str) -> None:
    """Raise the usage plan's limit, by default 50 requests a second: requests without a pause exceed it."""
    session: Any = boto3.Session("test", "test", region_name=REGION)
    gateway = session.client("apigateway", endpoint_url=aws_url)
    changes = [
        {"op": "replace", "path": f"/throttle/{limit}", "value": "100000"}
        for limit in ("rateLimit", "burstLimit")
    ]
    for plan in gateway.get_usage_plans()["items"]:
        gateway.update_usage_plan(usagePlanId=plan["id"], patchOperations=changes)


def _p95(series: Series) -> Series:
    """Return the 95th percentile of each EVENTS_PER_PERCENTILE values."""
    blocks = [
        series.values[start:][:EVENTS_PER_PERCENTILE]
        for start in range(0, len(series.values), EVENTS_PER_PERCENTILE)
    ]
    return Series(tuple(quantiles(block, n=20, method="inclusive")[-1] for block in blocks))
