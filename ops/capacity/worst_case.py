"""What a leaked key can cost in a month, and what a stranger without a key can. Pure.

The holder of a key makes as many requests as its plan allows, each as expensive as a request can be: as many
events as a request may carry, each as large as an event may be and of a session of its own, or as many
recommendations as a page may carry, beyond the provisioned throughput of the campaign.
"""

from __future__ import annotations

from chalicelib.records import MAX_ENTRY_BYTES
from ops.capacity.batches import delivery_of
from ops.capacity.load import RECOMMENDATION_SECONDS, Load, deployed_memory_mb
from ops.capacity.plans import Limits, Plan
from ops.capacity.prices import HOURS_PER_MONTH, MILLION_SECONDS, Prices, monthly_price

LONGEST_BETWEEN_EVENTS = 3600.0
"""Seconds. So long that each event is alone in its session, and in its PutEvents call."""

_FIXED = ("alarms, metrics, key", "Personalize, campaign")
_GB_IN_ARCHIVE = 1 - 1 / 5
"""monthly_price() counts a fifth of a GB in the archive. What a stranger sends need not be compressible."""


def requests_per_month(plan: Plan) -> float:
    """Return the requests that the plan allows: its quota, or its throttle day and night."""
    by_throttle = plan.requests_per_second * MILLION_SECONDS * 1e6
    return min(plan.monthly_quota or by_throttle, by_throttle)


def leaked_key_price(
    plan: Plan, max_events_per_request: int, max_requests_per_page: int, prices: Prices | None = None
) -> float:
    """Return US dollars a month at most: for events or for recommendations, whichever cost more."""
    prices, requests = prices or Prices(), requests_per_month(plan)
    return max(
        _price_of_events(requests, max_events_per_request, prices),
        _price_of_recommendations(requests, max_requests_per_page, prices),
    )


def preflights_price(limits: Limits, prices: Prices | None = None) -> float:
    """Return US dollars a month for preflights at their limit on every path, day and night."""
    millions = limits.preflighted_paths * limits.preflights_per_second * MILLION_SECONDS
    return millions * (prices or Prices()).gateway_million


def _price_of_events(requests: float, max_events_per_request: int, prices: Prices) -> float:
    events_per_second = requests / (MILLION_SECONDS * 1e6) * max_events_per_request
    load = Load(
        events_per_second=events_per_second,
        events_per_request=max_events_per_request,
        record_bytes=MAX_ENTRY_BYTES,
        seconds_between_events=LONGEST_BETWEEN_EVENTS,
    )
    items = monthly_price(delivery_of(load), prices)
    stands_anyway = sum(items[item] for item in _FIXED) + HOURS_PER_MONTH * prices.on_demand_hour
    gb = requests * max_events_per_request * MAX_ENTRY_BYTES / 1e9
    return sum(items.values()) - stands_anyway + gb * _GB_IN_ARCHIVE * prices.s3_gb_month


def _price_of_recommendations(requests: float, max_requests_per_page: int, prices: Prices) -> float:
    million = prices.million_invocations(RECOMMENDATION_SECONDS, deployed_memory_mb("api_handler"))
    million += prices.gateway_million + 0.4 * prices.log_gb
    million += max_requests_per_page * 1000 * prices.personalize_thousand
    return requests / 1e6 * million
