"""Validation of a request body against botocore's own model of the service. Not for HTTP.

It covers the operation's input shape: required members, types, lengths, ranges, patterns, enumerations.
``requests.py`` has the limits that the model does not state.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from local.personalize.errors import InvalidInputError

RUNTIME = "personalize-runtime"
EVENTS = "personalize-events"

# The year 10000, which a datetime cannot hold.
_END_OF_TIME = 253_402_300_800
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

# Patterns of the model that take quadratic or cubic time in Python, and equivalents that take linear time.
_LINEAR_PATTERNS = {
    r"^[\x20-\x7E]*[\x21-\x7E]+[\x20-\x7E]*$": r"^\x20*[\x21-\x7E][\x20-\x7E]*$",
    r"arn:([a-z\d-]+):personalize:.*:.*:.+": r"arn:([a-z\d-]+):personalize:[^:\n]*:[^:\n]*:.+",
}

_JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}


@cache
def service_model(service: str) -> ServiceModel:
    """Return the model that boto3 itself uses for a service, from botocore's data files."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@cache
def operation_model(service: str, operation: str) -> OperationModel:
    """Return the model of one operation."""
    return service_model(service).operation_model(operation)


def check(service: str, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of ``body`` that the model knows, without nulls, as the service reads them.

    Raises InvalidInputError, which names every invalid member in the words of the service. The message
    repeats no value, because most members are identifiers of people.
    """
    shape = cast(StructureShape, operation_model(service, operation).input_shape)
    problems = list(_structure_problems(shape, body, ""))
    if problems:
        noun = "validation error" if len(problems) == 1 else "validation errors"
        raise InvalidInputError(f"{len(problems)} {noun} detected: {'; '.join(problems)}")
    return cast(dict[str, Any], _prune(shape, body))


def _problem(path: str, constraint: str) -> str:
    return f"Value at '{path or 'body'}' failed to satisfy constraint: {constraint}"


def _problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    if not _has_type(kind, value):
        yield _problem(path, f"Member must be a {kind}")
        return
    yield from _bounds_problems(shape, value, path)
    if isinstance(shape, StructureShape):
        yield from _structure_problems(shape, value, path)
    elif isinstance(shape, ListShape):
        for number, member in enumerate(value, start=1):
            yield from _problems(shape.member, member, f"{path}.{number}.member")
    elif isinstance(shape, MapShape):
        for key, member in value.items():
            yield from _problems(shape.key, key, f"{path}.key")
            yield from _problems(shape.value, member, f"{path}.value")


def _structure_problems(shape: StructureShape, value: Mapping[str, Any], path: str) -> Iterator[str]:
    prefix = f"{path}." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            yield _problem(prefix + name, "Member must not be null")
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _problems(member, value[name], prefix + name)


def _has_type(kind: str, value: Any) -> bool:
    # In Python a bool is an int. In JSON it is not a number.
    return isinstance(value, _JSON_TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _bounds_problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    kind, limits = shape.type_name, shape.metadata
    if kind in ("string", "list", "map"):
        low, high = limits.get("min"), limits.get("max")
        if high is not None and len(value) > high:
            yield _problem(path, f"Member must have length less than or equal to {high}")
        if low is not None and len(value) < low:
            yield _problem(path, f"Member must have length greater than or equal to {low}")
    if kind == "string":
        yield from _text_problems(limits, value, path)
    elif kind in ("integer", "long", "float", "double"):
        yield from _number_problems(limits, value, path)
    elif kind == "timestamp" and not 0 <= value < _END_OF_TIME:
        yield _problem(path, "Member must be a number of seconds since 1970-01-01T00:00:00Z")


def _text_problems(limits: Mapping[str, Any], value: str, path: str) -> Iterator[str]:
    # Half of a surrogate pair is valid JSON but cannot be encoded in UTF-8, so it cannot be stored.
    if _LONE_SURROGATE.search(value):
        yield _problem(path, "Member must be valid Unicode")
    pattern, enum = limits.get("pattern"), limits.get("enum")
    if pattern and not re.fullmatch(linear_pattern(pattern), value):
        yield _problem(path, f"Member must satisfy regular expression pattern: {pattern}")
    if enum and value not in enum:
        yield _problem(path, f"Member must satisfy enum value set: {sorted(enum)}")


def linear_pattern(pattern: str) -> str:
    """Return an equivalent of a pattern of the model that takes linear time."""
    return _LINEAR_PATTERNS.get(pattern, pattern)


def _number_problems(limits: Mapping[str, Any], value: float, path: str) -> Iterator[str]:
    if abs(value) > sys.float_info.max or math.isnan(value):
        yield _problem(path, "Member must be a finite number")
        return
    low, high = limits.get("min"), limits.get("max")
    if high is not None and value > high:
        yield _problem(path, f"Member must have value less than or equal to {high}")
    if low is not None and value < low:
        yield _problem(path, f"Member must have value greater than or equal to {low}")


def _prune(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape):
        return {
            name: _prune(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if isinstance(shape, ListShape):
        return [_prune(shape.member, member) for member in value]
    return value
