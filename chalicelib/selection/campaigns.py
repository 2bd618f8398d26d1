"""Campaigns by name. The name is the last part of the ARN of a campaign or a recommender. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.errors import NotFoundError


def name_of(arn: str) -> str:
    """Return the name that a request calls a campaign by."""
    return arn.rpartition("/")[2]


def campaign_argument(arn: str) -> dict[str, str]:
    """Return the argument for a campaign. Domain dataset groups have recommenders instead."""
    return {"recommenderArn" if ":recommender/" in arn else "campaignArn": arn}


def campaign_of(arguments: Mapping[str, Any]) -> str:
    """Return the ARN that ``campaign_argument`` has put into the arguments of a call."""
    return str(arguments.get("campaignArn") or arguments["recommenderArn"])


def choose(name: str | None, default: str | None, others: Sequence[str]) -> str:
    """Return the ARN of the campaign with this name, the default one of the route without a name.

    Raises NotFoundError.
    """
    if name is None and default is None:
        raise NotFoundError("No campaign is configured for this route. The operator can configure one.")
    for arn in (default, *others):
        if arn is not None and name in (None, name_of(arn)):
            return arn
    raise NotFoundError(f"There is no campaign {name!r}. Its name is the last part of the campaign's ARN.")
