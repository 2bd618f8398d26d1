"""Requests that the API has to refuse, and the status with which it does. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

REFUSED_MARK = "refused"
"""The mark of every event in these requests: none may arrive anywhere."""


@dataclass(frozen=True)
class Invalid:
    """A request that is refused. ``name`` says what is wrong with it."""

    name: str
    content: bytes
    path: str = "/history"
    status: int = 400
    content_type: str = "application/json"
    has_key: bool = True


_EVENT: dict[str, Any] = {
    "SessionId": "refused-session",
    "EventType": "view",
    "Event": {"itemId": "dracula", "mark": REFUSED_MARK},
}


def _event(**changes: Any) -> bytes:
    return json.dumps(_EVENT | changes).encode()


def _without(name: str) -> bytes:
    return json.dumps({key: value for key, value in _EVENT.items() if key != name}).encode()


INVALID = (
    Invalid("cut off", _event()[:-1]),
    Invalid("empty", b""),
    Invalid("an array", b"[" + _event() + b"]"),
    Invalid("a text", b'"view"'),
    Invalid("not UTF-8", _event()[:-2] + b"\xff\xfe"),
    Invalid("NaN", _event(Event={"itemId": "dracula", "mark": REFUSED_MARK, "eventValue": float("nan")})),
    Invalid("nested deeply", b'{"Event":' + b"[" * 2000 + b"]" * 2000 + b"}"),
    Invalid("no SessionId", _without("SessionId")),
    Invalid("no EventType", _without("EventType")),
    Invalid("no Event", _without("Event")),
    Invalid("a number as SessionId", _event(SessionId=7)),
    Invalid("the word null as SessionId", _event(SessionId="null")),
    Invalid("names in camelCase", json.dumps({"sessionId": "s", "eventType": "view", "event": {}}).encode()),
    Invalid("ItemId for itemId", _event(Event={"ItemId": "dracula", "mark": REFUSED_MARK})),
    Invalid("a time in 2099", _event(SentAt="2099-01-01T00:00:00Z")),
    Invalid("a PutEvents call without times", b'{"sessionId": "s", "eventList": [{"eventType": "view"}]}'),
    Invalid("an unknown field", _event(ApiKey="x")),
    Invalid("an empty id", _event(UserId="")),
    Invalid("a long id", _event(UserId="u" * 257)),
    Invalid("milliseconds as SentAt", _event(SentAt=1_800_000_000_000)),
    Invalid("a time without a zone", _event(SentAt="2026-01-31T12:00:00")),
    Invalid("26 impressions", _event(Impression=["dracula"] * 26)),
    Invalid("long properties", _event(Event={"mark": REFUSED_MARK, "note": "x" * 1100})),
    Invalid("a reserved property", _event(Event={"mark": REFUSED_MARK, "timestamp": 1})),
    Invalid("a batch of invalid events", json.dumps({"Events": [{}, {"SessionId": "s"}]}).encode()),
    Invalid("an empty batch", b'{"Events": []}'),
    Invalid("a batch of 501 events", json.dumps({"Events": [_EVENT] * 501}).encode(), "/events"),
    Invalid("no user", b"{}", "/recommendations"),
    Invalid("too many results", b'{"userId": "ann", "numResults": 501}', "/recommendations"),
    Invalid("a text as numResults", b'{"userId": "ann", "numResults": "5"}', "/recommendations"),
    Invalid("text/plain", _event(), status=415, content_type="text/plain"),
    Invalid("no API key", _event(), status=403, has_key=False),
)
