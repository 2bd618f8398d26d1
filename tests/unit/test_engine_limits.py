"""Every limit of botocore's models is held by the engine, in every member of every operation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape

from local.personalize.action_requests import (
    parse_action_recommendations,
    parse_put_action_interactions,
    parse_put_actions,
)
from local.personalize.errors import InvalidInputError
from local.personalize.requests import (
    parse_put_events,
    parse_put_items,
    parse_put_users,
    parse_ranking,
    parse_recommendations,
)
from local.personalize.shapes import EVENTS, RUNTIME, operation_model, service_model
from tests.support.personalize_calls import INPUTS, MEMBERS_LEFT_OUT

PARSERS = {
    "GetRecommendations": parse_recommendations,
    "GetPersonalizedRanking": parse_ranking,
    "GetActionRecommendations": parse_action_recommendations,
    "PutEvents": parse_put_events,
    "PutActionInteractions": parse_put_action_interactions,
    "PutItems": parse_put_items,
    "PutUsers": parse_put_users,
    "PutActions": parse_put_actions,
}
Path = tuple[str | int, ...]


def shapes_of(shape: Shape, value: Any, path: Path = ()) -> Iterator[tuple[Path, Shape]]:
    """Return every shape of an input with the path to it in the example."""
    yield path, shape
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if name in value:
                yield from shapes_of(member, value[name], (*path, name))
    elif isinstance(shape, ListShape):
        yield from shapes_of(shape.member, value[0], (*path, 0))
    elif isinstance(shape, MapShape):
        yield from shapes_of(shape.value, next(iter(value.values())), (*path, next(iter(value))))


def wrong_values(shape: Shape, value: Any) -> Iterator[Any]:
    """Return values that break one limit of a shape each."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    yield True
    if shape.type_name == "string":
        yield from ["x" * (high + 1)] if high is not None else []
        yield from [""] if low else []
        pattern = shape.metadata.get("pattern")
        yield from [each for each in ("-", " ", "\n") if pattern and not re.fullmatch(pattern, each)][:1]
    elif shape.type_name in ("integer", "float"):
        yield from [low - 1] if low is not None else []
        yield from [high + 1] if high is not None else []
    elif isinstance(shape, ListShape):
        yield from [value[:1] * (high + 1)] if high is not None else []
        yield from [[]] if low else []
    elif isinstance(shape, MapShape):
        only = next(iter(value.values()))
        yield from [{f"KEY{number}": only for number in range(high + 1)}] if high is not None else []
        yield from ({key: only} for key in wrong_values(shape.key, "") if isinstance(key, str))
    elif isinstance(shape, StructureShape):
        for name in shape.required_members:
            yield {member: kept for member, kept in value.items() if member != name}


def replaced(body: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    copy = deepcopy(body)
    part = copy
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return copy


def value_at(body: Any, path: Path) -> Any:
    for step in path:
        body = body[step]
    return body


def input_shape(service: str, operation: str) -> Shape:
    shape = operation_model(service, operation).input_shape
    assert shape is not None
    return shape


def cases() -> Iterator[Any]:
    for (service, operation), body in INPUTS.items():
        for path, shape in shapes_of(input_shape(service, operation), body):
            for number, wrong in enumerate(wrong_values(shape, value_at(body, path))):
                if path or number:  # a body that is no object is the server's matter
                    name = f"{operation}.{'.'.join(map(str, path))}-{number}"
                    yield pytest.param(operation, replaced(body, path, wrong), id=name)


@pytest.mark.parametrize(("operation", "body"), list(cases()))
def test_a_value_beyond_one_limit_is_refused(operation: str, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        PARSERS[operation](body)


@pytest.mark.parametrize("call", INPUTS, ids=lambda call: call[1])
def test_the_example_of_an_operation_is_accepted_and_has_every_member(call: tuple[str, str]) -> None:
    PARSERS[call[1]](INPUTS[call])

    def missing(shape: Shape, value: Any, left_out: set[str]) -> Iterator[str]:
        for _, each in shapes_of(shape, value):
            if isinstance(each, StructureShape):
                yield from set(each.members) - left_out

    seen = {step for path, _ in shapes_of(input_shape(*call), INPUTS[call]) for step in path}
    assert set(missing(input_shape(*call), INPUTS[call], MEMBERS_LEFT_OUT.get(call, set()))) <= seen


def test_every_operation_of_the_services_has_an_example() -> None:
    known = {
        (service, name) for service in (RUNTIME, EVENTS) for name in service_model(service).operation_names
    }
    assert known == set(INPUTS)
    assert set(PARSERS) == {name for _, name in known}
