"""Which fault a request gets, and which settings are refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from local.personalize.errors import FaultSettingError, InvalidInputError
from local.personalize.faults import Faults, FaultSettings, InjectedFault, Reset, parse_settings
from local.personalize.requests import Event, PutEventsRequest


def draw(count: int, operation: str = "PutEvents", **settings: Any) -> list[InjectedFault]:
    faults = Faults(parse_settings(settings))
    return [faults.next_fault(operation) for _ in range(count)]


def outcome(fault: InjectedFault) -> str:
    return fault.error.code if fault.error else fault.reset.value if fault.reset else "served"


def test_all_faults_are_off_at_the_start() -> None:
    assert {outcome(fault) for fault in draw(100)} == {"served"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"throttleRate": 1}, "ThrottlingException"),
        ({"errorRate": 1}, "ServiceUnavailable"),
        ({"errorRate": 1, "errorStatus": 500}, "InternalFailure"),
        ({"resetRate": 1}, Reset.BEFORE_REQUEST.value),
        ({"lostAnswerRate": 1}, Reset.AFTER_REQUEST.value),
        ({"accessDenied": True}, "AccessDeniedException"),
    ],
)
def test_a_fault_with_rate_one_affects_every_request(settings: dict[str, Any], expected: str) -> None:
    assert {outcome(fault) for fault in draw(50, **settings)} == {expected}


def test_rates_hold_and_are_independent() -> None:
    found = Counter(outcome(fault) for fault in draw(4000, seed=1, throttleRate=0.3, errorRate=0.1))
    assert 0.25 < found["ThrottlingException"] / 4000 < 0.35
    assert 0.05 < found["ServiceUnavailable"] / 4000 < 0.09


def test_the_same_seed_gives_the_same_faults() -> None:
    settings: dict[str, Any] = {
        "seed": 7,
        "throttleRate": 0.2,
        "resetRate": 0.2,
        "errorRate": 0.2,
        "lostAnswerRate": 0.2,
    }
    first, second = ([outcome(fault) for fault in draw(200, **settings)] for _ in range(2))
    assert first == second
    assert len(set(first)) == 5


def test_switching_one_fault_off_does_not_move_the_others() -> None:
    both = [outcome(fault) for fault in draw(300, seed=7, throttleRate=0.2, errorRate=0.2)]
    alone = [outcome(fault) for fault in draw(300, seed=7, errorRate=0.2)]
    errors = [number for number, name in enumerate(both) if name == "ServiceUnavailable"]
    assert errors
    assert all(alone[number] == "ServiceUnavailable" for number in errors)


def test_latency_delays_every_request_and_the_failing_ones_too() -> None:
    assert {fault.delay_seconds for fault in draw(3, latencyMs=250, throttleRate=1)} == {0.25}


def test_other_operations_get_no_fault() -> None:
    settings = {"operations": ["PutEvents"], "throttleRate": 1, "latencyMs": 100}
    assert draw(1, "GetRecommendations", **settings) == [InjectedFault()]
    assert outcome(draw(1, "PutEvents", **settings)[0]) == "ThrottlingException"


def request_of(*events: tuple[str, str | None]) -> PutEventsRequest:
    return PutEventsRequest("s", None, tuple(Event(None, kind, 1, item) for kind, item in events))


def test_a_marked_item_or_event_type_makes_the_call_invalid() -> None:
    faults = Faults(parse_settings({"invalidItemIds": ["bad"], "invalidEventTypes": ["worse"]}))
    faults.refuse_marked(request_of(("view", "good"), ("view", None)))
    with pytest.raises(InvalidInputError, match=r"eventList\.2\.member\.itemId"):
        faults.refuse_marked(request_of(("view", "good"), ("view", "bad")))
    with pytest.raises(InvalidInputError, match=r"eventList\.1\.member\.eventType"):
        faults.refuse_marked(request_of(("worse", "good")))


def test_settings_come_back_as_they_were_put() -> None:
    settings = {
        "seed": 3,
        "operations": ["PutEvents", "GetRecommendations"],
        "latencyMs": 5,
        "resetRate": 0.1,
        "lostAnswerRate": 0.2,
        "accessDenied": True,
        "throttleRate": 0.3,
        "errorRate": 0.4,
        "errorStatus": 500,
        "invalidItemIds": ["a"],
        "invalidEventTypes": ["b"],
    }
    parsed = parse_settings(settings).as_json()
    assert {
        key: list(value) if isinstance(value, tuple) else value for key, value in parsed.items()
    } == settings
    assert parse_settings({}) == FaultSettings()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"throttlerate": 0.5}, "throttlerate"),
        ({"throttleRate": 1.5}, "throttleRate"),
        ({"throttleRate": True}, "throttleRate"),
        ({"errorRate": float("nan")}, "errorRate"),
        ({"errorStatus": 418}, "errorStatus"),
        ({"latencyMs": -1}, "latencyMs"),
        ({"seed": "x"}, "seed"),
        ({"accessDenied": 1}, "accessDenied"),
        ({"operations": ["PutEvent"]}, "operations"),
        ({"operations": "PutEvents"}, "operations"),
        ({"invalidItemIds": [1]}, "invalidItemIds"),
        ([], "JSON object"),
    ],
)
def test_an_invalid_setting_is_refused_by_name(settings: Any, named: str) -> None:
    with pytest.raises(FaultSettingError, match=named):
        parse_settings(settings)
