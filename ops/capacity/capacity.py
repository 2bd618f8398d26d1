"""`make capacity`: shards, calls and dollars of a number of events a second, on paper.

A model, and a pure one: nothing is measured and nothing is called. docs/capacity.md explains it.
load has what comes in, batches what becomes of it, prices the bill, advice the limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib import clients
from ops.capacity.advice import advice_for
from ops.capacity.batches import Delivery, delivery_of
from ops.capacity.load import Load, load_of
from ops.capacity.prices import Prices, monthly_price


@dataclass(frozen=True)
class Capacity:
    """What a load needs. ``price`` is US dollars by item for a month of it, ``advice`` a sentence a limit."""

    delivery: Delivery
    price: dict[str, float]
    advice: tuple[str, ...]


def size(load: Load, prices: Prices | None = None) -> Capacity:
    """What ``load`` needs, what it costs, and which limits it passes."""
    delivery = delivery_of(load)
    return Capacity(delivery, monthly_price(delivery, prices or Prices()), advice_for(delivery))


def report(capacity: Capacity) -> str:
    """Lines to read: the needs, the price by item, and a sentence for every limit that is passed."""
    delivery, load = capacity.delivery, capacity.delivery.load
    calls = delivery.put_events_per_second
    needs = {
        "active sessions": f"{load.sessions:,.0f}",
        "shards": f"{load.shards_needed:,} needed, {load.shards_open:,} "
        f"{'as set' if load.shards else 'open on demand'}",
        "a batch": f"{delivery.records_per_batch:,.1f} records in {delivery.calls_per_batch:,.1f} calls",
        "an invocation": f"{delivery.invocation_seconds:.2f} s, "
        f"{clients.PUT_EVENTS_CONCURRENCY} sessions at once",
        "invocations at once": f"{delivery.invocations_at_once:,.1f} of at most {load.lanes:,} "
        f"(busy {delivery.busy_share:.0%})",
        "PutEvents": f"{calls:,.1f} calls/s, {calls / load.put_events_quota:.0%} of the quota",
        "stream to Personalize": f"at most about {delivery.longest_wait:.1f} s"
        if delivery.keeps_up
        else "ever later",
        "API requests": f"{load.requests_per_second:,.1f}/s",
    }
    price = capacity.price | {"in all": sum(capacity.price.values())}
    return "\n".join(
        [
            f"{load.events_per_second:,g} events/s, {load.recommendations_per_second:,g} recommendations/s",
            *(f"  {what:24}{figure}" for what, figure in needs.items()),
            "",
            "US dollars a month (2025 list prices, at this rate day and night)",
            *(f"  {item:24}{dollars:14,.2f}" for item, dollars in price.items()),
            "",
            *(f"! {sentence}" for sentence in capacity.advice or ["All within the limits."]),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    print(report(size(load_of(arguments, "ops.capacity.capacity"))))


if __name__ == "__main__":
    main()
