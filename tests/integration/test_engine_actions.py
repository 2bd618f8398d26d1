"""Actions of the engine, as boto3 sees them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.personalize import (
    ACTIONS_DATASET_ARN,
    CAMPAIGN_ARN,
    CAMPAIGN_ARNS,
    FILTER_ARN_PREFIX,
    TRACKING_ID,
)
from local.personalize.process import running_engine
from tests.support.engine_clients import INVALID, NOT_FOUND, EngineClients, error_of, write_filters

FILTERS = {
    "valuable": "INCLUDE ActionID WHERE Actions.VALUE > ($VALUE)",
    "not-refused": 'EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("NOT_TAKEN")',
    "taken": 'INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("taken")',
    "for-members": 'EXCLUDE ActionID WHERE Actions.KIND IN ("paid") IF CurrentUser.MEMBER = 1',
    "items": 'INCLUDE ItemID WHERE Items.GENRE IN ("drama")',
}
ACTIONS = [
    ("join", 9, "free", ""),
    ("renew", 5, "free", ""),
    ("donate", 7, "paid", ""),
    ("visit", 1, "free", "4000000000"),
    ("last-year", 9, "free", "1700000000"),
]


def write_folder(folder: Path) -> Path:
    (folder / "interactions.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\nu,i,1,view\n")
    (folder / "users.csv").write_text("USER_ID,MEMBER\nmember,1\nguest,0\n")
    rows = [",".join(map(str, action)) for action in ACTIONS]
    header = "ACTION_ID,VALUE,KIND,ACTION_EXPIRATION_TIMESTAMP"
    (folder / "actions.csv").write_text("\n".join([header, *rows]))
    write_filters(folder, FILTERS)
    return folder


class Caller(EngineClients):
    """Short forms of the calls in this file."""

    def recommend(self, user: str, name: str | None = None, **arguments: Any) -> list[str]:
        if name is not None:
            arguments["filterArn"] = FILTER_ARN_PREFIX + name
        arguments = {"campaignArn": CAMPAIGN_ARNS["actions"], "userId": user} | arguments
        found = self.runtime.get_action_recommendations(**arguments)
        assert found["recommendationId"]
        return [action["actionId"] for action in found["actionList"]]

    def record(self, *interactions: dict[str, Any]) -> None:
        defaults = {"sessionId": "s", "timestamp": time.time(), "eventType": "Taken"}
        sent = [defaults | interaction for interaction in interactions]
        self.events.put_action_interactions(trackingId=TRACKING_ID, actionInteractions=sent)

    def recorded(self, user: str) -> list[dict[str, Any]]:
        found = self.engine.control("GET", "/_engine/action-interactions")["actionInteractions"]
        return [each for each in found if each["userId"] == user]


@contextmanager
def running(folder: Path) -> Iterator[Caller]:
    with (
        running_engine(data=folder, database=folder / "events.db") as engine,
        closing(Caller(engine)) as each,
    ):
        yield each


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with running(write_folder(tmp_path_factory.mktemp("data"))) as each:
        yield each


@pytest.fixture
def user() -> str:
    return f"user-{uuid.uuid4()}"


def test_actions_are_recommended_until_they_are_taken_or_expire(caller: Caller, user: str) -> None:
    assert caller.recommend(user, numResults=4) == ["join", "donate", "renew", "visit"]
    assert "last-year" not in caller.recommend(user, numResults=100)
    assert len(caller.recommend(user, numResults=2)) == 2
    caller.record(
        {"actionId": "join", "userId": user},
        {"actionId": "renew", "userId": user, "eventType": "Viewed"},
        {"actionId": "visit", "userId": user, "eventType": "Not Taken"},
    )
    assert {"renew", "visit", "donate"} <= set(caller.recommend(user))
    assert "join" not in caller.recommend(user)


def test_an_action_comes_again_after_its_repeat_frequency(caller: Caller, user: str) -> None:
    action = {"actionId": f"of-{user}", "properties": json.dumps({"repeatFrequency": 2, "value": 0})}
    caller.events.put_actions(datasetArn=ACTIONS_DATASET_ARN, actions=[action])
    for days_ago, comes in ((1, False), (3, True)):
        somebody = f"{user}-{days_ago}"
        then = time.time() - days_ago * 86_400
        caller.record({"actionId": f"of-{user}", "userId": somebody, "timestamp": then})
        for name in (None, "not-refused"):
            assert (f"of-{user}" in caller.recommend(somebody, name, numResults=100)) == comes


def test_what_users_take_is_learnt(caller: Caller, user: str) -> None:
    for number in range(8):
        taker = f"{user}-{number}"
        caller.record(*({"actionId": name, "userId": taker} for name in ("donate", "visit")))
    caller.record({"actionId": "donate", "userId": user})
    deadline = time.monotonic() + 20
    while caller.recommend(user)[0] != "visit":
        assert time.monotonic() < deadline, "not learnt in time"
        time.sleep(0.05)


def test_filters_act_on_actions(caller: Caller, user: str) -> None:
    caller.record(
        {"actionId": "join", "userId": user},
        {"actionId": "visit", "userId": user, "eventType": "Not Taken"},
    )
    assert set(caller.recommend(user, "valuable", filterValues={"VALUE": "6"})) == {"donate"}
    assert caller.recommend(user, "taken") == ["join"]
    refused = set(caller.recommend(user, "not-refused"))
    assert "visit" not in refused
    assert "join" in refused
    assert "donate" not in caller.recommend("member", "for-members")
    assert "donate" in caller.recommend("guest", "for-members")


def test_actions_that_are_put_appear_at_once(caller: Caller, user: str) -> None:
    def put(value: float) -> None:
        properties = json.dumps({"value": value, "kind": "new"})
        action = {"actionId": user, "properties": properties}
        caller.events.put_actions(datasetArn=ACTIONS_DATASET_ARN, actions=[action])

    put(50)
    assert caller.recommend(user, "valuable", filterValues={"VALUE": "20"}) == [user]
    put(2)
    assert caller.recommend(user, "valuable", filterValues={"VALUE": "20"}) == []


def test_what_the_service_refuses_is_refused(caller: Caller, user: str) -> None:
    assert error_of(lambda: caller.recommend(user, campaignArn=CAMPAIGN_ARN)) == INVALID
    assert error_of(lambda: caller.recommend(user, numResults=101)) == INVALID
    assert error_of(lambda: caller.recommend("")) == INVALID
    assert error_of(lambda: caller.recommend(user, "items")) == INVALID
    assert error_of(lambda: caller.recommend(user, "valuable")) == INVALID
    assert error_of(lambda: caller.recommend(user, "no-such-filter")) == NOT_FOUND
    assert error_of(lambda: caller.recommend(user, campaignArn=CAMPAIGN_ARN + "x")) == NOT_FOUND
    actions = CAMPAIGN_ARNS["actions"]
    assert error_of(lambda: caller.runtime.get_recommendations(campaignArn=actions, userId=user)) == INVALID
    put_actions = caller.events.put_actions
    new = {"actionId": "new"}
    assert error_of(lambda: put_actions(datasetArn=CAMPAIGN_ARN, actions=[new])) == NOT_FOUND
    assert error_of(lambda: put_actions(datasetArn=ACTIONS_DATASET_ARN, actions=[new] * 11)) == INVALID
    put_interactions = caller.events.put_action_interactions
    taken = {"actionId": "a", "sessionId": "s", "timestamp": 1, "eventType": "Taken", "userId": user}
    assert error_of(lambda: put_interactions(trackingId="x", actionInteractions=[taken])) == NOT_FOUND


@pytest.mark.parametrize(
    "wrong",
    [
        {"eventType": "clicked"},
        {"properties": "x" * 1025},
        {"properties": "[]"},
        {"impression": ["x"] * 26},
        {"actionId": "x" * 257},
        {"recommendationId": "x" * 41},
    ],
)
def test_one_wrong_interaction_refuses_the_whole_call(
    wrong: dict[str, Any], caller: Caller, user: str
) -> None:
    whose = {"actionId": "join", "userId": user}
    with pytest.raises(caller.events.exceptions.InvalidInputException) as raised:
        caller.record(whose, whose | wrong)
    assert "actionInteractions.2.member" in raised.value.response["Error"]["Message"]
    assert caller.recorded(user) == []


def test_eleven_interactions_are_refused(caller: Caller, user: str) -> None:
    assert error_of(lambda: caller.record(*[{"actionId": "join", "userId": user}] * 11)) == INVALID


def test_interactions_are_listed_once_and_kept_over_a_restart(tmp_path: Path, user: str) -> None:
    folder = write_folder(tmp_path)
    interaction = {"actionId": "join", "userId": user, "eventId": "once", "properties": '{"a": "b"}'}
    with running(folder) as caller:
        caller.record(interaction, interaction, {"actionId": "renew", "userId": user})
        caller.record(interaction)
        recorded = caller.recorded(user)
        assert [(each["eventId"] == "once", each["actionId"]) for each in recorded] == [
            (True, "join"),
            (False, "renew"),
        ]
        assert recorded[0]["properties"] == '{"a": "b"}'
        stats = caller.engine.control("GET", "/_engine/stats")
        assert stats["putActionInteractionsCalls"] == 2
        assert stats["actionInteractionsReceived"] == 4
        assert stats["actionInteractionsAccepted"] == stats["actionDuplicatesIgnored"] == 2
        caller.events.put_actions(datasetArn=ACTIONS_DATASET_ARN, actions=[{"actionId": "late"}])
    with running(folder) as caller:
        assert caller.recorded(user) == recorded
        assert not {"join", "renew"} & set(caller.recommend(user))
        assert "late" in caller.recommend(user)


def test_faults_affect_actions(caller: Caller, user: str) -> None:
    caller.engine.set_faults(operations=["PutActionInteractions"], throttleRate=1)
    try:
        throttled = ("ThrottlingException", 400)
        assert error_of(lambda: caller.record({"actionId": "join", "userId": user})) == throttled
        caller.engine.set_faults(invalidItemIds=["join"], invalidEventTypes=["Viewed"])
        assert error_of(lambda: caller.record({"actionId": "join", "userId": user})) == INVALID
        viewed = {"actionId": "renew", "userId": user, "eventType": "Viewed"}
        assert error_of(lambda: caller.record(viewed)) == INVALID
        assert caller.recorded(user) == []
    finally:
        caller.engine.control("DELETE", "/_engine/faults")
