"""An engine that forgot a person is the engine that never saw the person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.personalize import CAMPAIGN_ARNS, FILTER_ARN_PREFIX
from local.personalize.action_requests import parse_action_recommendations
from local.personalize.engine import Engine
from local.personalize.errors import InvalidInputError
from local.personalize.forget import ForgetRequest, forget, parse_forget
from local.personalize.imports import read_folder
from local.personalize.loading import load
from local.personalize.requests import Record, parse_recommendations
from local.personalize.store import MAX_SESSION_IDS
from tests.support.engine_clients import write_filters
from tests.support.engine_rows import SENT_AT, Sent, call, left, new_store

# The request


@pytest.mark.parametrize("user_id", ["ann", "x" * 256, 'a"b', "100%", "漢😀", "a\0b", " "])
def test_every_text_of_1_to_256_characters_is_an_id(user_id: str) -> None:
    assert parse_forget({"userId": user_id}) == ForgetRequest(user_id)
    body = {"userId": "ann", "sessionIds": [user_id, ""]}
    assert parse_forget(body) == ForgetRequest("ann", (user_id, ""))


BAD = [
    {},
    {"userId": None},
    {"userId": 7},
    {"userId": ["secret"]},
    {"userId": ""},
    {"userId": "secret" * 50},
    {"userId": "secret\ud83d"},
    {"userId": "secret", "sessionIds": None},
    {"userId": "secret", "sessionIds": "secret"},
    {"userId": "secret", "sessionIds": {"secret": 1}},
    {"userId": "secret", "sessionIds": ["s", 7]},
    {"userId": "secret", "sessionIds": ["secret\ud83d"]},
    {"userId": "secret", "sessionIds": ["s"] * (MAX_SESSION_IDS + 1)},
    {"userId": "secret", "sessionsIds": []},
    {"secret": "secret"},
]


@pytest.mark.parametrize("body", BAD)
def test_other_requests_are_refused_without_repeating_an_id(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_forget(body)
    assert "secret" not in str(raised.value)


# The engine

ITEMS, ACTIONS, USERS = ["i1", "i2", "i3", "i4"], ["a1", "a2"], ["ann", "anna", "bob"]
SESSIONS = ["s1", "s2", "s3", "ann"]
FILTERS = {
    "viewed": 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view")',
    "taken": 'INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("taken")',
    "members": 'EXCLUDE ItemID WHERE Items.GENRE IN ("drama") IF CurrentUser.MEMBER = 1',
    "secrets": 'EXCLUDE ItemID WHERE Items.GENRE IN ("drama") IF CurrentUser.SECRET = 1',
}


def write_folder(folder: Path, imported: Sequence[tuple[str, str]], users: Sequence[str]) -> Path:
    folder.mkdir()
    rows = [f"{user},{item},{number},view" for number, (user, item) in enumerate(imported)]
    (folder / "interactions.csv").write_text("\n".join(["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE", *rows]))
    (folder / "items.csv").write_text("ITEM_ID,GENRE\ni1,drama\ni2,comedy\n")
    (folder / "users.csv").write_text("\n".join(["USER_ID,MEMBER", *(f"{user},1" for user in users)]))
    (folder / "actions.csv").write_text("ACTION_ID,VALUE\na1,5\n")
    write_filters(folder, FILTERS)
    return folder


class Running:
    """An engine with its store and data folder, without HTTP."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.store = new_store(data / "events.db")
        self.engine = Engine(lambda: "id", clock=lambda: SENT_AT)
        load(self.engine, read_folder(data), self.store.contents())

    def send(self, sent: Sequence[Sent]) -> None:
        for each in sent:
            if each[0] == "user":
                records = [Record(each[1] or "", {"secret": 1})]
                self.store.put_records("user", records)
                self.engine.put_users(records)
            else:
                made = call(*each)
                self.engine.accept(made, self.store.append([made])[0])

    def forget(self, user_id: str, *session_ids: str) -> dict[str, int]:
        rest = self.engine.unloaded()
        removed = forget(self.store, self.data, ForgetRequest(user_id, session_ids), rest)
        self.engine.adopt(rest)
        self.store.erase()
        return removed

    def responses(self) -> list[Any]:
        """Return what the engine responds about every user and session."""
        asked = dict.fromkeys([*USERS, *SESSIONS, "stranger"])
        return [self.engine.sizes(), left(self.store), [self._responses_to(each) for each in asked]]

    def _responses_to(self, user_id: str) -> list[Any]:
        def recommend(name: str | None, campaign: str = "local") -> Any:
            body = {"campaignArn": CAMPAIGN_ARNS[campaign], "userId": user_id}
            if name is not None:
                body["filterArn"] = FILTER_ARN_PREFIX + name
            try:
                if campaign == "actions":
                    return self.engine.recommend_actions(parse_action_recommendations(body))
                return self.engine.recommend(parse_recommendations(body))
            except InvalidInputError as error:
                return error.message

        items = [recommend(name) for name in (None, "viewed", "members", "secrets")]
        actions = [recommend(name, "actions") for name in (None, "taken")]
        return [*items, recommend(None, "popular"), *actions]


