"""The HTTP contract as code: JSON in, validated values out, one sentence for a value that does not fit.

The rules are in the JSON Schemas beside this file; openapi.json refers to them as well. A schema may take a
field over from another one with ``{"$ref": "FILE#/PATH"}``.

``json_text`` reads JSON, ``spelling`` finds misspelt names, ``identifiers`` what is no id, ``sentences`` says
what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema

from chalicelib.contract.identifiers import is_identifier
from chalicelib.contract.json_text import MAX_DEPTH, canonical, parse, to_json
from chalicelib.contract.sentences import MAX_NAME_CHARACTERS, to_error
from chalicelib.contract.spelling import is_misspelt, refuse_misspelt

__all__ = [
    "MAX_DEPTH",
    "MAX_NAME_CHARACTERS",
    "canonical",
    "is_misspelt",
    "parse",
    "read",
    "read_stored",
    "refuse_misspelt",
    "to_json",
]

_FOLDER = Path(__file__).parent
_FORMATS = {"identifier": is_identifier}
_OF_CONTENT = frozenset({"additionalProperties", "items", "properties"})


def read(schema: str, value: object, path: str = "") -> Any:
    """Return ``value`` without the nulls of optional fields, held against one of the schemas.

    Raises InvalidRequestError, which names the field and what it takes. ``path`` is that of ``value``.
    """
    definition = load(schema)
    body = _without_nulls(definition, value)
    refuse_misspelt(definition, body, path)
    _validate(_validator(schema), body, path)
    for field in _parts(schema):
        if field in body:
            _validate(_part_validator(schema, field), body[field], f"{path}.{field}")
    return body


def read_stored(schema: str, value: object) -> Any:
    """Return a record that an earlier version accepted, held only against what the service itself refuses.

    The service takes any id, and fields that this version does not know do not reach it.
    """
    value = _without_nulls(load(schema), value)
    _validate(_lenient_validator(schema), value)
    return value


def document() -> dict[str, Any]:
    """Return openapi.json with every schema of this folder among its components. The caller may change it."""
    found: dict[str, Any] = {}

    def bundled(node: Any) -> Any:
        if isinstance(node, list):
            return [bundled(child) for child in node]
        if not isinstance(node, dict):
            return node
        name, is_schema, _ = str(node.get("$ref", "")).partition(".schema.json")
        if is_schema:
            schema = {key: rule for key, rule in load(name).items() if key != "$schema"}
            found[schema["title"]] = json.loads(json.dumps(schema))
            return {"$ref": f"#/components/schemas/{schema['title']}"}
        return {key: bundled(child) for key, child in node.items()}

    openapi: dict[str, Any] = bundled(_document("openapi.json"))
    openapi["components"]["schemas"] |= found
    return openapi


@cache
def load(schema: str) -> Mapping[str, Any]:
    """Return a schema with the fields in it that it takes over from others."""
    definition: Mapping[str, Any] = _resolved(_document(f"{schema}.schema.json"))
    return definition


@cache
def _document(file_name: str) -> Any:
    return json.loads((_FOLDER / file_name).read_text("utf-8"))


def _resolved(node: Any) -> Any:
    if isinstance(node, list):
        return [_resolved(child) for child in node]
    if not isinstance(node, dict):
        return node
    if "$ref" not in node:
        return {name: _resolved(child) for name, child in node.items()}
    file_name, _, path = node["$ref"].partition("#/")
    found = _document(file_name)
    for name in path.split("/"):
        found = found[name]
    return _resolved(found)


def _without_nulls(definition: Mapping[str, Any], value: Any) -> Any:
    """Return ``value`` without the null members that the schema names as optional.

    Typed clients send them for a field that they leave out.
    """
    if isinstance(value, list) and "items" in definition:
        return [_without_nulls(definition["items"], each) for each in value]
    named = definition.get("properties")
    if not isinstance(value, dict) or not named:
        return value
    required = definition.get("required", ())
    nulls = [
        name for name, child in value.items() if child is None and name in named and name not in required
    ]
    inner = {
        name: _without_nulls(named[name], child)
        for name, child in value.items()
        if isinstance(child, (dict, list)) and name in named
    }
    if nulls:
        value = {name: child for name, child in value.items() if name not in nulls}
    return {**value, **inner}


def _validate(validator: Callable[[object], object], value: object, path: str = "") -> None:
    try:
        validator(value)
    except fastjsonschema.JsonSchemaValueException as error:
        raise to_error(error, path) from error


@cache
def _validator(schema: str) -> Callable[[object], object]:
    """Return the validator of a schema without the rules of its parts."""
    definition = load(schema)
    fields = {**definition["properties"], **{field: {} for field in _parts(schema)}}
    return _compiled({**definition, "properties": fields})


@cache
def _parts(schema: str) -> tuple[str, ...]:
    """Return the optional fields with rules about what is in them.

    Few requests have one, and most of the time to compile a schema is theirs. So a cold start does without,
    and the rules of a part are compiled when the first request has it.
    """
    definition = load(schema)
    return tuple(
        field
        for field, rule in definition["properties"].items()
        if field not in definition.get("required", ()) and not _OF_CONTENT.isdisjoint(rule)
    )


@cache
def _part_validator(schema: str, field: str) -> Callable[[object], object]:
    return _compiled(load(schema)["properties"][field])


@cache
def _lenient_validator(schema: str) -> Callable[[object], object]:
    definition = {name: rule for name, rule in load(schema).items() if name != "additionalProperties"}
    return _compiled(definition, use_formats=False)


def _compiled(definition: Mapping[str, Any], *, use_formats: bool = True) -> Callable[[object], object]:
    validate: Callable[[object], object] = fastjsonschema.compile(
        dict(definition), use_default=False, formats=_FORMATS, use_formats=use_formats
    )
    return validate
