"""Item interactions: a request with the member ``Event``, delivered by PutEvents (API_UBS_PutEvents).

The names are those of ``RecordType``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib import contract
from chalicelib.errors import InvalidRequestError

MEMBER = "Event"
SCHEMA = "event"
METHOD = "put_events"
ENTRIES_ARGUMENT = "eventList"
MAX_ENTRIES_PER_CALL = 10
"""Of PutEvents (API_UBS_PutEvents)."""

MAX_PROPERTIES_CHARACTERS = 1024
"""Of an event's properties as JSON (API_UBS_Event)."""

_SAME_MEANING = {"RecommendationId": "recommendationId", "Impression": "impression"}


def to_entry(body: Mapping[str, Any], happened_at: datetime) -> dict[str, Any]:
    """Return the element of eventList (API_UBS_Event). InvalidRequestError for too long properties."""
    fields = dict(body["Event"])
    entry: dict[str, Any] = {
        "eventId": body["EventId"],
        "eventType": body["EventType"],
        "sentAt": happened_at,
    }
    if "itemId" in fields:
        entry["itemId"] = fields.pop("itemId")
    if "eventValue" in fields:
        entry["eventValue"] = fields.pop("eventValue")
    if fields:
        entry["properties"] = properties = contract.to_json(fields)
        if len(properties) > MAX_PROPERTIES_CHARACTERS:
            raise InvalidRequestError(
                f"Event has {len(properties)} characters of properties (every key but itemId and eventValue, "
                f"as JSON); Personalize takes {MAX_PROPERTIES_CHARACTERS}. Send fewer or shorter ones.",
                field="Event",
            )
    for ours, theirs in _SAME_MEANING.items():
        if ours in body:
            entry[theirs] = body[ours]
    if "EventAttributionSource" in body:
        entry["metricAttribution"] = {"eventAttributionSource": body["EventAttributionSource"]}
    return entry


def shared_arguments(body: Mapping[str, Any]) -> dict[str, str]:
    """Return session and user: a call of PutEvents has one of each. An anonymous visitor has no user."""
    session = {"sessionId": body["SessionId"]}
    return session | {"userId": body["UserId"]} if "UserId" in body else session


def chain(body: Mapping[str, Any]) -> str:
    """Return the session: its events stay in order. ``plan`` cuts one with too many calls by user."""
    return str(body["SessionId"])
