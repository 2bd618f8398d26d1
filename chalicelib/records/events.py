"""Item interactions: a request with the member ``Event``, delivered by PutEvents (API_UBS_PutEvents).

The names are those of ``RecordType``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.records.properties import to_properties

MEMBER = "Event"
SCHEMA = "event"
METHOD = "put_events"
ENTRIES_ARGUMENT = "eventList"
TIME_MEMBER = "sentAt"
MAX_ENTRIES_PER_CALL = 10
"""Of PutEvents (API_UBS_PutEvents)."""

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
    entry |= to_properties(fields, MEMBER, "every key but itemId and eventValue")
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
