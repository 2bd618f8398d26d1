"""POST /recommendations: items for a user, or items related to one, by GetRecommendations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib import contract
from chalicelib.api import filters, personalize
from chalicelib.api.responses import ApiResponse
from chalicelib.errors import InvalidRequestError
from chalicelib.selection import campaigns

if TYPE_CHECKING:
    from chalicelib.api import Request
    from chalicelib.services import Services

IAM_ACTIONS = ("personalize:GetRecommendations",)

DEFAULT_RESULTS = 25
"""Personalize's own default, sent explicitly so that the contract holds whatever Personalize changes."""
MAX_RESULTS_WITH_METADATA = 50
"""Of API_RS_GetRecommendations."""

_OPTIONAL = ("itemId", "context", "metadataColumns")


def handle(request: Request, services: Services) -> ApiResponse:
    """Return ``{"itemList": [{"itemId", "score"?, ...}], "recommendationId", "campaign", "source"}``."""
    body = contract.read("recommendations", request.body)
    config = services.config
    arn = campaigns.choose(body.get("campaign"), config.campaign_arn, config.other_campaign_arns)
    arguments = to_arguments(body, arn)
    method = services.clients.personalize_runtime.get_recommendations
    names_filter = "filter" in body or "promotions" in body
    return ApiResponse(200, personalize.recommend(method, arguments, names_filter=names_filter))


def to_arguments(body: Mapping[str, Any], campaign_arn: str) -> dict[str, Any]:
    """Return the arguments of GetRecommendations (API_RS_GetRecommendations). Raises InvalidRequestError.

    ``campaign_arn`` may be a recommender's: domain dataset groups have recommenders instead of campaigns.
    """
    # JSON knows one kind of number, so 5.0 is an integer to the schema. Personalize takes an int only.
    count = int(body.get("numResults", DEFAULT_RESULTS))
    if "metadataColumns" in body and count > MAX_RESULTS_WITH_METADATA:
        raise InvalidRequestError.of(
            "numResults", f"must be at most {MAX_RESULTS_WITH_METADATA} with metadataColumns."
        )
    return {
        **personalize.campaign_argument(campaign_arn),
        # Events of an anonymous visitor have a session and no user: Personalize knows the visitor by it.
        **({"userId": user} if (user := body.get("userId") or body.get("sessionId")) else {}),
        "numResults": count,
        **{name: body[name] for name in _OPTIONAL if name in body},
        **filters.to_arguments(body, campaign_arn),
        **({"promotions": _promotions(body, campaign_arn)} if body.get("promotions") else {}),
    }


def _promotions(body: Mapping[str, Any], campaign_arn: str) -> list[dict[str, Any]]:
    return [
        {
            "name": promotion["name"],
            "percentPromotedItems": int(promotion["percentPromotedItems"]),
            **filters.to_arguments(promotion, campaign_arn, f"promotions[{index}]."),
        }
        for index, promotion in enumerate(body["promotions"])
    ]
