"""Which fault strikes, and that the settings cannot be mistaken."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from local.personalize.errors import FaultSettingError, InvalidInputError
from local.personalize.faults import Cut, Faults, FaultSettings, Strike, parse_settings
from local.personalize.requests import Event, PutEventsRequest


def strikes(count: int, operation: str = "PutEvents", **settings: Any) -> list[Strike]:
    faults = Faults(parse_settings(settings))
    return [faults.strike(operation) for _ in range(count)]


def outcome(strike: Strike) -> str:
    return strike.error.code if strike.error else strike.cut.value if strike.cut else "served"


def test_nothing_strikes_at_first() -> None:
    assert {outcome(strike) for strike in strikes(100)} == {"served"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"throttleRate": 1}, "ThrottlingException"),
        ({"errorRate": 1}, "ServiceUnavailable"),
        ({"errorRate": 1, "errorStatus": 500}, "InternalFailure"),
        ({"resetRate": 1}, Cut.BEFORE.value),
        ({"lostAnswerRate": 1}, Cut.AFTER.value),
        ({"accessDenied": True}, "AccessDeniedException"),
    ],
)
def test_a_certain_fault_strikes_every_request(settings: dict[str, Any], expected: str) -> None:
    assert {outcome(strike) for strike in strikes(50, **settings)} == {expected}


def test_rates_hold_and_are_independent() -> None:
    found = Counter(outcome(strike) for strike in strikes(4000, seed=1, throttleRate=0.3, errorRate=0.1))
    assert 0.25 < found["ThrottlingException"] / 4000 < 0.35
    assert 0.05 < found["ServiceUnavailable"] / 4000 < 0.09


def test_the_same_seed_brings_the_same_fortune() -> None:
    settings = {"seed": 7, "throttleRate": 0.2, "resetRate": 0.2, "errorRate": 0.2, "lostAnswerRate": 0.2}
    first, second = ([outcome(strike) for strike in strikes(200, **settings)] for _ in range(2))
    assert first == second
    assert len(set(first)) == 5


def test_switching_one_fault_off_leaves_the_fortune_of_the_others() -> None:
    both = [outcome(strike) for strike in strikes(300, seed=7, throttleRate=0.2, errorRate=0.2)]
    alone = [outcome(strike) for strike in strikes(300, seed=7, errorRate=0.2)]
    errors = [number for number, what in enumerate(both) if what == "ServiceUnavailable"]
    assert errors
    assert all(alone[number] == "ServiceUnavailable" for number in errors)


def test_latency_delays_every_request_also_the_failing_ones() -> None:
    assert {strike.delay_seconds for strike in strikes(3, latencyMs=250, throttleRate=1)} == {0.25}


def test_other_operations_are_spared() -> None:
    settings = {"operations": ["PutEvents"], "throttleRate": 1, "latencyMs": 100}
    assert strikes(1, "GetRecommendations", **settings) == [Strike()]
    assert outcome(strikes(1, "PutEvents", **settings)[0]) == "ThrottlingException"


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
def test_a_setting_that_means_nothing_is_refused_by_name(settings: Any, named: str) -> None:
    with pytest.raises(FaultSettingError, match=named):
        parse_settings(settings)
