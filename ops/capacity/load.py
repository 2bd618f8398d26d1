"""What comes in, the settings that it meets, and how a command line describes both."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from chalicelib.delivery.kinesis import MAX_PAYLOAD_BYTES, RECORD_OVERHEAD_BYTES
from chalicelib.records.events import MAX_EVENT_BYTES

MB_OF_ONE_CPU = 1769
"""Memory with which Lambda gives a function one whole CPU.

Below it the processor time is in proportion (docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
"""
SHARD_RECORDS = 1000
SHARD_BYTES = 1_000_000
"""Into one shard a second (docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html)."""
ON_DEMAND_SHARDS = 4
ON_DEMAND_HEADROOM = 2
"""A new on-demand stream takes 4 MB/s, later twice the peak of the last 30 days (the same page)."""
MAX_BATCH_SIZE = 10_000
MAX_PARALLELIZATION = 10
WINDOWS = (2, 5, 10, 30, 60, 120, 300)
"""Batching windows worth trying; 300 s is Lambda's longest."""
RECOMMENDATION_SECONDS = 0.030
"""What the API function takes for one list of recommendations."""

CHALICE = json.loads((Path(__file__).resolve().parents[2] / ".chalice" / "config.json").read_text())


def deployed_memory(function: str) -> int:
    """MB that .chalice/config.json gives to ``function``, under Chalice's own name for it."""
    memory: int = CHALICE["lambda_functions"][function]["lambda_memory_size"]
    return memory


def cpu_share(memory_mb: int) -> float:
    """Return how many CPUs Lambda gives to a function with this memory."""
    return memory_mb / MB_OF_ONE_CPU


def _option(default: float, low: float, high: float, meaning: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "meaning": meaning})


@dataclass(frozen=True)
class Load:
    """What comes in, and the settings that it meets. The defaults are what the project deploys.

    ValueError, with a sentence that names the option, for a value out of its range.
    """

    events_per_second: float = _option(1000.0, 0.01, 1_000_000, "events accepted a second, at the peak")
    recommendations_per_second: float = _option(0.0, 0, 1_000_000, "recommendations asked for a second")
    record_bytes: int = _option(500, 100, MAX_EVENT_BYTES, "size of one stream record")
    seconds_between_events: float = _option(
        10.0, 0.1, 3600, "from one event of an active session to its next"
    )
    events_per_request: float = _option(1.0, 1, 500, "events that a client sends in one request")
    shards: int = _option(0, 0, 20_000, "ShardCount; 0 for on demand")
    parallelization_factor: int = _option(1, 1, MAX_PARALLELIZATION, "batches of a shard at once")
    batch_size: int = _option(1000, 1, MAX_BATCH_SIZE, "most records of a batch")
    window_seconds: float = _option(1.0, 1, max(WINDOWS), "time in which Lambda gathers a batch")
    memory_mb: int = _option(
        deployed_memory("deliver_events"),
        128,
        10_240,
        "memory of deliver_events, and processor with it",
    )
    put_events_ms: float = _option(20.0, 0.1, 3000, "what Personalize takes for one PutEvents")
    # Measured on 2026-11-25 by `python -m bench delivery`.
    cpu_ms_per_call: float = _option(0.95, 0, 100, "our processor time for one PutEvents, on a whole vCPU")
    cpu_ms_per_event: float = _option(0.03, 0, 100, "our processor time to read and plan one event")
    put_events_quota: float = _option(1000.0, 1, 1_000_000, "PutEvents calls a second of the dataset group")
    throttle_rate_limit: float = _option(
        50.0, 1, 1_000_000, "ThrottleRateLimit: requests a second of the API key"
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            value, low, high = getattr(self, each.name), each.metadata["low"], each.metadata["high"]
            if not low <= value <= high:  # so that nan is refused too
                raise ValueError(f"{option(each.name)} has to be from {low:,} to {high:,}, and is {value:,}.")

    @property
    def sessions(self) -> float:
        """Sessions active at a time."""
        return max(1.0, self.events_per_second * self.seconds_between_events)

    @property
    def requests_per_second(self) -> float:
        return self.events_per_second / self.events_per_request + self.recommendations_per_second

    @property
    def history_seconds(self) -> float:
        """The API function takes 20 ms for a request with one event and 60 ms for one with a hundred."""
        return 0.020 + 0.040 * (self.events_per_request - 1) / 99

    @property
    def shards_needed(self) -> int:
        """By records or by bytes, whichever is more."""
        records, size = self.events_per_second, self.events_per_second * self.record_bytes
        return max(1, math.ceil(records / SHARD_RECORDS), math.ceil(size / SHARD_BYTES))

    @property
    def shards_open(self) -> int:
        """ShardCount; on demand what the stream has once it has seen this peak."""
        return self.shards or max(ON_DEMAND_SHARDS, ON_DEMAND_HEADROOM * self.shards_needed)

    @property
    def lanes(self) -> int:
        """Batches that can be under way at once."""
        return self.shards_open * self.parallelization_factor

    @property
    def vcpu(self) -> float:
        """The share of a processor that the function has; more than one is of no use to one Python."""
        return min(1.0, cpu_share(self.memory_mb))

    @property
    def call_cpu_seconds(self) -> float:
        """Of the one processor that an invocation's calls share, on a function of this memory."""
        return self.cpu_ms_per_call / 1000 / self.vcpu

    @property
    def event_cpu_seconds(self) -> float:
        return self.cpu_ms_per_event / 1000 / self.vcpu

    @property
    def largest_batch(self) -> int:
        """BatchSize, or fewer records where Lambda's payload is full first: their data travel as base64."""
        size = RECORD_OVERHEAD_BYTES + math.ceil(self.record_bytes / 3) * 4
        return min(self.batch_size, MAX_PAYLOAD_BYTES // size)


def option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def load_of(arguments: Sequence[str] | None, module: str) -> Load:
    """The load that the command line describes. Ends with a sentence where it describes none."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", usage="%(prog)s [--OPTION N] ...")
    for each in fields(Load):
        default: float = each.default  # type: ignore[assignment]
        meaning = f"{each.metadata['meaning']} (%(default)s)"
        parser.add_argument(option(each.name), type=type(default), default=default, metavar="N", help=meaning)
    try:
        return Load(**vars(parser.parse_args(arguments)))
    except ValueError as error:
        parser.error(str(error))
