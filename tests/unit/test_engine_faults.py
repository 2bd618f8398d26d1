"""Which fault a request gets, and which settings are refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from local.personalize.errors import FaultSettingError, InvalidInputError
from local.personalize.faults import (
    CAMPAIGN_OPERATIONS,
    OPERATIONS,
    Faults,
    FaultSettings,
    InjectedFault,
    Reset,
    campaign_name,
    parse_settings,
)
from local.personalize.requests import Event, PutEventsRequest

EVERY_RATE = ("resetRate", "throttleRate", "errorRate", "lostAnswerRate", "stallRate")


def draw(
    count: int, operation: str = "PutEvents", campaign: str | None = None, /, **settings: Any
) -> list[InjectedFault]:
    faults = Faults(parse_settings(settings))
    return [faults.next_fault(operation, campaign) for _ in range(count)]


def outcome(fault: InjectedFault) -> str:
    if fault.error:
        return fault.error.code
    if fault.reset:
        return fault.reset.value
    return "stalled" if fault.stalled else "served"


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
        ({"stallRate": 1}, "stalled"),
        ({"accessDenied": True}, "AccessDeniedException"),
    ],
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_fault_with_rate_one_affects_every_request(
    settings: dict[str, Any], expected: str, operation: str
) -> None:
    assert {outcome(fault) for fault in draw(50, operation, **settings)} == {expected}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_missing_campaign_affects_the_operations_that_name_one(operation: str) -> None:
    names_one = operation in CAMPAIGN_OPERATIONS
    assert names_one == operation.startswith("Get")
    expected = "ResourceNotFoundException" if names_one else "served"
    assert outcome(draw(1, operation, campaignMissing=True)[0]) == expected


def test_of_several_faults_a_request_gets_the_first_in_the_documented_order() -> None:
    faults = [
        ("resetRate", 1, "reset"),
        ("accessDenied", True, "AccessDeniedException"),
        ("campaignMissing", True, "ResourceNotFoundException"),
        ("throttleRate", 1, "ThrottlingException"),
        ("errorRate", 1, "ServiceUnavailable"),
        ("lostAnswerRate", 1, "lostAnswer"),
        ("stallRate", 1, "stalled"),
    ]
    for first, (_, _, expected) in enumerate(faults):
        settings: dict[str, Any] = {key: value for key, value, _ in faults[first:]}
        assert outcome(draw(1, "GetRecommendations", **settings)[0]) == expected


def test_rates_hold_and_are_independent() -> None:
    found = Counter(outcome(fault) for fault in draw(4000, seed=1, throttleRate=0.3, errorRate=0.1))
    assert 0.25 < found["ThrottlingException"] / 4000 < 0.35
    assert 0.05 < found["ServiceUnavailable"] / 4000 < 0.09


def test_the_same_seed_gives_the_same_faults() -> None:
    settings: dict[str, Any] = {"seed": 7} | dict.fromkeys(EVERY_RATE, 0.2)
    first, second = ([outcome(fault) for fault in draw(200, **settings)] for _ in range(2))
    assert first == second
    assert len(set(first)) == 6


@pytest.mark.parametrize(
    ("rate", "name"),
    [
        ("resetRate", "reset"),
        ("throttleRate", "ThrottlingException"),
        ("errorRate", "ServiceUnavailable"),
        ("lostAnswerRate", "lostAnswer"),
        ("stallRate", "stalled"),
    ],
)
def test_switching_the_other_faults_off_does_not_move_a_fault(rate: str, name: str) -> None:
    together = [outcome(fault) for fault in draw(300, seed=7, **dict.fromkeys(EVERY_RATE, 0.2))]
    alone = [outcome(fault) for fault in draw(300, seed=7, **{rate: 0.2})]
    affected = [number for number, found in enumerate(together) if found == name]
    assert affected
    assert all(alone[number] == name for number in affected)


def test_latency_delays_every_request_and_the_failing_ones_too() -> None:
    assert {fault.delay_seconds for fault in draw(3, latencyMs=250, throttleRate=1)} == {0.25}


def test_other_operations_get_no_fault() -> None:
    settings = {"operations": ["PutEvents"], "throttleRate": 1, "latencyMs": 100}
    assert draw(1, "GetRecommendations", **settings) == [InjectedFault()]
    assert outcome(draw(1, "PutEvents", **settings)[0]) == "ThrottlingException"


@pytest.mark.parametrize("operation", CAMPAIGN_OPERATIONS)
def test_other_campaigns_get_no_fault(operation: str) -> None:
    settings = {"campaigns": ["local", "ranking"], "throttleRate": 1, "latencyMs": 100}
    assert outcome(draw(1, operation, "local", **settings)[0]) == "ThrottlingException"
    assert outcome(draw(1, operation, "ranking", **settings)[0]) == "ThrottlingException"
    assert draw(1, operation, "popular", **settings) == [InjectedFault()]
    assert draw(1, operation, None, **settings) == [InjectedFault()]


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - set(CAMPAIGN_OPERATIONS)))
def test_operations_without_a_campaign_get_no_fault_of_a_campaign(operation: str) -> None:
    settings = {"campaigns": ["local"], "throttleRate": 1, "latencyMs": 100}
    assert draw(1, operation, None, **settings) == [InjectedFault()]
    assert draw(1, operation, "local", **settings) == [InjectedFault()]


def test_operation_and_campaign_both_have_to_match() -> None:
    settings = {"operations": ["GetRecommendations"], "campaigns": ["local"], "throttleRate": 1}
    assert outcome(draw(1, "GetRecommendations", "local", **settings)[0]) == "ThrottlingException"
    assert draw(1, "GetPersonalizedRanking", "local", **settings) == [InjectedFault()]
    assert draw(1, "GetRecommendations", "popular", **settings) == [InjectedFault()]


def test_a_choice_of_campaigns_does_not_move_the_faults() -> None:
    faults = Faults(parse_settings({"seed": 7, "throttleRate": 0.5, "campaigns": ["local"]}))
    mixed = []
    for _ in range(100):
        mixed.append(outcome(faults.next_fault("GetRecommendations", "local")))
        assert outcome(faults.next_fault("GetRecommendations", "popular")) == "served"
    alone = [outcome(fault) for fault in draw(200, "GetRecommendations", seed=7, throttleRate=0.5)]
    assert mixed == alone[::2]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"campaignArn": "arn:aws:personalize:us-east-1:000000000000:campaign/local"}, "local"),
        ({"recommenderArn": "arn:aws:personalize:us-east-1:000000000000:recommender/shop"}, "shop"),
        ({"campaignArn": None, "recommenderArn": "recommender/shop"}, "shop"),
        ({"campaignArn": "no-arn"}, "no-arn"),
        ({"campaignArn": ["local"]}, None),
        ({"campaignArn": 1}, None),
        ({"campaignArn": ""}, None),
        ({}, None),
    ],
)
def test_the_name_of_a_campaign_is_the_last_part_of_its_arn(body: dict[str, Any], name: str | None) -> None:
    assert campaign_name(body) == name


def request_of(*events: tuple[str, str | None]) -> PutEventsRequest:
    return PutEventsRequest("s", None, tuple(Event(None, kind, 1, item) for kind, item in events))


def test_a_marked_item_or_event_type_makes_the_call_invalid() -> None:
    faults = Faults(parse_settings({"invalidItemIds": ["bad"], "invalidEventTypes": ["worse"]}))
    faults.refuse_marked(request_of(("view", "good"), ("view", None)))
    with pytest.raises(InvalidInputError, match=r"eventList\.2\.member\.itemId"):
        faults.refuse_marked(request_of(("view", "good"), ("view", "bad")))
    with pytest.raises(InvalidInputError, match=r"eventList\.1\.member\.eventType"):
        faults.refuse_marked(request_of(("worse", "good")))


@pytest.mark.parametrize("limit", [{"campaigns": ["local"]}, {"operations": ["PutActionInteractions"]}])
def test_a_marked_item_is_valid_where_the_faults_do_not_reach(limit: dict[str, Any]) -> None:
    Faults(parse_settings({"invalidItemIds": ["bad"]} | limit)).refuse_marked(request_of(("view", "bad")))


def test_settings_come_back_as_they_were_put() -> None:
    settings = {
        "seed": 3,
        "operations": ["PutEvents", "GetRecommendations"],
        "campaigns": ["local", "popular"],
        "latencyMs": 5,
        "resetRate": 0.1,
        "lostAnswerRate": 0.2,
        "stallRate": 0.5,
        "accessDenied": True,
        "campaignMissing": True,
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
        (
            {"campaigns": ["locale"]},
            "'campaigns' must be a list of names out of local, popular, similar, ranking, actions",
        ),
        ({"campaigns": "local"}, "campaigns"),
        ({"campaigns": [["local"]]}, "campaigns"),
        ({"stallRate": -0.1}, "stallRate"),
        ({"campaignMissing": 1}, "campaignMissing"),
        ({"invalidItemIds": [1]}, "invalidItemIds"),
        ([], "JSON object"),
    ],
)
def test_an_invalid_setting_is_refused_by_name(settings: Any, named: str) -> None:
    with pytest.raises(FaultSettingError, match=named):
        parse_settings(settings)