@contextmanager
def running(data: Path) -> Iterator[Running]:
    engine = Running(data)
    with closing(engine.store):
        engine.engine.refit()
        yield engine


SENDERS = st.sampled_from([*USERS, None])
SENT = st.lists(
    st.one_of(
        st.tuples(st.just("event"), SENDERS, st.sampled_from(SESSIONS), st.sampled_from(ITEMS)),
        st.tuples(st.just("action"), SENDERS, st.sampled_from(SESSIONS), st.sampled_from(ACTIONS)),
        st.tuples(st.just("user"), st.sampled_from(USERS), st.just(""), st.just("")),
    ),
    max_size=12,
)


@dataclass(frozen=True)
class Scenario:
    """The data folder, what is sent before and after ann is forgotten, and the sessions that are named."""

    imported: list[tuple[str, str]]
    members: list[str]
    before: list[Sent]
    sessions: list[str]
    after: list[Sent]

    def without_ann(self) -> Scenario:
        """Return what is left of it when ann was never there."""
        hers = {each[2] for each in self.before if each[1] == "ann"} | {*self.sessions}
        return Scenario(
            [row for row in self.imported if row[0] != "ann"],
            [each for each in self.members if each != "ann"],
            [each for each in self.before if each[1] != "ann" and (each[1] or each[2] not in hers)],
            self.sessions,
            self.after,
        )

    def rows(self) -> int:
        """Return the number of rows before ann is forgotten. A user who is put again has one record."""
        sent = [each for each in self.before if each[0] != "user"]
        records = {each[1] for each in self.before if each[0] == "user"}
        return len(self.imported) + len(self.members) + len(sent) + len(records)


SCENARIOS = st.builds(
    Scenario,
    imported=st.lists(st.tuples(st.sampled_from(USERS), st.sampled_from([*ITEMS, "i5"])), max_size=6),
    members=st.sets(st.sampled_from(USERS)).map(sorted),
    before=SENT,
    sessions=st.sets(st.sampled_from(SESSIONS)).map(sorted),
    after=SENT,
)


@settings(max_examples=40)
@given(scenario=SCENARIOS)
def test_an_engine_that_forgot_is_one_that_never_saw(
    scenario: Scenario, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, never = tmp_path_factory.mktemp("forget"), scenario.without_ann()
    saw_data = write_folder(folder / "saw", scenario.imported, scenario.members)
    never_data = write_folder(folder / "never", never.imported, never.members)
    with running(saw_data) as saw, running(never_data) as expected:
        saw.send(scenario.before)
        expected.send(never.before)
        expected.engine.refit()
        removed = saw.forget("ann", *scenario.sessions)
        assert sum(removed.values()) == scenario.rows() - never.rows()
        assert saw.responses() == expected.responses()
        assert set(saw.forget("ann", *scenario.sessions).values()) == {0}
        for each in (saw, expected):
            each.send(scenario.after)
            each.engine.refit()
        assert saw.responses() == expected.responses()
    with running(saw_data) as saw, running(never_data) as expected:
        assert saw.responses() == expected.responses()


def test_changes_of_the_data_folder_take_effect(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data", [], [])
    with running(data) as engine:
        with (data / "items.csv").open("a") as file:
            file.write("new,comedy\n")
        write_filters(data, {"new": 'INCLUDE ItemID WHERE Items.GENRE IN ("comedy")'})
        engine.forget("ann")
        body = {
            "campaignArn": CAMPAIGN_ARNS["local"],
            "userId": "bob",
            "filterArn": FILTER_ARN_PREFIX + "new",
        }
        found = engine.engine.recommend(parse_recommendations(body))
        assert [item["itemId"] for item in found["itemList"]] == ["i2", "new"]
