"""Typed requests from request bodies, with the limits that botocore's model does not state.

The limits are those of the developer guide, each with its page. (2023) marks limits of an older edition.
Pure: no I/O, no clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.personalize import (
    FILTER_ARN_PREFIX,
    ITEMS_DATASET_ARN,
    TRACKING_ID,
    USERS_DATASET_ARN,
)
from local.personalize.campaigns import LOCAL, RANKING, RECOMMENDATIONS, Campaign, campaign_for
from local.personalize.errors import InvalidInputError, ResourceNotFoundError
from local.personalize.shapes import EVENTS, RUNTIME, check

# https://docs.aws.amazon.com/personalize/latest/dg/API_RS_GetRecommendations.html
DEFAULT_RESULTS = 25
MAX_RESULTS = 500
MAX_RESULTS_WITH_METADATA = 50
MAX_METADATA_COLUMNS = 10
# https://docs.aws.amazon.com/personalize/latest/dg/recording-item-interaction-events.html
MAX_EVENT_BYTES = 10 * 1024  # (2023)
RESERVED_PROPERTIES = frozenset(
    ("userid", "sessionid", "eventtype", "timestamp", "recommendationid", "impression")
)


@dataclass(frozen=True)
class Event:
    """One event as it was sent. ``sent_at`` is in seconds since 1970; ``properties`` is the JSON text."""

    event_id: str | None
    event_type: str
    sent_at: float
    item_id: str | None = None
    event_value: float | None = None
    properties: str | None = None
    recommendation_id: str | None = None
    impression: tuple[str, ...] | None = None
    attribution_source: str | None = None


@dataclass(frozen=True)
class PutEventsRequest:
    """The events of one session."""

    session_id: str
    user_id: str | None
    events: tuple[Event, ...]


@dataclass(frozen=True)
class FilterUse:
    """The name of a filter, and the texts of its parameters."""

    name: str
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Promotion:
    """A share of the items, in percent, that only one filter chooses. They are marked with the name."""

    name: str
    percent: int
    filter: FilterUse


@dataclass(frozen=True)
class RecommendationsRequest:
    """A request for ``count`` items, with the metadata of ``columns``."""

    user_id: str | None
    item_id: str | None
    count: int
    columns: tuple[str, ...] = ()
    filter: FilterUse | None = None
    campaign: Campaign = LOCAL
    promotion: Promotion | None = None


@dataclass(frozen=True)
class RankingRequest:
    """A request to rank items, each of them once, with the metadata of ``columns``."""

    user_id: str
    item_ids: tuple[str, ...]
    columns: tuple[str, ...] = ()
    filter: FilterUse | None = None


@dataclass(frozen=True)
class Record:
    """An item, a user or an action with its metadata, under the column names that were sent."""

    record_id: str
    properties: Mapping[str, Any] = field(default_factory=dict)


def parse_put_events(body: Mapping[str, Any]) -> PutEventsRequest:
    """Return a PutEvents request. Raises InvalidInputError when one event is invalid, as the service does."""
    members = check(EVENTS, "PutEvents", body)
    if members["trackingId"] != TRACKING_ID:
        # PutEvents models only InvalidInputException. So an unknown tracker is not a 404.
        raise InvalidInputError(f"The tracking ID is unknown. The local engine has one: {TRACKING_ID}")
    return PutEventsRequest(
        session_id=members["sessionId"],
        user_id=members.get("userId"),
        events=tuple(_event(event, number) for number, event in enumerate(members["eventList"], start=1)),
    )


def _event(members: Mapping[str, Any], number: int) -> Event:
    where = f"eventList.{number}.member"
    if len(json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_EVENT_BYTES:
        raise InvalidInputError(f"{where}: an event must not be larger than {MAX_EVENT_BYTES} bytes")
    properties = members.get("properties")
    if properties is not None:
        _refuse_reserved(json_object(properties, f"{where}.properties"), f"{where}.properties")
    impression = members.get("impression")
    return Event(
        event_id=members.get("eventId"),
        event_type=members["eventType"],
        sent_at=members["sentAt"],
        item_id=members.get("itemId"),
        event_value=float(members["eventValue"]) if "eventValue" in members else None,
        properties=properties,
        recommendation_id=members.get("recommendationId"),
        impression=tuple(impression) if impression is not None else None,
        attribution_source=members.get("metricAttribution", {}).get("eventAttributionSource"),
    )


def _refuse_reserved(keys: Iterable[str], where: str) -> None:
    reserved = sorted(key for key in keys if key.lower() in RESERVED_PROPERTIES)
    if reserved:
        raise InvalidInputError(f"{where} must not contain the reserved keys: {', '.join(reserved)}")


def parse_recommendations(body: Mapping[str, Any]) -> RecommendationsRequest:
    """Return a GetRecommendations request.

    Raises InvalidInputError, or ResourceNotFoundError for a campaign or filter that the engine does not have.
    """
    members = check(RUNTIME, "GetRecommendations", body)
    if "campaignArn" in members and "recommenderArn" in members:
        raise InvalidInputError("Provide either campaignArn or recommenderArn, not both")
    campaign = campaign_for(RECOMMENDATIONS, members.get("campaignArn") or members.get("recommenderArn"))
    user_id, item_id = members.get("userId") or None, members.get("itemId") or None
    if user_id is None and item_id is None:
        raise InvalidInputError("Provide userId, itemId or both")
    if campaign.needs_item and item_id is None:
        raise InvalidInputError(f"Provide itemId: the campaign has the recipe {campaign.recipe}")
    columns = _columns(members.get("metadataColumns"), campaign)
    # To the service, an integer that was not sent is 0. So 0 means the default too.
    count = members.get("numResults") or DEFAULT_RESULTS
    _require_at_most(count, columns, "numResults")
    return RecommendationsRequest(
        user_id, item_id, count, columns, filter_use(members), campaign, _promotion(members)
    )


def parse_ranking(body: Mapping[str, Any]) -> RankingRequest:
    """Return a GetPersonalizedRanking request.

    Raises InvalidInputError, or ResourceNotFoundError for a campaign or filter that the engine does not have.
    """
    members = check(RUNTIME, "GetPersonalizedRanking", body)
    campaign = campaign_for(RANKING, members["campaignArn"])
    if not members["userId"]:
        raise InvalidInputError("userId must not be empty")
    if not members["inputList"]:
        raise InvalidInputError("inputList must not be empty")
    columns = _columns(members.get("metadataColumns"), campaign)
    _require_at_most(len(members["inputList"]), columns, "inputList")
    items = tuple(dict.fromkeys(members["inputList"]))
    return RankingRequest(members["userId"], items, columns, filter_use(members))


def parse_put_items(body: Mapping[str, Any]) -> tuple[Record, ...]:
    """Return the items of a PutItems call. Raises InvalidInputError or ResourceNotFoundError."""
    members = check(EVENTS, "PutItems", body)
    require_dataset(members["datasetArn"], ITEMS_DATASET_ARN)
    return tuple(record(item, "itemId", f"items.{n}") for n, item in enumerate(members["items"], start=1))


def parse_put_users(body: Mapping[str, Any]) -> tuple[Record, ...]:
    """Return the users of a PutUsers call. Raises InvalidInputError or ResourceNotFoundError."""
    members = check(EVENTS, "PutUsers", body)
    require_dataset(members["datasetArn"], USERS_DATASET_ARN)
    return tuple(record(user, "userId", f"users.{n}") for n, user in enumerate(members["users"], start=1))


def record(members: Mapping[str, Any], id_name: str, where: str) -> Record:
    """Return one item, user or action of a call. Raises InvalidInputError."""
    text = members.get("properties")
    properties = json_object(text, f"{where}.member.properties") if text is not None else {}
    return Record(members[id_name], properties)


def json_object(text: str, where: str) -> dict[str, Any]:
    """Return the JSON object in a text. Raises InvalidInputError."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidInputError(f"{where} must be a JSON object, written as a string")
    return value


