"""POST /recommendations: items for a user, by GetRecommendations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import contract
from chalicelib.api.responses import ApiResponse
from chalicelib.errors import AwsError, from_botocore

if TYPE_CHECKING:
    from chalicelib.api import Request
    from chalicelib.services import Services

IAM_ACTIONS = ("personalize:GetRecommendations",)

DEFAULT_RESULTS = 25
"""Personalize's own default, sent explicitly so that the contract holds whatever Personalize changes."""

_OPTIONAL = ("itemId", "context")


def handle(request: Request, services: Services) -> ApiResponse:
    """Return ``{"itemList": [{"itemId", "score"?, ...}], "recommendationId"}`` as Personalize returned it."""
    arguments = to_arguments(request.body, services.config.campaign_arn)
    try:
        response = services.clients.personalize_runtime.get_recommendations(**arguments)
    except AwsError as error:
        raise from_botocore(error, "Personalize") from error
    return ApiResponse(200, {name: value for name, value in response.items() if name != "ResponseMetadata"})


def to_arguments(body: object, campaign_arn: str) -> dict[str, Any]:
    """Return the arguments of GetRecommendations (API_RS_GetRecommendations). Raises InvalidRequestError.

    ``campaign_arn`` may be a recommender's: domain dataset groups have recommenders instead of campaigns.
    """
    request = contract.read("recommendations", body)
    source = "recommenderArn" if ":recommender/" in campaign_arn else "campaignArn"
    return {
        source: campaign_arn,
        # Events of an anonymous visitor have a session and no user: Personalize knows the visitor by it.
        **({"userId": user} if (user := request.get("userId") or request.get("sessionId")) else {}),
        # JSON knows one kind of number, so 5.0 is an integer to the schema. Personalize takes an int only.
        "numResults": int(request.get("numResults", DEFAULT_RESULTS)),
        **{name: request[name] for name in _OPTIONAL if name in request},
    }
