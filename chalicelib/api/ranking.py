"""POST /ranking: a list of items in the order of a user's taste, by GetPersonalizedRanking."""

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

IAM_ACTIONS = ("personalize:GetPersonalizedRanking",)

MAX_ITEMS_WITH_METADATA = 50
"""Of API_RS_GetPersonalizedRanking."""

_OPTIONAL = ("context", "metadataColumns")


def handle(request: Request, services: Services) -> ApiResponse:
    """Return ``{"personalizedRanking": [{"itemId", ...}], "recommendationId", "campaign", "source"}``."""
    body = contract.read("ranking", request.body)
    config = services.config
    arn = campaigns.choose(body.get("campaign"), config.ranking_campaign_arn, config.other_campaign_arns)
    arguments = to_arguments(body, arn)
    method = services.clients.personalize_runtime.get_personalized_ranking
    return ApiResponse(200, personalize.recommend(method, arguments, names_filter="filter" in body))


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
