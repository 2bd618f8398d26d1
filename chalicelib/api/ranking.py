"""POST /ranking: a list of items in the order of a user's taste, by GetPersonalizedRanking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib import contract
from chalicelib.api import filters, personalize
from chalicelib.api.personalize import Plan
from chalicelib.api.responses import ApiResponse
from chalicelib.errors import InvalidRequestError
from chalicelib.selection import campaigns

if TYPE_CHECKING:
    from chalicelib.api import Request
    from chalicelib.config import Config
    from chalicelib.services import Services

IAM_ACTIONS = ("personalize:GetPersonalizedRanking",)

MAX_ITEMS_WITH_METADATA = 50
"""Of API_RS_GetPersonalizedRanking."""

_OPTIONAL = ("context", "metadataColumns")


def handle(request: Request, services: Services) -> ApiResponse:
    """Return ``{"personalizedRanking": [{"itemId", ...}], "recommendationId"?, "campaign", "source"}``."""
    return personalize.respond(to_plan(contract.read("ranking", request.body), services.config), services)


def to_plan(request: Mapping[str, Any], config: Config) -> Plan:
    """Return the call for a request. The order of the input stands in for it. Raises as its parts do."""
    arn = campaigns.choose(request.get("campaign"), config.ranking_campaign_arn, config.other_campaign_arns)
    return Plan(
        "get_personalized_ranking",
        to_arguments(request, arn),
        names_filter="filter" in request,
        fallback_items=request["inputList"],
    )


def to_arguments(body: Mapping[str, Any], campaign_arn: str) -> dict[str, Any]:
    """Return the arguments of GetPersonalizedRanking. Raises InvalidRequestError."""
    if "metadataColumns" in body and len(body["inputList"]) > MAX_ITEMS_WITH_METADATA:
        raise InvalidRequestError.of(
            "inputList", f"must have at most {MAX_ITEMS_WITH_METADATA} entries with metadataColumns."
        )
    return {
        "campaignArn": campaign_arn,
        "userId": body.get("userId") or body["sessionId"],
        "inputList": body["inputList"],
        **{name: body[name] for name in _OPTIONAL if name in body},
        **filters.to_arguments(body, campaign_arn),
    }
