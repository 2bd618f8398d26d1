"""What stands in for the recommendations of a campaign that gives none. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.selection.campaigns import campaign_argument

_TAKEN_BY_EVERY_RECIPE = ("userId", "itemId", "numResults", "filterArn", "filterValues")


def arguments(given: Mapping[str, Any], campaign_arn: str, fallback_arn: str) -> dict[str, Any] | None:
    """Return the arguments for the fallback campaign, or None where that is the campaign that fails.

    It may have another recipe, so it gets no context, no promotion and no columns: some recipes refuse them.
    """
    if fallback_arn == campaign_arn:
        return None
    taken = {name: given[name] for name in _TAKEN_BY_EVERY_RECIPE if name in given}
    return {**campaign_argument(fallback_arn), **taken}


def item_list(items: Sequence[str], given: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return items as the list of a response: as many as were asked for, if the call says how many.

    An item is not recommended beside itself.
    """
    chosen = [item for item in items if item != given.get("itemId")]
    return [{"itemId": item} for item in chosen[: given.get("numResults")]]
