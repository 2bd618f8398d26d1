"""What the engine's store removes of a person, and that no byte of it stays in the files."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from local.personalize.requests import Event, PutEventsRequest, Record
from local.personalize.store import _SCHEMAS, MAX_SESSION_IDS, Call, RemovedRows, Store, user_hash
from tests.support.engine_rows import SENT_AT, Sent, call, left, new_store

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(new_store(tmp_path / "events.db")) as opened:
        yield opened


def remove(store: Store, user_id: str, *session_ids: str) -> RemovedRows:
    with store.transaction():
        return store.forget(user_id, session_ids)


def test_rows_of_the_user_go_and_rows_without_a_user_in_the_sessions_of_the_user(store: Store) -> None:
    sent: list[Sent] = [
        ("event", None, "shared", "gone"),
        ("event", "ann", "shared", "gone"),
        ("event", "bob", "shared", "of-bob"),
        ("event", None, "shared", "gone"),
        ("action", None, "shared", "gone"),
        ("event", None, "named", "gone"),
        ("event", "bob", "named", "of-bob-too"),
        ("action", "ann", "of-actions", "gone"),
        ("event", None, "of-actions", "gone"),
        ("event", None, "of-nobody", "of-nobody"),
        ("action", None, "of-nobody", "action-of-nobody"),
    ]
    store.append([call(*each) for each in sent])
    store.put_records("user", [Record("ann"), Record("bob")])
    store.put_records("item", [Record("ann")])
    assert remove(store, "ann", "named", "unknown") == RemovedRows(5, 2, 1, is_first=True)
    assert left(store) == ["of-bob", "of-bob-too", "of-nobody", "action-of-nobody"]
    contents = store.contents()
    assert (contents.users, contents.items) == ([Record("bob")], [Record("ann")])
    assert contents.forgotten_users == {user_hash("ann")}
    assert remove(store, "ann", "named") == RemovedRows(0, 0, 0, is_first=False)


IDS = ["ann", "ann ", "ANN", "an", "anna", "a%", "a_", "'", "''", '"', "' OR 1=1 --", "é", "e\u0301", "a\0b"]


@pytest.mark.parametrize("user_id", IDS)
def test_an_id_is_compared_exactly(user_id: str, store: Store) -> None:
    store.append([call("event", each, f"session of {each}", each) for each in IDS])
    store.append([call("event", None, f"session of {each}", each) for each in IDS])
    store.append([call("action", None, each, each) for each in IDS])
    store.put_records("user", [Record(each) for each in IDS])
    assert remove(store, user_id, user_id) == RemovedRows(2, 1, 1, is_first=True)
    others = [each for each in IDS if each != user_id]
    assert left(store) == others * 3
    assert [record.record_id for record in store.records("user")] == others


def test_as_many_sessions_as_one_request_may_name_are_removed(store: Store) -> None:
    names = [f"session-{number}" for number in range(MAX_SESSION_IDS)]
    store.append([call("event", None, name, "i") for name in names])
    assert remove(store, "ann", *names).events == MAX_SESSION_IDS


def test_the_numbers_of_removed_rows_are_not_given_again(store: Store) -> None:
    store.append([call("event", "bob", "s", "i"), call("event", "ann", "t", "i")])
    remove(store, "ann")
    store.erase()
    [[stored]] = store.append([call("event", "bob", "s", "i")])
    assert stored.seq == 3


def bytes_of(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def add_people(store: Store) -> list[bytes]:
    """Add rows of several sizes for four users, in pages that split. Return the marks in those of ann."""
    random, calls, marks = Random(1), [], []
    for number in range(1500):
        user = "user-" + random.choice(["ann", "bob", "cid", "dan"])
        mark = f"{user}-{number:05}"
        # In a random order: so pages of the index over event ids split.
        event_id = f"{random.getrandbits(64):x}-{mark}"
        event = Event(event_id, "view", SENT_AT, "i", properties="x" * random.randrange(900))
        calls.append(Call("c", SENT_AT, PutEventsRequest(f"s-{user}", user, (event,))))
        marks += [mark.encode()] * (user == "user-ann")
    for first in range(0, len(calls), 20):
        store.append(calls[first : first + 20])
        user = f"user-{random.choice(['ann', 'bob'])}"
        store.put_records("user", [Record(user, {"of": user, "text": "x" * random.randrange(900)})])
    return marks


def test_no_byte_of_the_person_stays_in_the_files(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with closing(new_store(path)) as store:
        marks = add_people(store)
        content = bytes_of(path)
        assert all(mark in content for mark in marks)
        remove(store, "user-ann")
        store.erase()
        assert b"user-ann" not in bytes_of(path)
        assert b"user-bob" in bytes_of(path)
        assert (tmp_path / "events.db-wal").stat().st_size == 0
    assert b"user-ann" not in bytes_of(path)


def test_no_byte_stays_that_sqlite_left_behind_before(tmp_path: Path) -> None:
    """Builds of SQLite differ in what they do with the bytes of a row that is deleted."""
    path = tmp_path / "events.db"
    with closing(new_store(path)) as store:
        store.put_records("user", [Record("user-ann", {"email": "ann@example.com"}), Record("user-bob")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DELETE FROM records WHERE record_id = 'user-ann'")
        connection.commit()
    with closing(new_store(path)) as store:
        assert b"ann@example.com" in bytes_of(path)
        remove(store, "user-ann")
        store.erase()
        assert b"ann" not in bytes_of(path)


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from local.personalize.store import Store
store = Store(Path(sys.argv[1]), str)
with store.transaction():
    store.forget("user-ann", [])
    if sys.argv[2] == "before the commit":
        os.kill(os.getpid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
def test_a_kill_leaves_everything_or_nothing_and_the_next_try_leaves_nothing(
    moment: str, tmp_path: Path
) -> None:
    path = tmp_path / "events.db"
    with closing(new_store(path)) as store:
        count = len(add_people(store))
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED, path, moment], cwd=ROOT, check=False)
    assert ended.returncode == -9
    with closing(new_store(path)) as store:
        expected = (count, 0, 1, True) if moment == "before the commit" else (0, 0, 0, False)
        assert remove(store, "user-ann") == RemovedRows(*expected)
        store.erase()
        assert b"user-ann" not in bytes_of(path)


@pytest.mark.parametrize("version", [1, 2])
def test_a_database_of_an_earlier_version_is_brought_up_and_forgets(version: int, tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{''.join(_SCHEMAS[:version])} PRAGMA user_version = {version};")
        connection.execute(
            "INSERT INTO events (event_id, call_id, user_id, session_id, event_type, sent_at, received_at) "
            "VALUES ('old', 'c', 'ann', 's', 'view', 1, 2)"
        )
        connection.commit()
    with closing(new_store(path)) as store:
        assert store.contents().forgotten_users == frozenset()
        assert remove(store, "ann") == RemovedRows(1, 0, 0, is_first=True)
    with closing(new_store(path)) as store:
        assert store.contents().forgotten_users == {user_hash("ann")}
