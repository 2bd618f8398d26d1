"""One run: fill the stream, deliver it under faults until it is read to its end, and compare."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from local.personalize import CAMPAIGN_ARN, TRACKING_ID
from local.personalize.process import EngineProcess, running_engine
from simulation.chaos.function import QUEUE_ERRORS
from simulation.chaos.quarantine import CREDENTIALS, QuarantineServices, create_quarantine
from simulation.chaos.report import Result, order_violations
from simulation.chaos.sandbox import FunctionPool, Sandbox
from simulation.chaos.scenario import Scenario
from simulation.chaos.traffic import FAILING_ITEM, Expectation, actions_of, fill
from simulation.event_source import EventSource
from simulation.mapping import EventSourceMapping
from simulation.stream import Stream
from simulation.trained import trained_actions, trained_events

POLL_SECONDS = 0.2
INHERITED_VARIABLES = ("PATH", "PYTHONPATH", "HOME", "SYSTEMROOT", "VIRTUAL_ENV", "LANG")

FAULT_NAMES = {
    "ThrottlingException": "throttled",
    "ServiceUnavailable": "failed with 503",
    "reset": "connection reset",
    "markedInvalid": "refused as invalid",
}
"""The engine's name of each fault that refuses a request, and its name in the report."""


def run(
    scenario: Scenario,
    *,
    emulator_url: str,
    folder: Path,
    mapping: EventSourceMapping | None = None,
    progress: Callable[[str], None] = lambda line: None,
    clock: Callable[[], float] = time.monotonic,
) -> Result:
    """Run one scenario with an engine and a queue of its own and return its result.

    ``folder`` is an empty folder for their files. ``mapping`` replaces the event source mapping that fits
    the function's settings. ``progress`` gets a line about each step. Raise SandboxError when the function
    does not start.
    """
    random = Random(scenario.seed)  # noqa: S311 - makes a run repeatable, protects nothing
    stream = Stream(scenario.shards, now=time.time, random=random)
    progress("Filling the stream")
    expectation = fill(stream, scenario, random, time.time())
    quarantine = create_quarantine(emulator_url, f"quarantine-{uuid.uuid4().hex}")
    with running_engine(database=folder / "events.sqlite", output=folder / "engine.log") as engine:
        environment = _environment(scenario, engine.url, quarantine)
        pool = FunctionPool(
            lambda: Sandbox(environment, folder / "function.log"),
            kills=scenario.kills,
            short_timeouts=scenario.short_timeouts,
            timeout_seconds=scenario.timeout_seconds,
            random=random,
            clock=clock,
        )
        source = EventSource(stream, pool, mapping or _mapping(scenario), now=time.time)
        parts = _Parts(scenario, stream, expectation, quarantine, pool, source)
        started = clock()
        engine.set_faults(**_faults(scenario))
        try:
            _deliver(parts, lambda: clock() - started, progress)
        finally:
            engine.set_faults()
        elapsed_seconds = clock() - started
        progress("Comparing")
        return _compare(parts, engine, elapsed_seconds)


@dataclass(frozen=True)
class _Parts:
    """The parts of a run, without the engine."""

    scenario: Scenario
    stream: Stream
    expectation: Expectation
    quarantine: QuarantineServices
    pool: FunctionPool
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
        "operations": ["PutEvents", "PutActionInteractions"],
        "latencyMs": scenario.latency_ms,
        "throttleRate": scenario.throttle,
        "errorRate": scenario.errors,
        "resetRate": scenario.resets,
        "lostAnswerRate": scenario.lost_responses,
        "invalidItemIds": [FAILING_ITEM],
    }


def _deliver(parts: _Parts, elapsed: Callable[[], float], progress: Callable[[str], None]) -> None:
    """Run the event source until the stream is read or the time limit is over.

    After the time limit, what was not delivered appears as lost in the report.
    """
    source, pool = parts.source, parts.pool
    worker = threading.Thread(target=source.run, name="event source")
    worker.start()
    try:
        while worker.is_alive() and elapsed() < parts.scenario.limit_seconds and pool.failure is None:
            worker.join(POLL_SECONDS)
            counts = source.counts
            progress(
                f"{counts['finished']:,} of {len(parts.stream):,} records done, "
                f"{counts['invocations']:,} invocations, {pool.kills:,} killed, {elapsed():.0f} s"
            )
    finally:
        source.stop()
        pool.close()
        worker.join()
        pool.wait()
    if pool.failure is not None:
        raise pool.failure


def _environment(scenario: Scenario, engine_url: str, quarantine: QuarantineServices) -> dict[str, str]:
    """Return the function's variables: those of docs/configuration.md, botocore's endpoints, a few others."""
    return {
        **{name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ},
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


def _compare(parts: _Parts, engine: EngineProcess, elapsed_seconds: float) -> Result:
    expectation, pool, counts = parts.expectation, parts.pool, parts.source.counts
    trained: dict[str, list[str]] = {}
    for event in trained_events(lambda path: engine.control("GET", path)):
        trained.setdefault(event["sessionId"], []).append(event["eventId"])
    for event in trained_actions(lambda path: engine.control("GET", path)):
        trained.setdefault(actions_of(event["sessionId"]), []).append(event["eventId"])
    arrived = {event_id for ids in trained.values() for event_id in ids}
    expected = {event_id for ids in expectation.sessions.values() for event_id in ids}
    messages = [
        (message["shardId"], message["sequenceNumber"], message.get("index"))
        for message in parts.quarantine.messages()
    ]
    quarantined = set(messages)
    stats = engine.control("GET", "/_engine/stats")
    refused = {name: stats["faults"].get(key, 0) for key, name in FAULT_NAMES.items()}
    return Result(
        label=parts.scenario.label,
        accepted=expectation.accepted,
        duplicates=expectation.duplicates,
        aggregated=expectation.aggregated,
        poison=len(expectation.poison),
        trained=len(arrived),
        lost=len(expected - arrived) + len(expectation.poison.keys() - quarantined),
        unexpected=len(arrived - expected),
        violations=sum(
            order_violations(list(ids), trained.get(session, []))
            for session, ids in expectation.sessions.items()
        ),
        quarantined=len(quarantined),
        wrongly_quarantined=len(quarantined - expectation.poison.keys()),
        messages=len(messages),
        discarded=counts["discarded"],
        invocations=counts["invocations"],
        failures=counts["failures"],
        redelivered=counts["redelivered"],
        kills=pool.kills,
        errors=dict(pool.errors),
        requests={"processed": stats["putEventsCalls"] + stats["putActionInteractionsCalls"], **refused},
        fewest_calls=expectation.fewest_calls(parts.stream, parts.scenario.batch_size),
        elapsed_seconds=elapsed_seconds,
    )
