"""JSON text to values and back. No message of Python's own reaches a client: they differ between versions."""

from __future__ import annotations

import json
import math
from typing import Any

from chalicelib.errors import InvalidRequestError

MAX_DEPTH = 32
"""Levels of nesting. Far more than an event needs; Python's own limit moves with the depth of the stack."""
MAX_DIGITS = 1024
"""Of a whole number: what the properties of an event have room for. Python's own limit is a setting."""


class _NumberError(ValueError):
    """A number that is none of JSON, or that nothing can hold. The message is ours."""


def parse(text: bytes, field: str | None = None) -> Any:
    """Return the JSON value in ``text``, which is UTF-8. ``field`` says where it stands; None is the body.

    Raises InvalidRequestError for anything that is not JSON, for NaN and the infinities (also written as
    1e999), for numbers of more than MAX_DIGITS digits, for halves of surrogate pairs, and for nesting deeper
    than MAX_DEPTH.
    """
    if not text.strip():
        raise InvalidRequestError.of(field, "is empty. Send a JSON object.")
    try:
        return _parse(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError.of(field, _problem(error)) from error


def _parse(text: bytes) -> Any:
    characters = text.decode("utf-8-sig")
    value = _decode(characters)
    if characters.count("{") + characters.count("[") > MAX_DEPTH:
        _refuse_depth(value)
    if _ESCAPE in characters:
        # A lone surrogate is legal in JSON's grammar but has no UTF-8 form, so no AWS service stores it.
        # Only an escape can write one.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _problem(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8. Send JSON in UTF-8."
    if isinstance(error, UnicodeEncodeError):
        return "holds half of a surrogate pair (\\ud800 to \\udfff). Send whole characters."
    if isinstance(error, RecursionError):
        return f"is nested too deeply. Send at most {MAX_DEPTH} levels of objects and arrays."
    if isinstance(error, _NumberError):
        return f"is not JSON: {error}."
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON: there is a mistake at line {error.lineno}, column {error.colno}."
    return "is not JSON."


# Made once: json.dumps makes an encoder for every call that has options.
to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Return a value as compact JSON text: what ``parse`` reads."""
canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
"""Return the same text for equal values, whatever the order of their names."""


def _refuse_depth(value: Any) -> None:
    """Raise RecursionError for containers nested more than MAX_DEPTH levels. Works at any depth."""
    containers = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        if not containers:
            return
        containers = [
            child
            for container in containers
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, (dict, list))
        ]
    if containers:
        raise RecursionError


def _refuse_constant(name: str) -> float:
    raise _NumberError(f"{name} is not a number of JSON")


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _NumberError(f"a number has more than {MAX_DIGITS} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _NumberError("a number is too large")
    return number


# Made once: json.loads makes a decoder for every call that has options.
_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole).decode
_ESCAPE = "\\u"
