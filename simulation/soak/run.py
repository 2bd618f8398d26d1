"""One soak: start ``make run``, send while faults and kills happen, wait for what is on its way, compare."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from random import Random

from simulation.chaos.quarantine import QuarantineServices
from simulation.soak.client import Client
from simulation.soak.comparison import compare
from simulation.soak.evidence import Evidence
from simulation.soak.injector import Injector
from simulation.soak.ledger import Ledger, merged
from simulation.soak.local_run import LocalRun
from simulation.soak.report import Result
from simulation.soak.scenario import Scenario, plan
from simulation.soak.traffic import schedule
from simulation.soak.usage import Usage

POLL_SECONDS = 0.2

Progress = Callable[[str], None]


def run(scenario: Scenario, *, home: Path, progress: Progress = lambda line: None) -> Result:
    """Run one soak in the empty folder ``home`` and return its result.

    ``progress`` gets a line about each step. Raises SoakError when the stack does not start, or not again.
    """
    random = Random(scenario.seed)  # noqa: S311 - makes a run repeatable, protects nothing
    local = LocalRun(home)
    try:
        progress("Starting make run")
        local.start()
        soak = _Soak(scenario, local, random, progress)
        soak.send()
        soak.settle()
    finally:
        exit_status = local.stop()
    return soak.result(exit_status)


class _Soak:
    """The traffic and the faults of one soak on a stack that runs."""

    def __init__(self, scenario: Scenario, local: LocalRun, random: Random, progress: Progress) -> None:
        self._scenario = scenario
        self._local = local
        self._progress = progress
        self._plan = plan(scenario, random)
        self._stop = threading.Event()
        requests = schedule(scenario, random, datetime.now(timezone.utc))
        self._requests = sum(map(len, requests))
        address = (local.stack["apiUrl"], local.stack["apiKey"])
        self._clients = [Client(each, *address, self._stop) for each in requests]
        self._usage = Usage(local.parts, time.monotonic)
        self._injector = Injector(local, random, self._usage.sample)
        self._evidence = Evidence()
        self._started = self._ended = time.monotonic()

    def send(self) -> None:
        """Send all requests, and do to the stack what is planned. Return when every client has finished."""
        self._started = time.monotonic()
        with ThreadPoolExecutor(len(self._clients)) as pool:
            runs = [pool.submit(client.run, self._started) for client in self._clients]
            try:
                for at_seconds, action in self._plan:
                    self._wait_for(at_seconds)
                    self._injector.perform(action)
                self._wait_for(self._scenario.seconds)
                self._usage.sample("the rest")
                self._injector.end_faults()
                self._wait_until(lambda: all(run.done() for run in runs))
            finally:
                self._stop.set()
        for run in runs:
            run.result()  # raises what a client has raised

    def settle(self) -> None:
        """Wait until everything that was accepted has arrived everywhere, or the time limit is over."""
        self._wait_until(self._complete)
        self._ended = self._elapsed()
        self._usage.sample("the end")

    def _complete(self) -> bool:
        local, evidence = self._local, self._evidence
        evidence.read_trained(lambda path: local.control("GET", path))
        evidence.read_archive(local.archive)
        stack = local.stack
        evidence.read_quarantine(
            QuarantineServices(stack["awsEndpointUrl"], stack["quarantineQueueUrl"], stack["bucket"])
        )
        accepted = {event_id for ledger in self._ledgers for event_id in ledger.accepted.values()}
        return (
            accepted <= evidence.archived.keys() == evidence.trained.keys()
            and evidence.quarantined >= set(self._injector.poison)
            and evidence.archived_poison >= len(self._injector.poison)
        )

    def _wait_for(self, at_seconds: float) -> None:
        self._wait_until(lambda: self._elapsed() >= at_seconds)

    def _wait_until(self, question: Callable[[], bool]) -> None:
        """Wait until the response is True, or the time limit of the whole soak is over."""
        limit_seconds = self._scenario.seconds + self._scenario.limit_seconds
        while not question() and self._elapsed() < limit_seconds:
            self._progress(self._line())
            time.sleep(POLL_SECONDS)

    def _line(self) -> str:
        ledgers = self._ledgers
        return (
            f"{sum(sum(ledger.responses.values()) for ledger in ledgers):,} attempts, "
            f"{sum(len(ledger.accepted) for ledger in ledgers):,} events accepted, "
            f"{sum(self._injector.kills.values())} kills, {self._elapsed():.0f} s"
        )

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    @property
    def _ledgers(self) -> list[Ledger]:
        return [client.ledger for client in self._clients]

    def result(self, exit_status: int) -> Result:
        """Return the result. ``exit_status`` is that of ``make run``."""
        injector = self._injector
        counts = compare(merged(self._ledgers), self._evidence, injector.poison)
        seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
        for timing in (timing for ledger in self._ledgers for timing in ledger.timings):
            label = self._scenario.label(self._scenario.phase_at(timing.at_seconds))
            seconds[label, timing.route].append(timing.seconds)
        return Result(
            requests=self._requests,
            counts=counts,
            kills=dict(injector.kills),
            outages=injector.outages,
            leftover=self._local.leftover,
            exit_status=exit_status,
            elapsed_seconds=self._ended,
            seconds=seconds,
            samples=self._usage.samples,
        )
