"""POST /recommendations: items for a user, or items related to one, by GetRecommendations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib import contract
from chalicelib.api import filters, personalize
from chalicelib.api.personalize import Plan
from chalicelib.api.responses import ApiResponse
from chalicelib.errors import InvalidRequestError
from chalicelib.selection import campaigns, fallback, unique
from chalicelib.selection.unique import MAX_RESULTS_WITH_METADATA

if TYPE_CHECKING:
    from chalicelib.api import Request
    from chalicelib.config import Config
    from chalicelib.services import Services

IAM_ACTIONS = ("personalize:GetRecommendations",)

DEFAULT_RESULTS = 25
"""Personalize's own default, sent explicitly so that the contract holds whatever Personalize changes."""
_DECIDING: Mapping[str, Any] = {"properties": {"requests": {}}}
_OPTIONAL = ("itemId", "context", "metadataColumns")


def handle(request: Request, services: Services) -> ApiResponse:
    """Return ``{"itemList": [{"itemId", "score"?, ...}], "recommendationId"?, "campaign", "source"}``.

    A body with ``requests`` is a page: see ``pages``.
    """
    body = request.body
    contract.refuse_misspelt(_DECIDING, body)
    if isinstance(body, dict) and "requests" in body:
        from chalicelib.api import pages  # noqa: PLC0415 - a single request does without

        return pages.respond(body, to_plan, services)
    return personalize.respond(to_plan(contract.read("recommendations", body), services.config), services)


def to_plan(request: Mapping[str, Any], config: Config, spare: int = 0) -> Plan:
    """Return the call for a request and what stands in for it. Raises InvalidRequestError or NotFoundError.

    ``spare`` items more than the request wants are asked for, within the limits of Personalize.
    """
    name, experiment = request.get("campaign"), None
    if name is None and config.experiment is not None and (user := _user(request)):
        experiment = config.experiment.assignment(user)
        name = experiment["variant"]
    arn = campaigns.choose(name, config.campaign_arn, config.other_campaign_arns)
    wanted = to_arguments(request, arn)
    asked = unique.with_spare(wanted, spare) if spare else wanted
    other = config.fallback_campaign_arn
    promotions = wanted.get("promotions", ())
    return Plan(
        "get_recommendations",
        asked,
        names_filter="filter" in request or bool(promotions),
        fallback_arguments=fallback.arguments(asked, arn, other) if other else None,
        # Nobody knows which of them a filter lets through.
        fallback_items=() if "filter" in request else config.fallback_items,
        experiment=experiment,
        count=wanted["numResults"],
        percent_promoted=promotions[0]["percentPromotedItems"] if promotions else None,
    )


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
        **campaigns.campaign_argument(campaign_arn),
        **({"userId": user} if (user := _user(body)) else {}),
        "numResults": count,
        **{name: body[name] for name in _OPTIONAL if name in body},
        **filters.to_arguments(body, campaign_arn),
        **({"promotions": _promotions(body, campaign_arn)} if body.get("promotions") else {}),
    }


def _user(request: Mapping[str, Any]) -> str | None:
    """Return whom Personalize knows: an anonymous visitor, whose events have no user, by the session."""
    return request.get("userId") or request.get("sessionId")


def _promotions(body: Mapping[str, Any], campaign_arn: str) -> list[dict[str, Any]]:
    return [
        {
            "name": promotion["name"],
            "percentPromotedItems": int(promotion["percentPromotedItems"]),
            **filters.to_arguments(promotion, campaign_arn, f"promotions[{index}]."),
        }
        for index, promotion in enumerate(body["promotions"])
    ]
