"""Records that can never be delivered, because they break the contract. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def _with(request: dict[str, Any], **changes: object) -> bytes:
    return json.dumps(request | changes).encode()


POISON: dict[str, tuple[int, Callable[[dict[str, Any]], bytes]]] = {
    "not UTF-8": (6, lambda request: _with(request)[:-2] + b"\xff\xfe"),
    "empty": (6, lambda _: b""),
    "an array": (6, lambda request: b"[" + _with(request) + b"]"),
    "cut off": (6, lambda request: _with(request)[:-1]),
    "wrong types": (6, lambda request: _with(request, SessionId=7)),
    "missing fields": (6, lambda request: _with({"SessionId": request["SessionId"]})),
    "unknown fields": (6, lambda request: _with(request, ApiKey="x")),
    "too long properties": (6, lambda request: _with(request, Event={"note": "x" * 1100})),
    "too large for a message": (1, lambda request: _with(request, Event={"note": "x" * 300_000})),
}
"""The kinds of poison: the weight of each, and the function that makes one from a valid request."""
