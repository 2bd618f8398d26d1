"""The ways in which clients write the same events: spellings of JSON, and PutEvents calls. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

STYLES: Mapping[str, Callable[[Any], bytes]] = {
    "compact": lambda body: json.dumps(body, separators=(",", ":")).encode(),
    "UTF-8": lambda body: json.dumps(body, ensure_ascii=False).encode(),
    "indented": lambda body: b"\r\n\t" + json.dumps(body, indent=4).encode() + b"\n\n",
    "all escaped": lambda body: _escape_letters(json.dumps(body)).encode(),
    "sorted": lambda body: json.dumps(body, sort_keys=True).encode(),
}
"""The ways in which clients write the same JSON."""


def put_events(bodies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the body of a PutEvents call with the events of one session and user."""
    shared = {"sessionId": bodies[0]["SessionId"]}
    if "UserId" in bodies[0]:
        shared["userId"] = bodies[0]["UserId"]
    return shared | {
        "trackingId": "another-tracker",
        "eventList": [_put_events_entry(body) for body in bodies],
    }


def _put_events_entry(body: Mapping[str, Any]) -> dict[str, Any]:
    properties = dict(body["Event"])
    entry = {name: properties.pop(name) for name in ("itemId", "eventValue") if name in properties}
    sent_at = body["SentAt"]
    if isinstance(sent_at, str):
        sent_at = datetime.fromisoformat(sent_at.replace("Z", "+00:00")).timestamp()
    entry |= {"eventType": body["EventType"], "sentAt": sent_at, "properties": json.dumps(properties)}
    if "Impression" in body:
        entry["impression"] = body["Impression"]
    if source := body.get("EventAttributionSource"):
        entry["metricAttribution"] = {"eventAttributionSource": source}
    return entry


def _escape_letters(text: str) -> str:
    """Return JSON in which the letters of ``view`` and ``read`` are escapes, as some libraries write them."""
    for word in ("view", "read"):
        text = text.replace(f'"{word}"', '"' + "".join(f"\\u{ord(letter):04x}" for letter in word) + '"')
    return text
