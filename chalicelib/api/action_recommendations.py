"""POST /action-recommendations: the next best actions for a user, by GetActionRecommendations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib import contract
from chalicelib.api import filters, personalize
from chalicelib.api.personalize import Plan
from chalicelib.api.responses import ApiResponse
from chalicelib.selection import campaigns

if TYPE_CHECKING:
    from chalicelib.api import Request
    from chalicelib.config import Config
    from chalicelib.services import Services

IAM_ACTIONS = ("personalize:GetActionRecommendations",)

DEFAULT_RESULTS = 5
"""Personalize's own default, sent explicitly as for items."""


def handle(request: Request, services: Services) -> ApiResponse:
    """Return ``{"actionList": [{"actionId", "score"?}], "recommendationId", "campaign", "source"}``."""
    return personalize.respond(
        to_plan(contract.read("action-recommendations", request.body), services.config), services
    )


def to_plan(request: Mapping[str, Any], config: Config) -> Plan:
    """Return the call for a request. Raises InvalidRequestError or NotFoundError."""
    arn = campaigns.choose(request.get("campaign"), config.action_campaign_arn, config.other_campaign_arns)
    return Plan("get_action_recommendations", to_arguments(request, arn), names_filter="filter" in request)


def to_arguments(body: Mapping[str, Any], campaign_arn: str) -> dict[str, Any]:
    """Return the arguments of GetActionRecommendations. Raises InvalidRequestError."""
    return {
        "campaignArn": campaign_arn,
        "userId": body.get("userId") or body["sessionId"],
        "numResults": int(body.get("numResults", DEFAULT_RESULTS)),
        **filters.to_arguments(body, campaign_arn),
    }
