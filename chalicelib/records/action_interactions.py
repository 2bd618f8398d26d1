"""Action interactions: a request with the member ``Action``, delivered by PutActionInteractions.

The names are those of ``RecordType``; the page is API_UBS_PutActionInteractions.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.records.properties import to_properties

MEMBER = "Action"
SCHEMA = "action-interaction"
METHOD = "put_action_interactions"
ENTRIES_ARGUMENT = "actionInteractions"
TIME_MEMBER = "timestamp"
MAX_ENTRIES_PER_CALL = 10
"""Of PutActionInteractions."""

LANES = 4
"""Chains of a batch. A call may mix sessions: fewer lanes make fuller calls, and more lanes are faster."""

_SAME_MEANING = {
    "UserId": "userId",
    "RecommendationId": "recommendationId",
    "Impression": "impression",
}


def to_entry(body: Mapping[str, Any], happened_at: datetime) -> dict[str, Any]:
    """Return the element of actionInteractions (API_UBS_ActionInteraction)."""
    fields = dict(body["Action"])
    entry: dict[str, Any] = {
        "actionId": fields.pop("actionId"),
        "sessionId": body["SessionId"],
        "timestamp": happened_at,
        "eventType": body["EventType"],
        "eventId": body["EventId"],
        **{theirs: body[ours] for ours, theirs in _SAME_MEANING.items() if ours in body},
    }
    return entry | to_properties(fields, MEMBER, "every key but actionId")


def shared_arguments(body: Mapping[str, Any]) -> dict[str, str]:
    """Return nothing: each entry names its own user and session."""
    return {}


def chain(body: Mapping[str, Any]) -> str:
    """Return the lane of the session: the interactions of a session stay in order."""
    return str(zlib.crc32(body["SessionId"].encode()) % LANES)
