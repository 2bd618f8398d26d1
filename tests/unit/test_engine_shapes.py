"""Request bodies are validated against botocore's own model of the service."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.model import ListShape, MapShape, StructureShape
from hypothesis import given
from hypothesis import strategies as st

from local.personalize.errors import InvalidInputError
from local.personalize.shapes import EVENTS, RUNTIME, check, operation_model, service_model

ARN = "arn:aws:personalize:us-east-1:000000000000:campaign/x"


def put_events(**event: Any) -> dict[str, Any]:
    return {
        "trackingId": "t",
        "sessionId": "s",
        "eventList": [{"eventType": "view", "sentAt": 1735689600, **event}],
    }


def problem_of(service: str, operation: str, body: dict[str, Any]) -> str:
    with pytest.raises(InvalidInputError) as raised:
        check(service, operation, body)
    return raised.value.message


def test_a_valid_body_is_returned_whole() -> None:
    body = put_events(itemId="i", eventValue=4.5, impression=["a", "b"], properties="{}")
    assert check(EVENTS, "PutEvents", body) == body


def test_unknown_members_and_nulls_are_dropped_at_every_level() -> None:
    body = put_events(itemId=None, unknown=1) | {"userId": None, "alsoUnknown": {}}
    assert check(EVENTS, "PutEvents", body) == put_events()


def test_every_missing_member_is_named() -> None:
    message = problem_of(EVENTS, "PutEvents", {})
    assert message.startswith("3 validation errors detected: ")
    for name in ("trackingId", "sessionId", "eventList"):
        assert f"'{name}' failed to satisfy constraint: Member must not be null" in message


def test_a_missing_member_of_an_event_is_named_by_its_path() -> None:
    body = put_events() | {"eventList": [{"eventType": "view", "sentAt": 1}, {"eventType": "view"}]}
    assert "'eventList.2.member.sentAt'" in problem_of(EVENTS, "PutEvents", body)


@pytest.mark.parametrize(
    ("event", "path", "constraint"),
    [
        ({"eventType": ""}, "eventType", "length greater than or equal to 1"),
        ({"eventType": "x" * 257}, "eventType", "length less than or equal to 256"),
        ({"itemId": "x" * 257}, "itemId", "length less than or equal to 256"),
        ({"itemId": 7}, "itemId", "must be a string"),
        ({"eventValue": "4"}, "eventValue", "must be a float"),
        ({"eventValue": True}, "eventValue", "must be a float"),
        ({"eventValue": 10**400}, "eventValue", "finite"),
        ({"eventValue": float("inf")}, "eventValue", "finite"),
        ({"sentAt": "2025-01-01T00:00:00Z"}, "sentAt", "must be a timestamp"),
        ({"sentAt": 1735689600000000}, "sentAt", "number of seconds"),
        ({"sentAt": -1}, "sentAt", "number of seconds"),
        ({"properties": {}}, "properties", "must be a string"),
        ({"properties": "x" * 1025}, "properties", "length less than or equal to 1024"),
        ({"impression": []}, "impression", "length greater than or equal to 1"),
        ({"impression": ["x"] * 26}, "impression", "length less than or equal to 25"),
        ({"impression": ["ok", ""]}, "impression.2.member", "length greater than or equal to 1"),
        ({"recommendationId": "x" * 41}, "recommendationId", "length less than or equal to 40"),
        ({"metricAttribution": {}}, "metricAttribution.eventAttributionSource", "must not be null"),
        ({"metricAttribution": {"eventAttributionSource": " "}}, "eventAttributionSource", "pattern"),
        ({"itemId": "half \ud83d"}, "itemId", "valid Unicode"),
    ],
)
def test_each_limit_of_an_event_is_checked(event: dict[str, Any], path: str, constraint: str) -> None:
    message = problem_of(EVENTS, "PutEvents", put_events(**event))
    assert path in message
    assert constraint in message


def test_ten_events_are_accepted_and_eleven_refused() -> None:
    event = {"eventType": "view", "sentAt": 1}
    check(EVENTS, "PutEvents", put_events() | {"eventList": [event] * 10})
    assert "'eventList'" in problem_of(EVENTS, "PutEvents", put_events() | {"eventList": [event] * 11})


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("campaignArn", "not-an-arn"),
        ("numResults", -1),
        ("numResults", 2.5),
        ("context", {f"key{n}": "v" for n in range(151)}),
        ("context", {"not a name": "v"}),
        ("context", {"key": "v" * 1001}),
        ("context", {"key": 1}),
        ("filterValues", {f"key{n}": "v" for n in range(26)}),
        ("promotions", [{"name": "a"}, {"name": "b"}]),
        ("promotions", [{"percentPromotedItems": 0}]),
        ("promotions", [{"percentPromotedItems": 101}]),
    ],
)
def test_each_limit_of_a_recommendation_is_checked(member: str, value: object) -> None:
    assert f"'{member}" in problem_of(RUNTIME, "GetRecommendations", {"campaignArn": ARN, member: value})


def test_no_value_is_repeated_in_an_error() -> None:
    message = problem_of(EVENTS, "PutEvents", put_events() | {"userId": "somebody" * 100})
    assert "somebody" not in message


def shapes_of(service: str) -> list[Any]:
    operations = [operation_model(service, name) for name in service_model(service).operation_names]
    found: list[Any] = [operation.input_shape for operation in operations]
    seen = []
    while found:
        shape = found.pop()
        seen.append(shape)
        if isinstance(shape, StructureShape):
            found.extend(shape.members.values())
        elif isinstance(shape, ListShape):
            found.append(shape.member)
        elif isinstance(shape, MapShape):
            found.extend((shape.key, shape.value))
    return seen


@pytest.mark.parametrize("service", [RUNTIME, EVENTS])
def test_the_model_has_no_kind_of_limit_or_type_that_is_not_checked(service: str) -> None:
    for shape in shapes_of(service):
        assert set(shape.metadata) <= {"required", "min", "max", "pattern", "enum", "sensitive"}, shape.name
        assert shape.type_name in {"structure", "list", "map", "string", "integer", "float", "timestamp"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)


BODIES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("trackingId", "userId", "sessionId", "eventList"), JSON)
)


@given(BODIES)
def test_any_body_is_accepted_or_refused_and_never_raises_another_error(body: dict[str, Any]) -> None:
    try:
        check(EVENTS, "PutEvents", body)
    except InvalidInputError as error:
        assert "failed to satisfy constraint" in error.message
