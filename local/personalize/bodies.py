"""The JSON body of a request, read up to a limit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from starlette.requests import Request

from local.personalize.errors import RequestTooLargeError, SerializationError

Body = Mapping[str, Any]


async def read_body(request: Request, max_bytes: int) -> Body:
    """Return the JSON object in the body. An empty body is an empty object, as in rest-json.

    Raises RequestTooLargeError, SerializationError, or starlette's ClientDisconnect.
    """
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > max_bytes:
            raise RequestTooLargeError(f"The body must not be larger than {max_bytes} bytes")
    if not received:
        return {}
    try:
        body = json.loads(received, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise SerializationError("The body must be a JSON object")
    return body


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # Python reads NaN and Infinity, which are not JSON
