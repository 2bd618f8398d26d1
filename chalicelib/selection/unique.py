"""Lists of one page without an item twice. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

MAX_RESULTS = 500
MAX_RESULTS_WITH_METADATA = 50
"""Of API_RS_GetRecommendations."""

Item = Mapping[str, Any]


def id_of(item: Item) -> str:
    """Return the id of an item, or nothing: the model of the service does not promise one."""
    return str(item.get("itemId") or "") if isinstance(item, Mapping) else ""


def choose(items: Sequence[Item], count: int, shown: Set[str], percent_promoted: int | None) -> list[Item]:
    """Return at most ``count`` of the items that no list before has, in their order.

    The list was asked for with some to spare of each kind. ``percent_promoted`` keeps the share of promoted
    items, which are at random positions of the longer list (promoting-items.html); None without a promotion.
    """
    # A dict keeps the first place of each: a list with an item twice would be a mistake of the service.
    fresh = [*{name: item for item in items if (name := id_of(item)) and name not in shown}.values()]
    if percent_promoted is None:
        return fresh[:count]
    promoted = [index for index, item in enumerate(fresh) if "promotionName" in item]
    others = [index for index, item in enumerate(fresh) if "promotionName" not in item]
    share = min(len(promoted), promoted_count(count, percent_promoted))
    kept = {*promoted[:share], *others[: count - share]}
    if len(kept) < count:  # too few of the others: promoted ones fill the list
        kept |= {*promoted[share : share + count - len(kept)]}
    return [fresh[index] for index in sorted(kept)]


def promoted_count(count: int, percent: int) -> int:
    """Return how many of ``count`` items are promoted, to the nearest whole number."""
    return (count * percent + 50) // 100


def with_spare(arguments: Mapping[str, Any], spare: int) -> dict[str, Any]:
    """Return the arguments of GetRecommendations for a list of which others may show ``spare`` items.

    They may all be promoted ones, or none of them. So with a promotion there are as many more of each kind.
    """
    most = MAX_RESULTS_WITH_METADATA if "metadataColumns" in arguments else MAX_RESULTS
    count, promotions = arguments["numResults"], arguments.get("promotions")
    if not promotions:
        return {**arguments, "numResults": min(count + spare, most)}
    asked = min(count + 2 * spare, most)
    percents = [
        -(-100 * (promoted_count(count, each["percentPromotedItems"]) + spare) // asked)
        for each in promotions
    ]
    spared = [
        {**each, "percentPromotedItems": max(1, min(100, percent))}
        for each, percent in zip(promotions, percents, strict=True)
    ]
    return {**arguments, "numResults": asked, "promotions": spared}
