"""The HTTP contract as code: JSON in, validated values out, one sentence for a value that does not fit.

The rules are in the JSON Schemas beside this file. openapi.json refers to them as well.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema

from chalicelib.errors import InvalidRequestError

_FOLDER = Path(__file__).parent


MAX_NAME_CHARACTERS = 80
MAX_DEPTH = 32
"""Levels of nesting. Far more than an event needs; Python's own limit moves with the depth of the stack."""


def parse(text: bytes) -> Any:
    """Return the JSON value in ``text``, which is UTF-8.

    Raises InvalidRequestError for anything that is not JSON, for NaN and the infinities (also written as
    1e999), for halves of surrogate pairs, and for nesting deeper than MAX_DEPTH.
    """
    if not text.strip():
        raise InvalidRequestError("The body is empty. Send a JSON object.")
    try:
        characters = text.decode("utf-8-sig")
        value = _decode(characters)
        if characters.count("{") + characters.count("[") > MAX_DEPTH:
            _refuse_depth(value)
        if _ESCAPE in characters:
            # A lone surrogate is legal in JSON's grammar but has no UTF-8 form, so no AWS service stores it.
            # Only an escape can write one.
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise InvalidRequestError("The body is not UTF-8. Send JSON in UTF-8.") from error
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            "A string of the body holds half of a surrogate pair (\\ud800 to \\udfff). Send whole characters."
        ) from error
    except RecursionError as error:
        raise InvalidRequestError(
            f"The body is nested too deeply. Send at most {MAX_DEPTH} levels of objects and arrays."
        ) from error
    except json.JSONDecodeError as error:
        raise InvalidRequestError(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from error
    except ValueError as error:
        raise InvalidRequestError(f"The body is not JSON: {error}.") from error
    return value


# Made once: json.dumps makes an encoder for every call that has options.
to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Return a value as compact JSON text: what ``parse`` reads."""


def validate(schema: str, value: object) -> None:
    """Hold ``value`` against one of the schemas. InvalidRequestError names the field and what it takes."""
    try:
        _validator(schema)(value)
    except fastjsonschema.JsonSchemaValueException as error:
        raise InvalidRequestError(_sentence(error)) from error


@cache
def _validator(schema: str) -> Callable[[object], object]:
    definition = json.loads((_FOLDER / f"{schema}.schema.json").read_text("utf-8"))
    validate: Callable[[object], object] = fastjsonschema.compile(definition, use_default=False)
    return validate


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
    raise ValueError(f"{name} is not a number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


# Made once: json.loads makes a decoder for every call that has options.
_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode
_ESCAPE = "\\u"


_KINDS: dict[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def _sentence(error: fastjsonschema.JsonSchemaValueException) -> str:
    """Return what is wrong with which field, and what the schema says that the field takes."""
    rule, limit = error.rule, error.rule_definition
    field = _short((error.name or "data").removeprefix("data").lstrip("."))
    subject = field or "The body"
    advice = error.definition.get("description", "")
    if rule == "required":
        missing = next(name for name in limit if name not in error.value)
        advice = error.definition["properties"][missing].get("description", "")
        problem = f"{f'{field}.' if field else ''}{missing} is required."
    elif rule == "additionalProperties":
        known = error.definition["properties"]
        unknown = sorted(set(error.value) - set(known))
        problem = f"{subject} has no field {_short(unknown[0])!r}."
        advice = f"It takes {', '.join(known)}."
    elif rule == "propertyNames":
        problem = f"A key of {subject} is not allowed."
        advice = limit.get("description", advice)
    elif rule == "type":
        kinds = [limit] if isinstance(limit, str) else limit
        problem = f"{subject} must be {_or(kinds)}, not {_KINDS[type(error.value)]}."
    elif rule in _LIMITS:
        problem = _LIMITS[rule].format(subject=subject, limit=limit)
    else:
        problem = f"{subject} has an invalid format."
    return f"{problem} {advice}".strip()


def _short(name: str) -> str:
    """Return a name to show: a caller's key may be a megabyte long."""
    return name if len(name) <= MAX_NAME_CHARACTERS else f"{name[:MAX_NAME_CHARACTERS]}…"


_LIMITS = {
    "minLength": "{subject} must not be empty.",
    "maxLength": "{subject} must have at most {limit} characters.",
    "minItems": "{subject} must not be empty.",
    "maxItems": "{subject} must have at most {limit} entries.",
    "maxProperties": "{subject} must have at most {limit} keys.",
    "minimum": "{subject} must be at least {limit}.",
    "maximum": "{subject} must be at most {limit}.",
    "exclusiveMaximum": "{subject} must be less than {limit}.",
}


def _or(kinds: list[str]) -> str:
    return " or ".join(f"{'an' if kind[0] in 'aeio' else 'a'} {kind}" for kind in kinds)
