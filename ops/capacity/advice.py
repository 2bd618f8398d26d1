"""The limits of AWS that a load can exceed, and for each a sentence that says what to do."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from chalicelib.records.events import MAX_ENTRIES_PER_CALL
from ops.capacity.batches import Delivery, delivery_of
from ops.capacity.load import (
    MAX_BATCH_SIZE,
    MAX_PARALLELIZATION,
    MB_OF_ONE_CPU,
    ON_DEMAND_HEADROOM,
    ON_DEMAND_SHARDS,
    RECOMMENDATION_SECONDS,
    WINDOWS_SECONDS,
    Load,
)
from ops.capacity.plans import MAIN, deployed_limits
from ops.capacity.prices import MILLION_SECONDS

GATEWAY_REQUESTS_PER_SECOND = 10_000
"""Quota of an account (docs.aws.amazon.com/apigateway/latest/developerguide/limits.html)."""
CAMPAIGN_REQUESTS_PER_SECOND = 500
"""Quota of a campaign (2023)."""
LAMBDA_INVOCATIONS_AT_ONCE = 1000
"""Quota of an account and region. A new account has 10."""


def advice_for(delivery: Delivery) -> tuple[str, ...]:
    """Return a sentence for each limit that the load exceeds."""
    return tuple(filter(None, (rule(delivery) for rule in RULES)))


def _shards(delivery: Delivery) -> str | None:
    load = delivery.load
    needed = load.shards_needed
    if 0 < load.shards < needed:
        return (
            f"ShardCount {load.shards} throttles this traffic. "
            f"Set it to {needed} at least, or to 0 for on demand."
        )
    if not load.shards and needed > ON_DEMAND_SHARDS:
        return (
            f"A new on-demand stream starts with {ON_DEMAND_SHARDS} shards and grows to twice its last peak. "
            f"Increase traffic step by step, or begin with ShardCount {ON_DEMAND_HEADROOM * needed}."
        )
    return None


def _shard_readers(delivery: Delivery) -> str | None:
    load = delivery.load
    if delivery.keeps_up:
        return None
    sentence = f"Delivery falls behind: a shard reader has work for {delivery.busy_share:.0%} of the time. "
    if delivery_of(replace(load, memory_mb=max(load.memory_mb, MB_OF_ONE_CPU))).keeps_up:
        return f"{sentence}Processor time is short: give deliver_events {MB_OF_ONE_CPU} MB."
    for factor in range(load.parallelization_factor + 1, MAX_PARALLELIZATION + 1):
        if delivery_of(replace(load, parallelization_factor=factor)).keeps_up:
            return f"{sentence}Set ParallelizationFactor to {factor}."
    return f"{sentence}Add shards: {math.ceil(load.shards_open * delivery.busy_share)} in all are needed."


def _put_events(delivery: Delivery) -> str | None:
    load, calls = delivery.load, delivery.put_events_per_second
    if calls <= load.put_events_quota:
        return None
    sentence = (
        f"PutEvents: {calls:,.0f} calls/s exceed the dataset group's quota of {load.put_events_quota:,.0f}. "
    )
    longer = with_longer_window(load)
    if longer is None:
        least = load.events_per_second / MAX_ENTRIES_PER_CALL
        return (
            f"{sentence}Ask AWS for a higher quota. "
            f"Even with ten events in each call there are {least:,.0f} calls/s."
        )
    return (
        f"{sentence}Ask AWS for a higher quota, or gather events for longer: a batching window of "
        f"{longer.window_seconds:g} s, BatchSize {longer.batch_size}, "
        f"ParallelizationFactor {longer.parallelization_factor}."
    )


def with_longer_window(load: Load) -> Load | None:
    """Return the load with the shortest batching window whose calls are within the quota, or None.

    More shard readers help too: a batch is full after about 5000 records, and a shard reader with less
    traffic gathers them for longer.
    """
    for window in WINDOWS_SECONDS:
        for factor in sorted({load.parallelization_factor, MAX_PARALLELIZATION}):
            longer = replace(
                load, window_seconds=window, batch_size=MAX_BATCH_SIZE, parallelization_factor=factor
            )
            if delivery_of(longer).put_events_per_second <= load.put_events_quota:
                return longer
    return None


def _usage_plan(delivery: Delivery) -> str | None:
    load, requests = delivery.load, delivery.load.requests_per_second
    if requests <= load.throttle_rate_limit:
        return None
    limits = deployed_limits()
    stage = max(limits.stage_per_second, math.ceil(requests) + limits.beside(MAIN))
    return (
        f"The usage plan allows {load.throttle_rate_limit:,.0f} of {requests:,.0f} requests/s. "
        f"Deploy with ThrottleRateLimit={math.ceil(requests)}, StageThrottleRateLimit={stage} and "
        f"MonthlyQuota={math.ceil(requests * MILLION_SECONDS)}000000, or send more events in each request."
    )


def _gateway(delivery: Delivery) -> str | None:
    requests = delivery.load.requests_per_second
    if requests <= GATEWAY_REQUESTS_PER_SECOND:
        return None
    return (
        f"API Gateway takes {GATEWAY_REQUESTS_PER_SECOND:,} requests/s of an account. "
        "Send more events in each request."
    )


def _campaign(delivery: Delivery) -> str | None:
    requests = delivery.load.recommendations_per_second
    if requests <= CAMPAIGN_REQUESTS_PER_SECOND:
        return None
    return (
        f"A campaign takes {CAMPAIGN_REQUESTS_PER_SECOND} requests/s. "
        f"Ask AWS for a quota of {math.ceil(requests)}."
    )


def _functions(delivery: Delivery) -> str | None:
    load = delivery.load
    api_invocations = load.events_per_second / load.events_per_request * load.history_seconds
    api_invocations += load.recommendations_per_second * RECOMMENDATION_SECONDS
    if api_invocations + load.shard_readers <= LAMBDA_INVOCATIONS_AT_ONCE:
        return None
    return (
        f"Lambda: {api_invocations:,.0f} invocations at once for the API and up to "
        f"{load.shard_readers:,} for delivery; an account has {LAMBDA_INVOCATIONS_AT_ONCE:,}. "
        "Ask AWS for a higher quota."
    )


RULES: tuple[Callable[[Delivery], str | None], ...] = (
    _shards,
    _shard_readers,
    _put_events,
    _usage_plan,
    _gateway,
    _campaign,
    _functions,
)
