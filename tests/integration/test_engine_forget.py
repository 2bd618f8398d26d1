"""The engine forgets a person when it is asked over HTTP."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from local.personalize import (
    CAMPAIGN_ARN,
    CAMPAIGN_ARNS,
    FILTER_ARN_PREFIX,
    TRACKING_ID,
    USERS_DATASET_ARN,
)
from local.personalize.forget import MAX_BODY_BYTES
from local.personalize.process import EngineProcess, EngineProcessError, running_engine
from local.personalize.store import MAX_SESSION_IDS
from tests.support.engine_clients import EngineClients, write_filters

ANN = "ann's \"50 % é漢"
COUNTS = ("events", "actionInteractions", "users", "importedInteractions")
NOTHING = dict.fromkeys(COUNTS, 0)
FILTERS = {
    "viewed": 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view")',
    "members": 'EXCLUDE ItemID WHERE Items.GENRE IN ("drama") IF CurrentUser.MEMBER = 1',
}


def write_folder(folder: Path, users: list[str]) -> Path:
    """Write a data folder in which each user has had another item."""
    folder.mkdir()
    quoted = ['"' + user.replace('"', '""') + '"' for user in users]
    interactions = [f"{user},item-{number},{number},view" for number, user in enumerate(quoted)]
    for name, rows in {
        "interactions.csv": ["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE", *interactions],
        "users.csv": ["USER_ID,MEMBER", *(f"{user},1" for user in quoted)],
        "items.csv": ["ITEM_ID,GENRE", *(f"item-{number},drama" for number in range(3)), "x,comedy"],
        "actions.csv": ["ACTION_ID,VALUE", "join,1"],
    }.items():
        (folder / name).write_text("\n".join(rows), encoding="utf-8")
    write_filters(folder, FILTERS)
    return folder


class Caller(EngineClients):
    """Short forms of the calls in this file."""

    def forget(self, user: str, *sessions: str) -> Any:
        return self.engine.control("POST", "/_engine/forget", {"userId": user, "sessionIds": sessions})

    def view(self, item: str, user: str | None, session: str) -> None:
        event = {"eventType": "view", "sentAt": 1770000000, "itemId": item}
        whose = {"userId": user} if user is not None else {}
        self.events.put_events(trackingId=TRACKING_ID, sessionId=session, eventList=[event], **whose)

    def take(self, action: str, user: str, session: str) -> None:
        interaction = {"actionId": action, "sessionId": session, "userId": user, "eventType": "Taken"}
        self.events.put_action_interactions(
            trackingId=TRACKING_ID, actionInteractions=[interaction | {"timestamp": 1770000000}]
        )

    def put_user(self, user: str, **properties: Any) -> None:
        users = [{"userId": user, "properties": json.dumps(properties)}]
        self.events.put_users(datasetArn=USERS_DATASET_ARN, users=users)

    def recommend(self, user: str, name: str | None = None) -> Any:
        chosen = {"filterArn": FILTER_ARN_PREFIX + name} if name is not None else {}
        return self.runtime.get_recommendations(campaignArn=CAMPAIGN_ARN, userId=user, **chosen)["itemList"]

    def wait_until_learnt(self) -> None:
        """Wait until the models are those of all interactions."""
        deadline = time.monotonic() + 10
        while True:
            stats = self.engine.control("GET", "/_engine/stats")
            learnt = stats["modelInteractions"], stats["modelActionInteractions"]
            if learnt == (stats["interactions"], stats["actionInteractions"]):
                return
            assert time.monotonic() < deadline, "not in time"
            time.sleep(0.01)

    def state(self, *users: str) -> list[Any]:
        """Return what the engine responds about the users, and what it has stored."""
        read = self.engine.control
        stored = [
            (row["userId"], row["sessionId"], row.get("itemId") or row["actionId"])
            for name in ("events", "actionInteractions")
            for row in read("GET", "/_engine/" + name.replace("nI", "n-i"))[name]
        ]
        return [read("GET", "/_engine/health"), stored, *map(self._responses, users)]

    def _responses(self, user: str) -> list[Any]:
        ranked = self.runtime.get_personalized_ranking(
            campaignArn=CAMPAIGN_ARN, userId=user, inputList=["item-0", "item-1", "item-2"]
        )
        actions = self.runtime.get_action_recommendations(campaignArn=CAMPAIGN_ARNS["actions"], userId=user)
        lists = [self.recommend(user, name) for name in (None, "viewed", "members")]
        return [*lists, ranked["personalizedRanking"], actions["actionList"]]


@contextmanager
def running(data: Path) -> Iterator[Caller]:
    with (
        running_engine(data=data, database=data / "events.db", output=data / "engine.log") as engine,
        closing(Caller(engine)) as caller,
    ):
        yield caller


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with running(
        write_folder(tmp_path_factory.mktemp("forget") / "data", ["ann", "bob", "cid", "dan"])
    ) as caller:
        yield caller


def post(engine: EngineProcess, body: bytes, **headers: str) -> tuple[int, Any]:
    host, port = engine.url.removeprefix("http://").split(":")
    with closing(HTTPConnection(host, int(port), timeout=10)) as connection:
        connection.request("POST", "/_engine/forget", body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()


def bytes_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("events.db*"))


def send_what_stays(caller: Caller) -> None:
    caller.view("item-1", "bob", "shared")
    caller.view("item-2", "anna", "of-anna")
    caller.take("join", "bob", "shared")
    caller.put_user("bob", member=0)


def test_it_responds_as_one_that_never_saw_the_person_also_after_a_restart(tmp_path: Path) -> None:
    people = (ANN, "bob", "anna", "shared", "before", "of-her")
    with running(write_folder(tmp_path / "never", ["bob", "anna"])) as caller:
        send_what_stays(caller)
        caller.wait_until_learnt()
        expected = caller.state(*people)
    data = write_folder(tmp_path / "saw", ["bob", "anna", ANN])
    files = {file: file.read_bytes() for file in data.iterdir()}
    with running(data) as caller:
        caller.view("only-of-her", None, "before")
        caller.view("item-0", ANN, "shared")
        send_what_stays(caller)
        caller.view("item-2", None, "shared")
        caller.take("join", ANN, "of-her")
        caller.view("x", None, "of-her")
        caller.put_user(ANN, member=1)
        assert caller.state(*people) != expected
        assert ANN.encode() in bytes_of(data)
        assert caller.forget(ANN, "before") == dict(zip(COUNTS, (4, 1, 2, 1), strict=True))
        assert caller.state(*people) == expected
        for trace in (ANN.encode(), b"only-of-her", b"of-her"):
            assert trace not in bytes_of(data)
        assert (data / "events.db-wal").stat().st_size == 0
        assert caller.forget(ANN, "before") == NOTHING
        caller.engine.stop()
        caller.engine.start_again()
        assert caller.state(*people) == expected
        assert caller.forget(ANN, "before") == NOTHING
        assert ANN not in caller.engine.output.read_text()
    assert {file: file.read_bytes() for file in files} == files


def test_who_comes_back_is_new_and_gets_nothing_from_the_data_folder(shared: Caller) -> None:
    assert shared.forget("dan") == NOTHING | {"users": 1, "importedInteractions": 1}
    assert len(shared.recommend("dan", "members")) == 4
    shared.view("item-1", "dan", "new")
    shared.put_user("dan", member=1)
    assert [item["itemId"] for item in shared.recommend("dan", "viewed")] == ["item-1"]
    assert [item["itemId"] for item in shared.recommend("dan", "members")] == ["x"]
    assert shared.forget("dan") == NOTHING | {"events": 1, "users": 1}
    assert shared.recommend("dan", "viewed") == []


def test_ids_that_begin_alike_or_look_like_sql_are_other_people(shared: Caller) -> None:
    ids = ["p", "p%", "p'", "p_", "pp", "P", '"p"', "p' OR '1'='1"]
    for user in ids:
        shared.view("x", user, f"of {user}")
        shared.view("x", None, f"of {user}")
    for number, user in enumerate(ids, start=1):
        assert shared.forget(user) == NOTHING | {"events": 2}
        left = shared.engine.control("GET", "/_engine/events")["events"]
        assert {row["sessionId"] for row in left} == {f"of {each}" for each in ids[number:]}


BAD_BODIES = [
    b"",
    b"{",
    b"\xff",
    b"[]",
    b"null",
    b'"ann"',
    b"[" * 100_000,
    b'{"userId": ""}',
    b'{"userId": "\\ud83d"}',
    b'{"userId": NaN}',
    b'{"userId": "ann", "sessionIds": "s"}',
    b'{"userId": "ann", "sessionIds": [1]}',
    b'{"userId": "ann", "user": "ann"}',
    json.dumps({"userId": "ann", "sessionIds": ["s"] * (MAX_SESSION_IDS + 1)}).encode(),
    json.dumps({"userId": "a" * 257}).encode(),
]


def test_other_bodies_are_refused_with_one_sentence_and_remove_nothing(shared: Caller) -> None:
    before = shared.state("ann")
    for body in BAD_BODIES:
        status, text = post(shared.engine, body)
        assert status == 400, body
        [(name, sentence)] = json.loads(text).items()
        assert (name, "\n" in sentence) == ("message", False)
    assert post(shared.engine, b" " * (MAX_BODY_BYTES + 1))[0] == 413
    assert post(shared.engine, b'{"userId": "ann"}', Origin="https://page.example")[0] == 403
    with pytest.raises(EngineProcessError, match="404"):
        shared.engine.control("GET", "/_engine/forget")
    assert shared.state("ann") == before


def test_the_largest_request_is_taken(shared: Caller) -> None:
    sessions = [f"{number:05}" + "😀" * 251 for number in range(MAX_SESSION_IDS)]
    shared.view("x", None, sessions[-1])
    body = json.dumps({"userId": "nobody", "sessionIds": sessions}).encode()
    status, text = post(shared.engine, body)
    assert (status, json.loads(text)) == (200, NOTHING | {"events": 1})


def test_a_folder_that_cannot_be_read_removes_nothing_and_says_so(shared: Caller) -> None:
    shared.view("x", "ann", "s")
    before = shared.state("ann", "bob")
    broken = shared.engine.data / "interactions.csv"
    content = broken.read_text()
    broken.write_text("USER_ID,ITEM_ID\n")
    status, text = post(shared.engine, b'{"userId": "ann"}')
    assert status == 409
    assert json.loads(text)["message"].startswith(
        f"Nothing was removed. {broken}, line 1: the column TIMESTAMP"
    )
    broken.unlink()
    assert post(shared.engine, b'{"userId": "ann"}')[0] == 409
    assert shared.state("ann", "bob") == before
    broken.write_text(content)
    assert shared.forget("ann") == {
        "events": 1,
        "actionInteractions": 0,
        "users": 1,
        "importedInteractions": 1,
    }


@contextmanager
def held_up(data: Path) -> Iterator[Path]:
    """Make a file of the folder one that nobody can read to its end before somebody has written it."""
    path = data / "users.csv"
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    try:
        yield path
    finally:
        path.unlink()
        path.write_bytes(content)


def writer_of(pipe: Path) -> int:
    """Return the open end of a pipe that the engine has begun to read."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            assert time.monotonic() < deadline, "not in time"
            time.sleep(0.01)


