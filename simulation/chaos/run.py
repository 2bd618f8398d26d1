"""One run: fill the stream, let everything loose, wait until the stream is read, compare."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from local.personalize import CAMPAIGN_ARN, TRACKING_ID
from local.personalize.process import EngineProcess, running_engine
from simulation.chaos.books import Result, order_violations
from simulation.chaos.function import QUEUE_ERRORS
from simulation.chaos.quarantine import CREDENTIALS, QuarantineServices, create_quarantine
from simulation.chaos.sandbox import Fleet, Sandbox
from simulation.chaos.scenario import Scenario
from simulation.chaos.traffic import CURSED_ITEM, Ledger, fill
from simulation.event_source import EventSource, EventSourceMapping
from simulation.stream import Stream

POLL_SECONDS = 0.2
PAGE = 10_000
"""Events that the engine lists at once."""
KEPT_FROM_SURROUNDINGS = ("PATH", "PYTHONPATH", "HOME", "SYSTEMROOT", "VIRTUAL_ENV", "LANG")

# What each way to refuse a request is called in the books; the engine counts them by these names.
FAULT_NAMES = {
    "ThrottlingException": "throttled",
    "ServiceUnavailable": "answered 503",
    "reset": "connection reset",
    "markedInvalid": "refused as invalid",
}


def run(
    scenario: Scenario,
    *,
    emulator_url: str,
    home: Path,
    mapping: EventSourceMapping | None = None,
    report: Callable[[str], None] = lambda line: None,
    clock: Callable[[], float] = time.monotonic,
) -> Result:
    """Run one scenario with an engine and a queue of its own. ``home`` is an empty folder for their files.

    ``mapping`` replaces the one that fits the function's settings. ``report`` is told how far it is. Raises
    SandboxError when the function does not start.
    """
    random = Random(scenario.seed)  # noqa: S311 - a repeatable draw, guards nothing
    stream = Stream(scenario.shards, now=time.time, random=random)
    report("Filling the stream")
    ledger = fill(stream, scenario, random, time.time())
    quarantine = create_quarantine(emulator_url, f"quarantine-{uuid.uuid4().hex}")
    with running_engine(database=home / "events.sqlite", output=home / "engine.log") as engine:
        environment = _environment(scenario, engine.url, quarantine)
        fleet = Fleet(
            lambda: Sandbox(environment, home / "function.log"),
            kills=scenario.kills,
            hurries=scenario.hurries,
            timeout=scenario.timeout,
            random=random,
            clock=clock,
        )
        source = EventSource(stream, fleet, mapping or _mapping(scenario), now=time.time)
        stage = _Stage(scenario, stream, ledger, quarantine, fleet, source)
        started = clock()
        engine.set_faults(**_faults(scenario))
        try:
            _play(stage, lambda: clock() - started, report)
        finally:
            engine.set_faults()
        elapsed = clock() - started
        report("Comparing")
        return _compare(stage, engine, elapsed)


@dataclass(frozen=True)
class _Stage:
    """Everything that takes part in a run, but for the engine."""

    scenario: Scenario
    stream: Stream
    ledger: Ledger
    quarantine: QuarantineServices
    fleet: Fleet
    source: EventSource


def _mapping(scenario: Scenario) -> EventSourceMapping:
    return EventSourceMapping(
        batch_size=scenario.batch_size,
        report_batch_item_failures=scenario.report_batch_item_failures,
        bisect_batch_on_function_error=True,  # as in resources/one-stack.yaml
    )


def _faults(scenario: Scenario) -> dict[str, Any]:
    return {
        "seed": scenario.seed,
        "operations": ["PutEvents"],
        "throttleRate": scenario.throttle,
        "errorRate": scenario.errors,
        "resetRate": scenario.resets,
        "lostAnswerRate": scenario.lost_answers,
        "invalidItemIds": [CURSED_ITEM],
    }


def _play(stage: _Stage, elapsed: Callable[[], float], report: Callable[[str], None]) -> None:
    """Run the event source to its end, or to the limit: then something is held up, and the books show it."""
    source, fleet = stage.source, stage.fleet
    worker = threading.Thread(target=source.run, name="event source")
    worker.start()
    try:
        while worker.is_alive() and elapsed() < stage.scenario.limit and fleet.failure is None:
            worker.join(POLL_SECONDS)
            counts = source.counts
            report(
                f"{counts['finished']:,} of {len(stage.stream):,} records done, "
                f"{counts['invocations']:,} invocations, {fleet.kills:,} killed, {elapsed():.0f} s"
            )
    finally:
        source.stop()
        fleet.close()
        worker.join()
        fleet.reap()
    if fleet.failure is not None:
        raise fleet.failure


def _environment(scenario: Scenario, engine_url: str, quarantine: QuarantineServices) -> dict[str, str]:
    """The function's variables: those of docs/configuration.md, botocore's endpoints, and little else."""
    return {
        **{name: os.environ[name] for name in KEPT_FROM_SURROUNDINGS if name in os.environ},
        **CREDENTIALS,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ENDPOINT_URL_PERSONALIZE_EVENTS": engine_url,
        "AWS_ENDPOINT_URL_SQS": quarantine.endpoint_url,
        "AWS_ENDPOINT_URL_S3": quarantine.endpoint_url,
        "CAMPAIGN_ARN": CAMPAIGN_ARN,
        "TRACKING_ID": TRACKING_ID,
        "EVENT_STREAM_NAME": "chaos",
        "QUARANTINE_QUEUE_URL": quarantine.queue_url,
        "EVENTS_BUCKET_NAME": quarantine.bucket_name,
        "REPORT_BATCH_ITEM_FAILURES": str(scenario.report_batch_item_failures).lower(),
        QUEUE_ERRORS: str(scenario.queue_errors),
    }


def _compare(stage: _Stage, engine: EngineProcess, elapsed: float) -> Result:
    ledger, fleet, counts = stage.ledger, stage.fleet, stage.source.counts
    trained: dict[str, list[str]] = {}
    for session, event_id in _trained(engine):
        trained.setdefault(session, []).append(event_id)
    arrived = {event_id for ids in trained.values() for event_id in ids}
    expected = {event_id for ids in ledger.sessions.values() for event_id in ids}
    messages = [(message["shardId"], message["sequenceNumber"]) for message in stage.quarantine.messages()]
    quarantined = set(messages)
    stats = engine.control("GET", "/_engine/stats")
    refused = {name: stats["faults"].get(key, 0) for key, name in FAULT_NAMES.items()}
    return Result(
        label=stage.scenario.label,
        accepted=ledger.accepted,
        echoes=ledger.echoes,
        poison=len(ledger.poison),
        trained=len(arrived),
        lost=len(expected - arrived) + len(ledger.poison.keys() - quarantined),
        strangers=len(arrived - expected),
        violations=sum(
            order_violations(list(ids), trained.get(session, [])) for session, ids in ledger.sessions.items()
        ),
        quarantined=len(quarantined),
        wrongly_quarantined=len(quarantined - ledger.poison.keys()),
        messages=len(messages),
        discarded=counts["discarded"],
        invocations=counts["invocations"],
        failures=counts["failures"],
        redelivered=counts["redelivered"],
        kills=fleet.kills,
        errors=dict(fleet.errors),
        requests={"taken": stats["putEventsCalls"], **refused},
        fewest=ledger.fewest_calls(stage.stream, stage.scenario.batch_size),
        elapsed=elapsed,
    )


def _trained(engine: EngineProcess) -> Iterator[tuple[str, str]]:
    """Session and event id of everything that the engine was trained on, in order of arrival."""
    last = 0
    while True:
        page = engine.control("GET", f"/_engine/events?after={last}&limit={PAGE}")
        if not page["events"]:
            return
        last = page["last"]
        yield from ((event["sessionId"], event["eventId"]) for event in page["events"])
