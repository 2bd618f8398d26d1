"""What is wrong with which field, and what the schema says that the field takes. Pure."""

from __future__ import annotations

import fastjsonschema

from chalicelib.contract.identifiers import problem_of
from chalicelib.errors import InvalidRequestError

MAX_NAME_CHARACTERS = 80

_KINDS: dict[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}

_LIMITS = {
    "minLength": "must not be empty.",
    "maxLength": "must have at most {limit} characters.",
    "minItems": "must not be empty.",
    "maxItems": "must have at most {limit} entries.",
    "maxProperties": "must have at most {limit} keys.",
    "minimum": "must be at least {limit}.",
    "maximum": "must be at most {limit}.",
    "exclusiveMaximum": "must be less than {limit}.",
}


def to_error(error: fastjsonschema.JsonSchemaValueException, path: str) -> InvalidRequestError:
    """Return the error for a value that does not fit its schema. ``path`` is that of the value."""
    rule, limit = error.rule, error.rule_definition
    field = short(f"{path}{(error.name or 'data').removeprefix('data')}".lstrip("."))
    advice = error.definition.get("description", "")
    if rule == "required":
        missing = next(name for name in limit if name not in error.value)
        field = f"{field}.{missing}" if field else missing
        advice = error.definition["properties"][missing].get("description", "")
        problem = "is required."
    elif rule == "anyOf":
        names = ", ".join(name for choice in limit for name in choice["required"])
        return InvalidRequestError(f"One of {names} is required.", field=field or None)
    elif rule == "additionalProperties":
        known = error.definition["properties"]
        unknown = sorted(set(error.value) - set(known))
        problem = f"has no field {short(unknown[0])!r}."
        advice = f"It takes {', '.join(known)}."
    elif rule == "propertyNames":
        sentence = f"A key of {field or 'the body'} is not allowed. {limit.get('description', advice)}"
        return InvalidRequestError(sentence.strip(), field=field or None)
    elif rule == "type":
        kinds = [limit] if isinstance(limit, str) else [kind for kind in limit if kind != "null"]
        problem = f"must be {_or(kinds)}, not {_KINDS[type(error.value)]}."
    elif rule == "enum":
        problem = "has an unknown value."
    elif rule == "format":
        problem = problem_of(error.value)
    elif rule in _LIMITS:
        problem = _LIMITS[rule].format(limit=limit)
        if limit == 1:
            problem = problem.replace("entries", "entry")
    else:
        problem = "has an invalid format."
    return InvalidRequestError.of(field or None, f"{problem} {advice}".strip())


def short(name: str) -> str:
    """Return a name to show: a caller's key may be a megabyte long."""
    return name if len(name) <= MAX_NAME_CHARACTERS else f"{name[:MAX_NAME_CHARACTERS]}…"


def _or(kinds: list[str]) -> str:
    return " or ".join(f"{'an' if kind[0] in 'aeio' else 'a'} {kind}" for kind in kinds)
