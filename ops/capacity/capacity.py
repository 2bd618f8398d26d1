"""The calculation of `make capacity`, the text that it prints, and its command line.

load has what comes in, batches what delivery makes of it, prices the bill, worst_case that of a leaked key,
and advice the limits.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields

from chalicelib.records import MAX_ENTRY_BYTES
from chalicelib.services import DELIVERY_CONCURRENCY
from ops.capacity.advice import advice_for
from ops.capacity.batches import Delivery, delivery_of
from ops.capacity.load import Load, option_name
from ops.capacity.plans import deployed_limits
from ops.capacity.prices import Prices, monthly_price
from ops.capacity.worst_case import leaked_key_price, preflights_price


@dataclass(frozen=True)
class Capacity:
    """What a load needs. ``price`` is US dollars a month by item, ``advice`` one sentence for each limit."""

    delivery: Delivery
    price: dict[str, float]
    advice: tuple[str, ...]


def size(load: Load, prices: Prices | None = None) -> Capacity:
    """Return what ``load`` needs, what it costs, and which limits it exceeds."""
    delivery = delivery_of(load)
    return Capacity(delivery, monthly_price(delivery, prices or Prices()), advice_for(delivery))


def report(capacity: Capacity) -> str:
    """Return the text to print: the needs, the price by item, and a sentence for each exceeded limit."""
    load = capacity.delivery.load
    price = capacity.price | {"in all": sum(capacity.price.values())}
    return "\n".join(
        [
            f"{load.events_per_second:,g} events/s, {load.recommendations_per_second:,g} recommendations/s",
            *(f"  {what:24}{figure}" for what, figure in _needs(capacity.delivery).items()),
            "",
            "US dollars a month (2025 list prices, at this rate day and night)",
            *(f"  {item:24}{dollars:14,.2f}" for item, dollars in price.items()),
            "",
            f"What a leaked key costs a month at most ({load.max_events_per_request} events of "
            f"{MAX_ENTRY_BYTES:,} bytes a request, {load.max_requests_per_page} recommendations a page)",
            *(f"  {who:24}{dollars:14,.2f}" for who, dollars in worst_prices(load).items()),
            "",
            *(f"! {sentence}" for sentence in capacity.advice or ["All within the limits."]),
        ]
    )


def worst_prices(load: Load) -> dict[str, float]:
    """Return US dollars a month at most by key, with the deployed plans, and for preflights without a key."""
    limits = deployed_limits()
    keys = {
        plan.name: leaked_key_price(plan, load.max_events_per_request, load.max_requests_per_page)
        for plan in limits.plans
    }
    return keys | {"without a key": preflights_price(limits)}


def _needs(delivery: Delivery) -> dict[str, str]:
    load, calls = delivery.load, delivery.put_events_per_second
    return {
        "active sessions": f"{load.sessions:,.0f}",
        "shards": f"{load.shards_needed:,} needed, {load.shards_open:,} "
        f"{'as set' if load.shards else 'open on demand'}",
        "a batch": f"{delivery.records_per_batch:,.1f} records in {delivery.calls_per_batch:,.1f} calls",
        "an invocation": f"{delivery.invocation_seconds:.2f} s, {DELIVERY_CONCURRENCY} sessions at once",
        "invocations at once": f"{delivery.invocations_at_once:,.1f} of at most {load.shard_readers:,} "
        f"(busy {delivery.busy_share:.0%})",
        "PutEvents": f"{calls:,.1f} calls/s, {calls / load.put_events_quota:.0%} of the quota",
        "stream to Personalize": f"at most about {delivery.longest_wait_seconds:.1f} s"
        if delivery.keeps_up
        else "grows without limit",
        "API requests": f"{load.requests_per_second:,.1f}/s",
    }


def parse_load(arguments: Sequence[str] | None, module: str) -> Load:
    """Return the load that the command line of ``python -m MODULE`` describes.

    Exit with a message that names the option for a value that is no number or out of its range.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", usage="%(prog)s [--OPTION N] ...")
    for each in fields(Load):
        default: float = each.default  # type: ignore[assignment]
        meaning = f"{each.metadata['meaning']} (default: %(default)s)"
        parser.add_argument(
            option_name(each.name), type=type(default), default=default, metavar="N", help=meaning
        )
    try:
        return Load(**vars(parser.parse_args(arguments)))
    except ValueError as error:
        parser.error(str(error))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report for the load that ``arguments`` describe, by default the command line."""
    print(report(size(parse_load(arguments, "ops capacity"))))


if __name__ == "__main__":
    main()
