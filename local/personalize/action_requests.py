"""Typed requests about actions, with the limits that botocore's model does not state. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.personalize import ACTIONS_DATASET_ARN, TRACKING_ID
from local.personalize.campaigns import ACTION_RECOMMENDATIONS, campaign_for
from local.personalize.errors import InvalidInputError, ResourceNotFoundError
from local.personalize.requests import (
    FilterUse,
    Record,
    filter_use,
    json_object,
    record,
    require_dataset,
)
from local.personalize.shapes import EVENTS, RUNTIME, check

# https://docs.aws.amazon.com/personalize/latest/dg/API_RS_GetActionRecommendations.html
DEFAULT_ACTIONS = 5
MAX_ACTIONS = 100
TAKEN, VIEWED, NOT_TAKEN = "taken", "viewed", "not taken"
"""The event types, in small letters. https://docs.aws.amazon.com/personalize/latest/dg/API_UBS_ActionInteraction.html"""


@dataclass(frozen=True)
class ActionInteraction:
    """One interaction as it was sent. ``timestamp`` is in seconds; ``properties`` is the JSON text."""

    event_id: str | None
    action_id: str
    user_id: str | None
    session_id: str
    event_type: str
    timestamp: float
    properties: str | None = None
    recommendation_id: str | None = None
    impression: tuple[str, ...] | None = None


@dataclass(frozen=True)
class PutActionInteractionsRequest:
    """Interactions of any users and sessions."""

    interactions: tuple[ActionInteraction, ...]


@dataclass(frozen=True)
class ActionRecommendationsRequest:
    """A request for ``count`` actions."""

    user_id: str
    count: int
    filter: FilterUse | None = None


def parse_action_recommendations(body: Mapping[str, Any]) -> ActionRecommendationsRequest:
    """Return a GetActionRecommendations request. Raises InvalidInputError or ResourceNotFoundError."""
    members = check(RUNTIME, ACTION_RECOMMENDATIONS, body)
    campaign_for(ACTION_RECOMMENDATIONS, members.get("campaignArn"))
    if not members.get("userId"):
        raise InvalidInputError("Provide userId")
    count = members.get("numResults") or DEFAULT_ACTIONS
    if count > MAX_ACTIONS:
        raise InvalidInputError(f"numResults must be at most {MAX_ACTIONS}")
    return ActionRecommendationsRequest(members["userId"], count, filter_use(members))


def parse_put_action_interactions(body: Mapping[str, Any]) -> PutActionInteractionsRequest:
    """Return a PutActionInteractions request. Raises InvalidInputError or ResourceNotFoundError."""
    members = check(EVENTS, "PutActionInteractions", body)
    if members["trackingId"] != TRACKING_ID:
        raise ResourceNotFoundError(f"The tracking ID is unknown. The local engine has one: {TRACKING_ID}")
    numbered = enumerate(members["actionInteractions"], start=1)
    return PutActionInteractionsRequest(tuple(_interaction(each, number) for number, each in numbered))


def _interaction(members: Mapping[str, Any], number: int) -> ActionInteraction:
    where = f"actionInteractions.{number}.member"
    if event_type_key(members["eventType"]) not in (TAKEN, VIEWED, NOT_TAKEN):
        raise InvalidInputError(f"{where}.eventType must be Taken, Not Taken or Viewed")
    properties = members.get("properties")
    if properties is not None:
        json_object(properties, f"{where}.properties")
    impression = members.get("impression")
    return ActionInteraction(
        event_id=members.get("eventId"),
        action_id=members["actionId"],
        user_id=members.get("userId"),
        session_id=members["sessionId"],
        event_type=members["eventType"],
        timestamp=members["timestamp"],
        properties=properties,
        recommendation_id=members.get("recommendationId"),
        impression=tuple(impression) if impression is not None else None,
    )


def event_type_key(name: str) -> str:
    """Return an event type of actions in one spelling. Personalize's examples also write NOT_TAKEN."""
    return name.casefold().replace("_", " ")


def parse_put_actions(body: Mapping[str, Any]) -> tuple[Record, ...]:
    """Return the actions of a PutActions call. Raises InvalidInputError or ResourceNotFoundError."""
    members = check(EVENTS, "PutActions", body)
    require_dataset(members["datasetArn"], ACTIONS_DATASET_ARN)
    numbered = enumerate(members["actions"], start=1)
    return tuple(record(action, "actionId", f"actions.{number}") for number, action in numbered)
