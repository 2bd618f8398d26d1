"""What the engine stores on disk, and in which order callers learn of it."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.personalize.action_requests import ActionInteraction, PutActionInteractionsRequest
from local.personalize.background import MIN_PAUSE_SECONDS, GroupCommit, Refitter, pause_after
from local.personalize.errors import StartError
from local.personalize.requests import Event, PutEventsRequest, Record
from local.personalize.store import (
    _SCHEMAS,
    Call,
    Contents,
    Store,
    Stored,
    StoredActionInteraction,
    StoredEvent,
)


def ids() -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"generated-{next(numbers)}"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "deep" / "down" / "events.db", ids())
    yield opened
    opened.close()


def call(*event_ids: str | None, call_id: str = "c", session: str = "s", user: str | None = "u") -> Call:
    events = tuple(Event(event_id, "view", 1735689600.5, "i") for event_id in event_ids)
    return Call(call_id, 1735689601.0, PutEventsRequest(session, user, events))


def event_ids(stored: Sequence[Stored]) -> list[str | None]:
    return [
        each.event.event_id if isinstance(each, StoredEvent) else each.interaction.event_id for each in stored
    ]


def action_call(*interactions: ActionInteraction) -> Call:
    return Call("c", 7.5, PutActionInteractionsRequest(interactions))


def test_an_event_comes_back_as_it_was_sent(store: Store) -> None:
    event = Event("e", "watch", 1735689600.25, "i", 4.5, '{"é": "漢\\u0000"}', "r", ("a", "b"), "mail")
    [[stored]] = store.append([Call("c", 7.5, PutEventsRequest("s", None, (event,)))])
    assert stored == StoredEvent(1, event, "c", None, "s", 7.5)
    assert list(store.events()) == [stored]


def test_an_action_interaction_comes_back_as_it_was_sent_and_counts_once(store: Store) -> None:
    full = ActionInteraction("e", "a", "u", "s", "Not Taken", 1.25, '{"k": 1}', "r", ("a", "b"))
    bare = ActionInteraction(None, "a", None, "s", "Taken", 2)
    [stored, again] = store.append([action_call(full, bare), action_call(full)])
    assert stored[0] == StoredActionInteraction(1, full, "c", 7.5)
    assert event_ids(stored) == ["e", "generated-0"]
    assert again == []
    assert list(store.action_interactions()) == stored
    assert list(store.action_interactions(after=1, limit=1)) == stored[1:2]
    # Events have ids of their own.
    assert event_ids(store.append([call("e")])[0]) == ["e"]


def test_a_database_of_the_first_version_keeps_its_events_and_takes_action_interactions(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{_SCHEMAS[0]} PRAGMA user_version = 1;")
        connection.execute(
            "INSERT INTO events (event_id, call_id, session_id, event_type, sent_at, received_at) "
            "VALUES ('old', 'c', 's', 'view', 1, 2)"
        )
        connection.execute("INSERT INTO records VALUES ('item', 'i', '{}')")
        connection.commit()
    for number in range(2):
        store = Store(path, ids())
        assert event_ids(list(store.events())) == ["old"]
        assert list(store.records("item")) == [Record("i")]
        assert len(list(store.action_interactions())) == number
        store.append([action_call(ActionInteraction("new", "a", None, "s", "Taken", 2))])
        store.close()


def test_the_first_event_with_an_id_counts_and_later_ones_do_not(store: Store) -> None:
    [first, second] = store.append([call("a", "b", "a"), call("b", "c", session="other")])
    assert event_ids(first) == ["a", "b"]
    assert event_ids(second) == ["c"]
    assert event_ids(store.append([call("a")])[0]) == []


def test_events_without_an_id_are_all_different(store: Store) -> None:
    [stored] = store.append([call(None, None)])
    assert event_ids(stored) == ["generated-0", "generated-1"]


def test_events_are_read_in_order_of_arrival_after_a_number(store: Store) -> None:
    store.append([call("a", "b"), call("c")])
    store.append([call("d")])
    assert [(event.seq, event.event.event_id) for event in store.events(after=1)][:2] == [(2, "b"), (3, "c")]
    assert event_ids(list(store.events(after=1, limit=2))) == ["b", "c"]
    assert event_ids(list(store.events(after=4))) == []


def test_the_number_of_the_last_event_is_known_without_reading_them(store: Store) -> None:
    assert (store.last_event(), store.last_action_interaction()) == (0, 0)
    store.append([call("a", "b"), call("a")])
    assert store.last_event() == [*store.events()][-1].seq
    assert [*store.events(store.last_event())] == []


def test_everything_is_stored_after_closing_and_opening(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    store = Store(path, ids())
    store.append([call("a")])
    store.put_records("item", [Record("i", {"title": "old"}), Record("j")])
    store.put_records("item", [Record("i", {"title": "new"})])
    store.put_records("user", [Record("u")])
    store.close()
    again = Store(path, ids())
    assert event_ids(list(again.events())) == ["a"]
    assert sorted(again.records("item"), key=lambda record: record.record_id) == [
        Record("i", {"title": "new"}),
        Record("j", {}),
    ]
    again.close()


def test_a_call_that_fails_leaves_nothing_behind(store: Store) -> None:
    broken = Call("c", 1.0, PutEventsRequest("s", None, (Event("half \ud83d", "view", 1),)))
    with pytest.raises(UnicodeEncodeError):
        store.append([call("a"), broken])
    assert list(store.events()) == []
    assert event_ids(store.append([call("a")])[0]) == ["a"]


def test_records_that_cannot_be_stored_leave_nothing_behind(store: Store) -> None:
    with pytest.raises(UnicodeEncodeError):
        store.put_records("item", [Record("i"), Record("half \ud83d")])
    assert list(store.records("item")) == []
    store.put_records("item", [Record("i")])
    assert list(store.records("item")) == [Record("i")]


def test_a_second_engine_cannot_share_the_database(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    store = Store(path, ids())
    with pytest.raises(StartError, match="in use by another program; stop it"):
        Store(path, ids())
    store.close()


def test_a_file_that_is_not_a_database_of_the_engine_is_refused_with_a_remedy(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all, but long enough to look at" * 50)
    newer = tmp_path / "newer.db"
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for path in (text, newer, tmp_path):
        with pytest.raises(StartError, match="name another file with --database") as raised:
            Store(path, ids())
        # A folder is no damaged database.
        assert ("rm " in str(raised.value)) == (path != tmp_path)


@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_a_database_that_is_not_whole_is_no_new_one(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "events.db"
    store = Store(path, ids())
    store.append([call(*(f"event-{number}" for number in range(500)))])
    store.close()
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(StartError, match=f"rm {path}"):
        Store(path, ids())


DAMAGED_ROWS = {
    "no JSON": "UPDATE records SET properties = '{not json'",
    "other JSON": "UPDATE records SET properties = '[]'",
    "deep JSON": f"UPDATE records SET properties = '{'[' * 100_000}'",
    "no text": "UPDATE records SET record_id = X'00FF'",
    "an event's impression": "UPDATE events SET impression = 'oops'",
    "an event's other impression": "UPDATE events SET impression = '5'",
    "an event's text": "UPDATE events SET user_id = CAST(X'736563726574FF' AS TEXT)",
    "an event's type": "UPDATE events SET item_id = X'6162'",
    "an event's time": "UPDATE events SET sent_at = 'noon'",
    "an action's impression": "UPDATE action_interactions SET impression = '{}'",
    "an action's text": "UPDATE action_interactions SET user_id = CAST(X'736563726574FF' AS TEXT)",
    "an action's time": "UPDATE action_interactions SET timestamp = X'00'",
    "no events": "DROP TABLE events",
    "no records": "DROP TABLE records",
    "no actions": "DROP TABLE action_interactions",
    "no forgotten users": "DROP TABLE forgotten_users",
    "a forgotten user": "INSERT INTO forgotten_users VALUES (X'00')",
    "other columns": "ALTER TABLE events RENAME COLUMN user_id TO person",
}


@pytest.mark.parametrize("damage", DAMAGED_ROWS)
def test_a_database_with_a_damaged_row_is_refused_with_a_remedy(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "events.db"
    store = Store(path, ids())
    store.append([call("a"), action_call(ActionInteraction("b", "a", None, "s", "Taken", 2))])
    store.put_records("item", [Record("i", {"title": "t"})])
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(DAMAGED_ROWS[damage])
    with closing(Store(path, ids())) as damaged, pytest.raises(StartError, match=f"rm {path}") as raised:
        damaged.contents()
    assert "secret" not in str(raised.value)


def test_a_database_with_a_damaged_name_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    Store(path, ids()).close()
    # SQLite quotes the name in its error, and Python cannot decode it.
    content = path.read_bytes().replace(b"tablerecords", b"table\xffecords")
    path.write_bytes(content.replace(b"CREATE TABLE records", b"CRXATE TABLE records"))
    with pytest.raises(StartError, match=f"rm {path}"):
        Store(path, ids())


def test_the_contents_are_everything_that_is_stored(store: Store) -> None:
    assert store.contents() == Contents([], [], [], [], frozenset())
    [[event], [interaction]] = store.append(
        [call("a"), action_call(ActionInteraction("b", "a", None, "s", "Taken", 2, impression=("x",)))]
    )
    store.put_records("item", [Record("i", {"title": "t"})])
    store.put_records("user", [Record("u")])
    store.put_records("action", [Record("a")])
    assert store.contents() == Contents(
        [Record("i", {"title": "t"})], [Record("u")], [Record("a")], [event, interaction], frozenset()
    )


def test_a_database_that_could_not_be_created_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    (tmp_path / "events.db-wal").mkdir()
    with pytest.raises(StartError):
        Store(path, ids())
    assert not path.exists()


def test_calls_that_wait_together_are_reported_in_order(store: Store) -> None:
    reported: list[tuple[str, list[str | None]]] = []
    commits = GroupCommit(store, lambda call, stored: reported.append((call.call_id, event_ids(stored))))

    async def many() -> None:
        calls = [call(f"e{number % 60}", call_id=f"c{number}") for number in range(100)]
        await asyncio.gather(*(commits.append(each) for each in calls))

    asyncio.run(many())
    assert [call_id for call_id, _ in reported] == [f"c{number}" for number in range(100)]
    assert [new for _, new in reported] == [[f"e{number}"] for number in range(60)] + [[]] * 40
    assert len(list(store.events())) == 60


def test_an_error_of_the_store_reaches_the_waiting_calls_and_no_others(store: Store) -> None:
    commits = GroupCommit(store, lambda call, stored: None)
    broken = Call("c", 1.0, PutEventsRequest("s", None, (Event("half \ud83d", "view", 1),)))

    async def three() -> None:
        with pytest.raises(UnicodeEncodeError):
            await commits.append(broken)
        await commits.append(call("a"))

    asyncio.run(three())
    assert event_ids(list(store.events())) == ["a"]


def test_the_events_of_a_client_that_disconnects_are_stored(store: Store) -> None:
    reported: list[str] = []
    commits = GroupCommit(store, lambda call, stored: reported.append(call.call_id))

    async def disconnect() -> None:
        waiting = asyncio.create_task(commits.append(call("a", call_id="gone")))
        await asyncio.sleep(0)
        waiting.cancel()
        await commits.append(call("b", call_id="stays"))

    asyncio.run(disconnect())
    assert reported == ["gone", "stays"]
    assert event_ids(list(store.events())) == ["a", "b"]


def test_many_changes_during_a_fit_make_one_more_fit() -> None:
    fits: list[int] = []
    first_started, may_continue = threading.Event(), threading.Event()

    def refit() -> None:
        fits.append(len(fits))
        first_started.set()
        may_continue.wait(10)

    refitter = Refitter()
    with refitter.running(refit):
        refitter.request()
        assert first_started.wait(10)
        for _ in range(100):
            refitter.request()
        may_continue.set()
        deadline = time.monotonic() + 10
        while len(fits) < 2 and time.monotonic() < deadline:
            time.sleep(0.005)
    assert fits == [0, 1]


def test_fits_take_at_most_a_fifth_of_the_time() -> None:
    assert pause_after(0.001) == MIN_PAUSE_SECONDS
    assert pause_after(2.0) == 8.0


@given(calls=st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=10), max_size=8))
def test_any_sequence_of_calls_stores_each_id_once_where_it_came_first(
    calls: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = Store(tmp_path_factory.mktemp("store") / "events.db", ids())
    for each in calls:
        store.append([call(*each)])
    stored = event_ids(list(store.events()))
    store.close()
    assert stored == list(dict.fromkeys(itertools.chain(*calls)))
