"""The local Personalize engine, by the number of its interactions: how fast it answers, learns and starts."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from bench import scratch
from bench.change import TIMEOUT_SECONDS, EngineReaders, Reader
from bench.interactions import SEED, user_ids, write_interactions
from bench.measure import Row, take_turns
from local.personalize import CAMPAIGN_ARN
from local.personalize.background import pause_after
from local.personalize.process import EngineProcess, running_engine
from ops.packaging.bundle import ROOT

SIZES = (100, 10_000, 1_000_000)
STARTS = 3
ROUNDS = 5
CONNECTIONS = 4
CALLS = 1000
"""Of a round, over all connections together."""


def rows() -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        for size in SIZES:
            data, users = Path(folder) / str(size), user_ids(size)
            what = f"engine, {size:,} interactions"
            write_interactions(data, size)
            with running_engine(data=data, database=data / "events.sqlite") as engine:
                yield _answer_row(what, engine, users)
                yield from _learning_rows(what, Pupil(engine, users), data)
        yield _start_row(what, data)


def _answer_row(what: str, engine: EngineProcess, users: Sequence[str]) -> Row:
    """Against the same server with nothing to recommend: what is left is HTTP."""
    asked = random.Random(SEED).choices(users, k=CALLS)
    bodies = [json.dumps({"campaignArn": CAMPAIGN_ARN, "userId": user}).encode() for user in asked]
    contenders = {
        "recommendations": lambda: _calls_a_second(engine, "POST", "/recommendations", bodies),
        "health": lambda: _calls_a_second(engine, "GET", "/_engine/health", [None] * CALLS),
    }
    series = take_turns(contenders, ROUNDS)
    alternative = "GET /_engine/health of the same server"
    return Row(f"{what}: recommendations", "/s", series["recommendations"], alternative, series["health"])


def _calls_a_second(engine: EngineProcess, method: str, path: str, bodies: Sequence[bytes | None]) -> float:
    """Over connections that are kept, each with one call at a time."""

    def call(share: Sequence[bytes | None]) -> None:
        connection = HTTPConnection(urlsplit(engine.url).netloc, timeout=TIMEOUT_SECONDS)
        for body in share:
            connection.request(method, path, body)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{method} {path}: {answer.status}")
        connection.close()

    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(call, (bodies[first::CONNECTIONS] for first in range(CONNECTIONS))))
    return len(bodies) / (time.perf_counter() - started)


def _learning_rows(what: str, pupil: Pupil, data: Path) -> Iterator[Row]:
    """Against one fit of all there is: the soonest that a program could know which learns in no other way."""
    users, items = scratch.read(data)

    def fit_from_scratch() -> float:
        pupil.finish()
        started = time.perf_counter()
        scratch.fit(users, items)
        return time.perf_counter() - started

    contenders = {
        "event to its user's list": pupil.seconds_to_list,
        "event to the model": pupil.seconds_to_model,
        "event to the model, right after another": pupil.seconds_to_model_again,
    }
    alternative = "plain implicit, one fit"
    series = take_turns({**contenders, alternative: fit_from_scratch}, ROUNDS)
    for name in contenders:
        ours, theirs = series[name].scaled(1000), series[alternative].scaled(1000)
        yield Row(f"{what}: {name}", "ms", ours, alternative, theirs)


class Pupil:
    """An engine that is told something new again and again, by one of its users at a time."""

    def __init__(self, engine: EngineProcess, users: Sequence[str]) -> None:
        self._engine = engine
        self._users = users
        self._drawn = random.Random(SEED)
        self._readers = EngineReaders(engine.url)

    def seconds_to_list(self) -> float:
        """From an event until its user's recommendations are others."""
        self._rest()
        return self._someone().seconds_to_change()

    def seconds_to_model(self) -> float:
        """From an event until the model was fitted with it: what it takes when nothing else happens."""
        self._rest()
        return self._learn()

    def seconds_to_model_again(self) -> float:
        """The same for the next event at once, which waits for the pause between two fits: the longest."""
        self._rest()
        self._learn()
        return self._learn()

    def finish(self) -> dict[str, Any]:
        """Wait until the model was fitted with all that the engine was told, and return its counts."""
        started = time.monotonic()
        while (waited := time.monotonic() - started) < TIMEOUT_SECONDS:
            stats: dict[str, Any] = self._engine.control("GET", "/_engine/stats")
            if stats["modelInteractions"] == stats["interactions"]:
                return stats
            # Asked without a pause, it would have less time for the fit; so it is late by a fiftieth at most.
            time.sleep(waited / 50)
        raise TimeoutError(f"the engine did not fit its model within {TIMEOUT_SECONDS} s")

    def _someone(self) -> Reader:
        return self._readers.reader(self._drawn.choice(self._users))

    def _learn(self) -> float:
        reader = self._someone()
        item = reader.ask()[0]
        started = time.perf_counter()
        reader.tell(item)
        self.finish()
        return time.perf_counter() - started

    def _rest(self) -> None:
        # The pause after a fit shows in no count, so there is nothing to poll.
        time.sleep(pause_after(self.finish()["lastRefitSeconds"]))


def _start_row(what: str, data: Path) -> Row:
    """Against a program that reads the same file and fits once."""
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