def _columns(metadata_columns: Mapping[str, list[str]] | None, campaign: Campaign) -> tuple[str, ...]:
    if not metadata_columns:
        return ()
    if not campaign.metadata:
        raise InvalidInputError(f"metadataColumns: campaign/{campaign.name} has no metadata enabled")
    if list(metadata_columns) != ["ITEMS"]:
        raise InvalidInputError("metadataColumns must have the single key ITEMS")
    columns = tuple(metadata_columns["ITEMS"])
    if len(columns) > MAX_METADATA_COLUMNS:
        raise InvalidInputError(f"metadataColumns must name at most {MAX_METADATA_COLUMNS} columns")
    return columns


def _require_at_most(count: int, columns: tuple[str, ...], name: str) -> None:
    limit = MAX_RESULTS_WITH_METADATA if columns else MAX_RESULTS
    if count > limit:
        with_metadata = " with metadataColumns" if columns else ""
        raise InvalidInputError(f"{name} must be at most {limit}{with_metadata}")


def _promotion(members: Mapping[str, Any]) -> Promotion | None:
    for promotion in members.get("promotions", ()):  # the model allows one
        for name in ("name", "percentPromotedItems", "filterArn"):
            if name not in promotion:
                raise InvalidInputError(f"promotions.1.member.{name} is required")
        used = FilterUse(_filter_name(promotion["filterArn"]), promotion.get("filterValues", {}))
        return Promotion(promotion["name"], promotion["percentPromotedItems"], used)
    return None


def filter_use(members: Mapping[str, Any]) -> FilterUse | None:
    """Return the filter of a request. Raises ResourceNotFoundError for an ARN that is none of a filter."""
    arn = members.get("filterArn")
    return FilterUse(_filter_name(arn), members.get("filterValues", {})) if arn is not None else None


def _filter_name(arn: str) -> str:
    if not arn.startswith(FILTER_ARN_PREFIX):
        raise ResourceNotFoundError(
            f"There is no {arn}. The filters of the local engine begin with {FILTER_ARN_PREFIX}"
        )
    return arn.removeprefix(FILTER_ARN_PREFIX)


def require_dataset(arn: str, known: str) -> None:
    """Raise ResourceNotFoundError for another dataset than the known one."""
    if arn != known:
        raise ResourceNotFoundError(f"There is no {arn}. The local engine has {known}")
