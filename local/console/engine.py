"""Calls of the local engine's control endpoints, which pages cannot reach themselves."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT_SECONDS = 5
# Without proxies: requests between two programs of this machine must not go to the developer's HTTP_PROXY.
_open = build_opener(ProxyHandler({})).open


class EngineUnreachableError(Exception):
    """The engine does not respond. ``make run`` starts it again when it has ended."""


def call_engine(engine_url: str, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    """Return status and JSON of a control endpoint. Raises EngineUnreachableError."""
    request = Request(engine_url + path, body, method=method)  # noqa: S310 - always http://127.0.0.1
    try:
        with _open(request, timeout=TIMEOUT_SECONDS) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)
    except (OSError, HTTPException) as error:
        raise EngineUnreachableError(str(error)) from error
