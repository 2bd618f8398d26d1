"""The limits of AWS that a load can pass, and for each a sentence that says what to do."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from chalicelib.delivery import MAX_EVENTS_PER_CALL
from ops.capacity.batches import Delivery, delivery_of
from ops.capacity.load import (
    MAX_BATCH_SIZE,
    MAX_PARALLELIZATION,
    MB_OF_ONE_CPU,
    ON_DEMAND_HEADROOM,
    ON_DEMAND_SHARDS,
    RECOMMENDATION_SECONDS,
    WINDOWS,
    Load,
)
from ops.capacity.prices import MILLION_SECONDS

GATEWAY_QUOTA = 10_000
"""Requests a second of an account (docs.aws.amazon.com/apigateway/latest/developerguide/limits.html)."""
CAMPAIGN_QUOTA = 500
"""Recommendations a second of a campaign (2023)."""
LAMBDA_QUOTA = 1000
"""Invocations at once of an account and region; 10 in a new account."""


def advice_for(delivery: Delivery) -> tuple[str, ...]:
    """A sentence for every limit that the load passes; none when it is within all of them."""
    return tuple(filter(None, (rule(delivery) for rule in RULES)))


def _shards(delivery: Delivery) -> str | None:
    load = delivery.load
    needed = load.shards_needed
    if 0 < load.shards < needed:
        return f"ShardCount {load.shards} throttles this traffic. Set it to {needed} at least, or to 0."
    if not load.shards and needed > ON_DEMAND_SHARDS:
        return (
            f"A new on-demand stream starts with {ON_DEMAND_SHARDS} shards and grows to twice its last peak: "
            f"let traffic grow by and by, or begin with ShardCount {ON_DEMAND_HEADROOM * needed}."
        )
    return None


def _lanes(delivery: Delivery) -> str | None:
    load = delivery.load
    if delivery.keeps_up:
        return None
    sentence = f"Delivery falls behind: a lane has work for {delivery.busy_share:.0%} of the time. "
    if delivery_of(replace(load, memory_mb=max(load.memory_mb, MB_OF_ONE_CPU))).keeps_up:
        return f"{sentence}It lacks processor time: give deliver_events {MB_OF_ONE_CPU} MB."
    for factor in range(load.parallelization_factor + 1, MAX_PARALLELIZATION + 1):
        if delivery_of(replace(load, parallelization_factor=factor)).keeps_up:
            return f"{sentence}Set ParallelizationFactor to {factor}."
    return f"{sentence}Add shards, {math.ceil(load.shards_open * delivery.busy_share)} in all."


def _put_events(delivery: Delivery) -> str | None:
    load, calls = delivery.load, delivery.put_events_per_second
    if calls <= load.put_events_quota:
        return None
    sentence = (
        f"PutEvents: {calls:,.0f} calls/s pass the dataset group's quota of {load.put_events_quota:,.0f}. "
    )
    longer = gathered_longer(load)
    if longer is None:
        least = load.events_per_second / MAX_EVENTS_PER_CALL
        return f"{sentence}Ask AWS for more; with ten events in every call it would still be {least:,.0f}."
    return (
        f"{sentence}Ask AWS for more, or gather events for longer: a batching window of "
        f"{longer.window_seconds:g} s, BatchSize {longer.batch_size}, "
        f"ParallelizationFactor {longer.parallelization_factor}."
    )


def gathered_longer(load: Load) -> Load | None:
    """The load with the shortest window whose calls the quota takes, or None.

    More lanes help too: a batch is full after some 5000 records, and with less traffic each lasts longer.
    """
    for window in WINDOWS:
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
    return (
        f"The usage plan lets {load.throttle_rate_limit:,.0f} of {requests:,.0f} requests/s pass. "
        f"Deploy with ThrottleRateLimit={math.ceil(requests)} and "
        f"MonthlyQuota={math.ceil(requests * MILLION_SECONDS)}000000, or send more events a request."
    )


def _gateway(delivery: Delivery) -> str | None:
    requests = delivery.load.requests_per_second
    if requests <= GATEWAY_QUOTA:
        return None
    return f"API Gateway takes {GATEWAY_QUOTA:,} requests/s of an account: send more events a request."


def _campaign(delivery: Delivery) -> str | None:
    asked = delivery.load.recommendations_per_second
    if asked <= CAMPAIGN_QUOTA:
        return None
    return f"A campaign answers {CAMPAIGN_QUOTA} recommendations/s: ask AWS for {math.ceil(asked)}."


def _functions(delivery: Delivery) -> str | None:
    load = delivery.load
    api = load.events_per_second / load.events_per_request * load.history_seconds
    api += load.recommendations_per_second * RECOMMENDATION_SECONDS
    if api + load.lanes <= LAMBDA_QUOTA:
        return None
    return (
        f"Lambda: {api:,.0f} invocations at once for the API and up to {load.lanes:,} for delivery; "
        f"an account has {LAMBDA_QUOTA:,}. Ask AWS for more."
    )


RULES: tuple[Callable[[Delivery], str | None], ...] = (
    _shards,
    _lanes,
    _put_events,
    _usage_plan,
    _gateway,
    _campaign,
    _functions,
)
