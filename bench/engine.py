"""The local Personalize engine by its number of interactions: how fast it responds, learns and starts."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from bench import scratch
from bench.change import TIMEOUT_SECONDS, EngineUsers, User
from bench.interactions import FILTERS, SEED, user_ids, write_catalogue, write_interactions
from bench.measure import Row, take_turns
from local.personalize import CAMPAIGN_ARN, FILTER_ARN_PREFIX
from local.personalize.background import pause_after
from local.personalize.process import EngineProcess, running_engine
from ops.packaging.bundle import ROOT

SIZES = (100, 10_000, 1_000_000)
STARTS = 3
ROUNDS = 5
CONNECTIONS = 4
CALLS = 1000
"""Calls of a round, over all connections together."""


def rows() -> Iterator[Row]:
    """Yield the rows about the engine."""
    with TemporaryDirectory() as folder:
        for size in SIZES:
            data, ids = Path(folder) / str(size), user_ids(size)
            what = f"engine, {size:,} interactions"
            write_interactions(data, size)
            write_catalogue(data, size)
            with running_engine(data=data, database=data / "events.sqlite") as engine:
                yield _response_row(what, engine, ids)
                yield from _filter_rows(what, engine, ids)
                yield from _learning_rows(what, LearningEngine(engine, ids), data)
        yield _start_row(what, data)


def _response_row(what: str, engine: EngineProcess, ids: Sequence[str]) -> Row:
    """Return the row beside a route of the same server that recommends nothing, which leaves only HTTP."""
    drawn = random.Random(SEED).choices(ids, k=CALLS)
    bodies = [json.dumps({"campaignArn": CAMPAIGN_ARN, "userId": user_id}).encode() for user_id in drawn]
    contenders = {
        "recommendations": lambda: _calls_a_second(engine, "POST", "/recommendations", bodies),
        "health": lambda: _calls_a_second(engine, "GET", "/_engine/health", [None] * CALLS),
    }
    series = take_turns(contenders, ROUNDS)
    alternative = "GET /_engine/health of the same server"
    return Row(f"{what}: recommendations", "/s", series["recommendations"], alternative, series["health"])


def _filter_rows(what: str, engine: EngineProcess, ids: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of filters with one condition, beside the same requests without a filter."""
    drawn = random.Random(SEED).choices(ids, k=CALLS)
    plain = [{"campaignArn": CAMPAIGN_ARN, "userId": user_id} for user_id in drawn]
    for name in FILTERS:
        filtered = [body | {"filterArn": FILTER_ARN_PREFIX + name} for body in plain]
        contenders = {
            kind: partial(
                _calls_a_second,
                engine,
                "POST",
                "/recommendations",
                [json.dumps(body).encode() for body in bodies],
            )
            for kind, bodies in (("filtered", filtered), ("plain", plain))
        }
        series = take_turns(contenders, ROUNDS)
        yield Row(f"{what}: filter {name}", "/s", series["filtered"], "without a filter", series["plain"])


def _calls_a_second(engine: EngineProcess, method: str, path: str, bodies: Sequence[bytes | None]) -> float:
    """Return calls a second over kept connections, each with one call at a time."""

    def call(part: Sequence[bytes | None]) -> None:
        connection = HTTPConnection(urlsplit(engine.url).netloc, timeout=TIMEOUT_SECONDS)
        for body in part:
            connection.request(method, path, body)
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                raise RuntimeError(f"{method} {path} returned status {response.status}.")
        connection.close()

    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(call, (bodies[first::CONNECTIONS] for first in range(CONNECTIONS))))
    return len(bodies) / (time.perf_counter() - started)


def _learning_rows(what: str, learning: LearningEngine, data: Path) -> Iterator[Row]:
    """Yield the rows beside one fit of all interactions, the fastest way to learn without a kept state."""
    users, items = scratch.read(data)

    def fit_from_scratch() -> float:
        learning.finish()
        started = time.perf_counter()
        scratch.fit(users, items)
        return time.perf_counter() - started

    contenders = {
        "event to its user's list": learning.seconds_to_list,
        "event to the model": learning.seconds_to_model,
        "event to the model, right after another": learning.seconds_to_model_again,
    }
    alternative = "plain implicit, one fit"
    series = take_turns({**contenders, alternative: fit_from_scratch}, ROUNDS)
    for name in contenders:
        ours, theirs = series[name].scaled(1000), series[alternative].scaled(1000)
        yield Row(f"{what}: {name}", "ms", ours, alternative, theirs)


class LearningEngine:
    """An engine that gets one event after another, each of a random user."""

    def __init__(self, engine: EngineProcess, ids: Sequence[str]) -> None:
        self._engine = engine
        self._ids = ids
        self._random = random.Random(SEED)
        self._users = EngineUsers(engine.url)

    def seconds_to_list(self) -> float:
        """Return the seconds from an event to other recommendations for its user."""
        self._wait_for_pause()
        return self._random_user().seconds_to_change()

    def seconds_to_model(self) -> float:
        """Return the seconds from an event until the model is fitted with it, when nothing else happens."""
        self._wait_for_pause()
        return self._learn()

    def seconds_to_model_again(self) -> float:
        """Return the same for an event right after another, which waits for the pause between two fits."""
        self._wait_for_pause()
        self._learn()
        return self._learn()

    def finish(self) -> dict[str, Any]:
        """Wait until the model is fitted with every event, and return the engine's counts."""
        started = time.monotonic()
        while (waited := time.monotonic() - started) < TIMEOUT_SECONDS:
            stats: dict[str, Any] = self._engine.control("GET", "/_engine/stats")
            if stats["modelInteractions"] == stats["interactions"]:
                return stats
            # Requests without a pause would slow the fit down. The result is late by a fiftieth at most.
            time.sleep(waited / 50)
        raise TimeoutError(f"The engine did not fit its model within {TIMEOUT_SECONDS} s.")

    def _random_user(self) -> User:
        return self._users.user(self._random.choice(self._ids))

    def _learn(self) -> float:
        user = self._random_user()
        item = user.recommend()[0]
        started = time.perf_counter()
        user.send(item)
        self.finish()
        return time.perf_counter() - started

    def _wait_for_pause(self) -> None:
        # No count of the engine shows the pause after a fit, so there is nothing to poll.
        time.sleep(pause_after(self.finish()["lastRefitSeconds"]))


def _start_row(what: str, data: Path) -> Row:
    """Return the row beside a program that reads the same file and fits once."""
    alternative = "csv and plain implicit, one fit"
    contenders = {"engine": lambda: _engine_start(data), alternative: lambda: _scratch_run(data)}
    series = take_turns(contenders, STARTS)
    return Row(f"{what}: start", "s", series["engine"], alternative, series[alternative])


def _engine_start(data: Path) -> float:
    started = time.perf_counter()
    with running_engine(data=data, database=data / "events.sqlite"):
        return time.perf_counter() - started


def _scratch_run(data: Path) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "bench.scratch", str(data)], cwd=ROOT, check=True)
    return time.perf_counter() - started
