"""POST /action-recommendations: the next best actions for a user, by GetActionRecommendations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib import contract
from chalicelib.api import filters, personalize
from chalicelib.api.responses import ApiResponse
from chalicelib.selection import campaigns

if TYPE_CHECKING:
    from chalicelib.api import Request
    from chalicelib.services import Services

IAM_ACTIONS = ("personalize:GetActionRecommendations",)

DEFAULT_RESULTS = 5
"""Personalize's own default, sent explicitly as for items."""


def handle(request: Request, services: Services) -> ApiResponse:
    """Return ``{"actionList": [{"actionId", "score"?}], "recommendationId", "campaign", "source"}``."""
    body = contract.read("action-recommendations", request.body)
    config = services.config
    arn = campaigns.choose(body.get("campaign"), config.action_campaign_arn, config.other_campaign_arns)
    arguments = to_arguments(body, arn)
    method = services.clients.personalize_runtime.get_action_recommendations
    return ApiResponse(200, personalize.recommend(method, arguments, names_filter="filter" in body))


def to_arguments(body: Mapping[str, Any], campaign_arn: str) -> dict[str, Any]:
    """Return the arguments of GetActionRecommendations. Raises InvalidRequestError."""
    return {
        "campaignArn": campaign_arn,
        "userId": body.get("userId") or body["sessionId"],
        "numResults": int(body.get("numResults", DEFAULT_RESULTS)),
        **filters.to_arguments(body, campaign_arn),
    }