def test_requests_at_the_same_time_see_the_state_before_and_their_events_come_after_it(
    shared: Caller,
) -> None:
    with closing(Caller(shared.engine)) as other, ThreadPoolExecutor() as pool:
        with held_up(shared.engine.data) as pipe:
            before = shared.recommend("cid", "viewed")
            forgetting = pool.submit(shared.forget, "cid")
            end = writer_of(pipe)
            event = pool.submit(other.view, "x", "cid", "of cid")
            assert shared.recommend("cid", "viewed") == before != []
            assert not (forgetting.done() or event.done())
            os.write(end, b"USER_ID,MEMBER\ncid,1")
            os.close(end)
            assert forgetting.result(10) == NOTHING | {"users": 1, "importedInteractions": 1}
            event.result(10)
        assert [item["itemId"] for item in shared.recommend("cid", "viewed")] == ["x"]
        assert shared.forget("cid") == NOTHING | {"events": 1}


def killed_while_it_forgets(caller: Caller, seconds: float) -> bool:
    """Kill the engine soon after it was asked, start it again, and return whether it had responded."""
    with ThreadPoolExecutor() as pool:
        forgetting = pool.submit(caller.forget, "ann")
        time.sleep(seconds)
        caller.engine.process.kill()
        responded = forgetting.exception(10) is None
    caller.engine.process.wait()
    caller.engine.start_again()
    return responded


def test_a_kill_leaves_everything_or_nothing_and_the_next_try_leaves_nothing(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data", ["ann", "bob"])
    everything = {"events": 20, "actionInteractions": 1, "users": 1, "importedInteractions": 1}
    with running(data) as caller:
        for number in range(20):
            caller.view(f"item-{number}", "ann", "s")
        caller.take("join", "ann", "s")
        with held_up(data) as pipe, ThreadPoolExecutor() as pool:
            forgetting = pool.submit(caller.forget, "ann")
            end = writer_of(pipe)
            caller.engine.process.kill()
            assert forgetting.exception(10) is not None
            os.close(end)
        caller.engine.process.wait()
        caller.engine.start_again()
        done = {killed_while_it_forgets(caller, seconds) for seconds in (0.003, 0.006)}
        removed = caller.forget("ann")
        assert removed == NOTHING or (removed == everything and True not in done)
        assert caller.forget("ann") == NOTHING
        assert b"ann" not in bytes_of(data)
