"""The price of a load in US dollars a month, by item. docs/deploy.md has the sums."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ops.capacity.batches import Delivery
from ops.capacity.load import RECOMMENDATION_SECONDS, Load, deployed_memory_mb

HOURS_PER_MONTH = 730
MILLION_SECONDS = HOURS_PER_MONTH * 3600 / 1e6
"""Seconds of a month, in millions: what happens once a second happens 2.628 million times a month."""


@dataclass(frozen=True)
class Prices:
    """List prices of us-east-1 in US dollars as known in 2025, from memory.

    A GB is 10⁹ bytes.
    """

    gateway_million: float = 3.50
    lambda_million: float = 0.20
    lambda_gb_second: float = 0.0000133334
    log_gb: float = 0.50
    on_demand_hour: float = 0.04
    on_demand_gb_in: float = 0.08
    on_demand_gb_out: float = 0.04
    on_demand_gb_month: float = 0.10
    shard_hour: float = 0.015
    shard_retention_hour: float = 0.020
    shard_million_puts: float = 0.014
    firehose_gb: float = 0.029
    s3_gb_month: float = 0.023
    personalize_gb: float = 0.05
    personalize_thousand: float = 0.0556
    alarms_metrics_key: float = 1.70 + 4.80 + 1.00

    def million_invocations(self, seconds: float, memory_mb: int) -> float:
        """Return the price of a million invocations of ``seconds`` each, on arm64: requests and time."""
        return self.lambda_million + 1e6 * seconds * memory_mb / 1024 * self.lambda_gb_second


def monthly_price(delivery: Delivery, prices: Prices) -> dict[str, float]:
    """Return US dollars a month by item."""
    load = delivery.load
    millions = load.events_per_second * MILLION_SECONDS
    requests = load.events_per_second / load.events_per_request * MILLION_SECONDS
    recommendations = load.recommendations_per_second * MILLION_SECONDS
    batches = delivery.batches_per_second * MILLION_SECONDS
    gb = millions * load.record_bytes / 1000
    api_mb = deployed_memory_mb("api_handler")

    def function(calls: float, seconds: float, memory_mb: int) -> float:
        # Each invocation writes one log line of 0.4 KB.
        return calls * (prices.million_invocations(seconds, memory_mb) + 0.4 * prices.log_gb)

    return {
        "API Gateway": (requests + recommendations) * prices.gateway_million,
        "API function": function(requests, load.history_seconds, api_mb)
        + function(recommendations, RECOMMENDATION_SECONDS, api_mb),
        "Kinesis": _stream_price(load, millions, gb, prices),
        "delivery function": function(batches, delivery.invocation_seconds, load.memory_mb),
        # Records are rounded up to 5 KB.
        "Firehose and S3": millions * math.ceil(load.record_bytes / 5000) * 5 * prices.firehose_gb
        + gb / 5 * prices.s3_gb_month,
        "alarms, metrics, key": prices.alarms_metrics_key,
        "Personalize, events": gb * prices.personalize_gb,
        "Personalize, campaign": max(recommendations, MILLION_SECONDS) * 1000 * prices.personalize_thousand,
    }


def _stream_price(load: Load, millions: float, gb: float, prices: Prices) -> float:
    """Return the price of the stream for two consumers and 72 hours of retention.

    On demand, each record is rounded up to 1 KB. With shards, a put is billed for each 25 KB of a record.
    """
    if load.shards:
        hourly = prices.shard_hour + prices.shard_retention_hour
        puts = millions * math.ceil(load.record_bytes / 25_000) * prices.shard_million_puts
        return load.shards * hourly * HOURS_PER_MONTH + puts
    gb_in = millions * math.ceil(load.record_bytes / 1000)
    kept = gb_in * 2 / 30 * prices.on_demand_gb_month
    hours = HOURS_PER_MONTH * prices.on_demand_hour
    return hours + gb_in * prices.on_demand_gb_in + 2 * gb * prices.on_demand_gb_out + kept
