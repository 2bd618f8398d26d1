"""What comes in, and the settings that it meets."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from chalicelib.delivery.kinesis import MAX_PAYLOAD_BYTES, RECORD_OVERHEAD_BYTES
from chalicelib.records import MAX_ENTRY_BYTES

MB_OF_ONE_CPU = 1769
"""Memory with which Lambda gives a function one whole CPU.

Below it the processor time is in proportion (docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
"""
SHARD_RECORDS_PER_SECOND = 1000
SHARD_BYTES_PER_SECOND = 1_000_000
"""Most that one shard takes (docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html)."""
ON_DEMAND_SHARDS = 4
ON_DEMAND_HEADROOM = 2
"""A new on-demand stream takes 4 MB/s, later twice the peak of the last 30 days (the same page)."""
MAX_BATCH_SIZE = 10_000
MAX_PARALLELIZATION = 10
WINDOWS_SECONDS = (2, 5, 10, 30, 60, 120, 300)
"""Batching windows to try. Lambda's longest is 300 s."""
RECOMMENDATION_SECONDS = 0.030
"""Time of the API function for one list of recommendations."""

CHALICE = json.loads((Path(__file__).resolve().parents[2] / ".chalice" / "config.json").read_text())


def deployed_memory_mb(function: str) -> int:
    """Return the memory of ``function`` in .chalice/config.json, in MB. The name is Chalice's own."""
    memory_mb: int = CHALICE["lambda_functions"][function]["lambda_memory_size"]
    return memory_mb


def cpu_share(memory_mb: int) -> float:
    """Return how many CPUs Lambda gives to a function with this memory."""
    return memory_mb / MB_OF_ONE_CPU


def option_name(field_name: str) -> str:
    """Return the option of the command line for a field of Load."""
    return f"--{field_name.replace('_', '-')}"


def _option(default: float, low: float, high: float, meaning: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "meaning": meaning})


@dataclass(frozen=True)
class Load:
    """What comes in, and the settings that it meets. The defaults are what the project deploys.

    Raise ValueError, with a message that names the option, for a value out of its range.
    """

    events_per_second: float = _option(1000.0, 0.01, 1_000_000, "accepted events a second, at the peak")
    recommendations_per_second: float = _option(0.0, 0, 1_000_000, "requested recommendations a second")
    record_bytes: int = _option(500, 100, MAX_ENTRY_BYTES, "bytes of one stream record")
    seconds_between_events: float = _option(
        10.0, 0.1, 3600, "seconds from one event of an active session to its next event"
    )
    events_per_request: float = _option(1.0, 1, 500, "events that a client sends in one request")
    shards: int = _option(0, 0, 20_000, "ShardCount; 0 for on demand")
    parallelization_factor: int = _option(1, 1, MAX_PARALLELIZATION, "batches of a shard at once")
    batch_size: int = _option(1000, 1, MAX_BATCH_SIZE, "most records of a batch")
    window_seconds: float = _option(1.0, 1, max(WINDOWS_SECONDS), "seconds in which Lambda gathers a batch")
    memory_mb: int = _option(
        deployed_memory_mb("deliver_events"),
        128,
        10_240,
        "MB of deliver_events, which set its processor time",
    )
    put_events_ms: float = _option(20.0, 0.1, 3000, "milliseconds of Personalize for one PutEvents call")
    # Measured on 2026-11-25 by `python -m bench delivery`.
    cpu_ms_per_call: float = _option(
        0.95, 0, 100, "our milliseconds of processor time for one PutEvents call, on a whole CPU"
    )
    cpu_ms_per_event: float = _option(
        0.03, 0, 100, "our milliseconds of processor time to read and plan one event, on a whole CPU"
    )
    put_events_quota: float = _option(1000.0, 1, 1_000_000, "PutEvents calls a second of the dataset group")
    throttle_rate_limit: float = _option(
        50.0, 1, 1_000_000, "ThrottleRateLimit: requests a second of the main API key"
    )
    max_events_per_request: int = _option(
        500, 1, 500, "MaxEventsPerRequest: the most events that one request may carry"
    )
    max_requests_per_page: int = _option(
        10, 1, 10, "MaxRequestsPerPage: the most requests for recommendations that one page may carry"
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            value, low, high = getattr(self, each.name), each.metadata["low"], each.metadata["high"]
            if not low <= value <= high:  # also true for nan
                raise ValueError(
                    f"{option_name(each.name)} must be from {low:,} to {high:,}, and is {value:,}."
                )

    @property
    def sessions(self) -> float:
        """Sessions that are active at the same time."""
        return max(1.0, self.events_per_second * self.seconds_between_events)

    @property
    def requests_per_second(self) -> float:
        """Requests to the API, for events and for recommendations."""
        return self.events_per_second / self.events_per_request + self.recommendations_per_second

    @property
    def history_seconds(self) -> float:
        """Time of the API function for a request: 20 ms with one event, 60 ms with a hundred."""
        return 0.020 + 0.040 * (self.events_per_request - 1) / 99

    @property
    def shards_needed(self) -> int:
        """Shards for the records or for the bytes, whichever number is larger."""
        bytes_per_second = self.events_per_second * self.record_bytes
        return max(
            1,
            math.ceil(self.events_per_second / SHARD_RECORDS_PER_SECOND),
            math.ceil(bytes_per_second / SHARD_BYTES_PER_SECOND),
        )

    @property
    def shards_open(self) -> int:
        """ShardCount. On demand: the shards of the stream after it has had this peak."""
        return self.shards or max(ON_DEMAND_SHARDS, ON_DEMAND_HEADROOM * self.shards_needed)

    @property
    def shard_readers(self) -> int:
        """Readers of all shards together. Each sends one batch at a time."""
        return self.shards_open * self.parallelization_factor

    @property
    def vcpu(self) -> float:
        """The share of a processor that the function can use: a Python process uses one at most."""
        return min(1.0, cpu_share(self.memory_mb))

    @property
    def call_cpu_seconds(self) -> float:
        """Processor time of one call with this memory. All calls of an invocation share one processor."""
        return self.cpu_ms_per_call / 1000 / self.vcpu

    @property
    def event_cpu_seconds(self) -> float:
        """Processor time to read and plan one event with this memory."""
        return self.cpu_ms_per_event / 1000 / self.vcpu

    @property
    def largest_batch(self) -> int:
        """Most records of a batch: BatchSize, or fewer where Lambda's payload holds fewer in base64."""
        size_bytes = RECORD_OVERHEAD_BYTES + math.ceil(self.record_bytes / 3) * 4
        return min(self.batch_size, MAX_PAYLOAD_BYTES // size_bytes)
