"""`make replay`: archived events to a tracker, each once and in its order, however it is interrupted."""

import os
import signal
import sys
import uuid
from collections import defaultdict

import pytest

from local.coordinates import written
from local.personalize.process import running_engine
from ops.cloudformation.artifacts import delete_versions_of
from ops.errors import AwsError, InputError
from simulation.trained import trained_actions
from tests.support.clone import clone_project
from tests.support.engine_clients import EngineClients
from tests.support.engine_events import received
from tests.support.program import Program
from tests.support.replaying import (
    Interrupting,
    archive,
    event,
    in_sessions,
    interrupt_at_each_step,
    replay,
    small_archive,
    to_line,
    trained,
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """An engine of its own: the new dataset group."""
    folder = tmp_path_factory.mktemp("engine")
    with running_engine(database=folder / "events.sqlite") as engine:
        yield engine


@pytest.fixture(scope="module")
def client(engine):
    clients = EngineClients(engine)
    yield clients.events
    clients.close()


@pytest.fixture(autouse=True)
def no_faults(engine):
    yield
    engine.control("DELETE", "/_engine/faults")


def test_each_event_arrives_once_in_the_order_of_its_session_and_a_second_run_adds_nothing(
    engine, client, tmp_path
):
    archived, expected = small_archive("plain-")
    for _ in range(2):
        counts = replay(archived, client, tmp_path)
        assert (counts.lines, counts.events, counts.unreadable_lines) == (37, 37, 1)
        assert in_sessions(trained(engine, "plain-")) == expected


def test_interrupted_and_repeated_each_event_is_trained_on_once_in_order(engine, client, tmp_path):
    """At some of the steps. tests/long has all."""
    assert interrupt_at_each_step(engine, client, tmp_path, every=4) > 30


def test_an_archive_that_has_changed_since_the_interruption_leaves_no_gap(engine, client, tmp_path):
    lines = [to_line(event(number, "s", prefix="late-")) for number in range(30)]
    with pytest.raises(KeyboardInterrupt):
        replay(
            archive({"dt=2026-01-31/a": b"".join(lines[10:])}), Interrupting(client, 5), tmp_path, max_lines=5
        )
    # An object with earlier events came late.
    replay(archive({"dt=2026-01-31/a": b"".join(lines)}), client, tmp_path, max_lines=5)
    assert {each["eventId"] for each in trained(engine, "late-")} == {f"late-e{n}" for n in range(30)}


def test_an_object_that_came_late_into_an_earlier_day_is_replayed_too(engine, client, tmp_path):
    first, second = (
        [to_line(event(n + 90_000 * day, "s", prefix="days-")) for n in range(9)] for day in (0, 1)
    )
    objects = {"dt=2026-01-31/a": b"".join(first[:5]), "dt=2026-02-01/a": b"".join(second)}
    with pytest.raises(KeyboardInterrupt):
        replay(archive(objects), Interrupting(client, 5), tmp_path, max_lines=3)
    replay(archive(objects | {"dt=2026-01-31/b": b"".join(first[5:])}), client, tmp_path, max_lines=3)
    assert len(trained(engine, "days-")) == 18


def test_equal_rows_of_two_days_are_two_events(engine, client, tmp_path):
    foreign = to_line({"SessionId": "twodays", "EventType": "buy", "Event": {"itemId": "i"}})
    replay(archive({"dt=2026-01-30/a": foreign, "dt=2026-01-31/a": foreign}), client, tmp_path)
    assert len(trained(engine, "twodays")) == 2


def test_equal_rows_of_another_producer_are_an_event_each_and_the_same_ones_again(engine, client, tmp_path):
    foreign = to_line({"SessionId": "till", "UserId": "u", "EventType": "buy", "Event": {"itemId": "i"}})
    archived = archive({"dt=2026-01-31/x-1-2026-01-31-10-00-00-u": foreign * 2, "dt=2026-01-31/b": foreign})
    for _ in range(2):
        replay(archived, client, tmp_path)
        found = trained(engine, "till")
        assert len(found) == 3
        assert len({each["sentAt"] for each in found}) == 3, (
            "Personalize keeps one of two equal events of one time"
        )


def test_action_interactions_go_too(engine, client, tmp_path):
    body = {"SessionId": "act", "EventType": "Taken", "Action": {"actionId": "a"}, "EventId": "act-1"}
    replay(
        archive({"dt=2026-01-31/a": to_line(body | {"ReceivedAt": "2026-01-31T12:00:00.000Z"})}),
        client,
        tmp_path,
    )
    found = trained_actions(lambda path: engine.control("GET", path))
    assert [each["eventId"] for each in found if each["sessionId"] == "act"] == ["act-1"]


def test_a_dry_run_counts_the_calls_of_the_run_and_makes_none(engine, client, tmp_path):
    archived, _ = small_archive("dry-")
    planned = replay(archived, None, tmp_path)
    assert trained(engine, "dry-") == []
    assert replay(archived, client, tmp_path).calls == planned.calls
    assert planned.events == 37


def test_what_personalize_refuses_is_counted_and_the_rest_goes(engine, client, tmp_path):
    engine.control("PUT", "/_engine/faults", {"invalidItemIds": ["i3"]})
    archived, expected = small_archive("refused-")
    counts = replay(archived, client, tmp_path)
    assert counts.refused.total() == 2, "the event and its repetition"
    assert len(trained(engine, "refused-")) == sum(map(len, expected.values())) - 1


def test_faults_that_pass_cost_nothing(engine, client, tmp_path):
    engine.control("PUT", "/_engine/faults", {"throttleRate": 0.3, "errorRate": 0.2})
    archived, expected = small_archive("faults-")
    replay(archived, client, tmp_path)
    assert in_sessions(trained(engine, "faults-")) == expected


def test_access_that_is_denied_ends_the_run_and_the_next_one_goes_on(engine, client, tmp_path):
    engine.control("PUT", "/_engine/faults", {"accessDenied": True})
    archived, expected = small_archive("denied-")
    with pytest.raises(AwsError, match="Run the same command again"):
        replay(archived, client, tmp_path)
    engine.control("DELETE", "/_engine/faults")
    replay(archived, client, tmp_path)
    assert in_sessions(trained(engine, "denied-")) == expected


def test_a_wrong_tracker_is_said_after_a_few_calls(client, tmp_path):
    lines = b"".join(to_line(event(number, "s", prefix="wrong-")) for number in range(1000))

    class WrongTracker:
        calls = 0

        def put_events(self, **arguments):
            self.calls += 1
            return client.put_events(**arguments | {"trackingId": "wrong"})

    wrong = WrongTracker()
    with pytest.raises(InputError, match="Is TRACKER right"):
        replay(archive({"dt=2026-01-31/a": lines}), wrong, tmp_path)
    assert wrong.calls < 250


DAY = "2025-03-01"


@pytest.fixture
def command(stack, tmp_path, monkeypatch):
    """``command(*words)`` starts the replay of a day of the running stack; it keeps files in ``tmp_path``."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "project").mkdir()
    project = clone_project(tmp_path / "project")

    def start(*words):
        days = ("--from", DAY, "--to", DAY)
        return Program(
            [sys.executable, "-m", "ops", "replay", "--stage", "local", *days, *words], project, os.environ
        )

    with written(stack.stack, project / ".local" / "stack.json"):
        yield start


@pytest.fixture
def archive_day(stack):
    """``archive_day(lines)`` gives the day an object, until the end: other files share the stack."""
    s3, place = stack.client("s3"), {"Bucket": stack.stack.bucket, "Key": f"events/dt={DAY}/replayed"}
    yield lambda lines: s3.put_object(**place, Body=lines)
    delete_versions_of(s3, *place.values())


def test_the_command_goes_on_after_a_kill(stack, archive_day, command, tmp_path, eventually):
    tracker, name = stack.stack.trackingId, uuid.uuid4().hex
    lines = [
        to_line(event(number, f"{name}-{number % 20}", EventId=f"{name}-{number}")) for number in range(600)
    ]
    stack.client("s3").put_object(
        Bucket=stack.stack.bucket, Key=f"events/dt={DAY}/{name}", Body=b"".join(lines)
    )
    planned = command("--dry-run", "--", tracker)
    assert planned.end() == 0
    assert "600 events would go in 80 calls: 0 s at 500 calls a second. Nothing was sent." in planned.text
    run = command("--rate", "5", "--yes", "--", tracker)
    eventually(lambda: run.says("") is not None and [*tmp_path.rglob("state/**/*.json")], 60)
    assert run.interrupt(signal.SIGKILL) == -signal.SIGKILL
    kept = [*tmp_path.rglob("state/*/*")]
    assert [path for path in kept if path.stat().st_mode & 0o077 and "bytecode" not in str(path)] == []
    before = len([each for each in received(stack) if each["sessionId"].startswith(name)])
    assert 100 <= before < 600
    run = command("--rate", "1000", "--yes", "--", tracker)
    assert run.end() == 0, run.text
    assert f"An earlier run came to line 100 of {DAY}. This one goes on" in run.text
    assert "500 events went in" in run.text
    found = defaultdict(list)
    for each in received(stack):
        if each["sessionId"].startswith(name):
            found[each["sessionId"]].append(each["eventId"])
    assert found == {f"{name}-{s}": [f"{name}-{n}" for n in range(s, 600, 20)] for s in range(20)}
    assert [*tmp_path.rglob("state/**/*.json")] == [], "at the end nothing is kept"


def test_who_does_not_agree_to_begin_anew_keeps_the_position(
    stack, archive_day, command, tmp_path, eventually
):
    archive_day(b"".join(to_line(event(n, "s", EventId=f"agree-{n}")) for n in range(300)))
    run = command("--rate", "5", "--yes", "--", stack.stack.trackingId)
    eventually(lambda: run.says("") is not None and [*tmp_path.rglob("state/**/*.json")], 60)
    run.interrupt()
    [kept] = tmp_path.rglob("state/**/*.json")
    before = kept.read_text()
    for words in (["--restart"], ["--restart", "--dry-run"], ["--dry-run"]):
        command(*words, "--", stack.stack.trackingId).end()
        assert kept.read_text() == before


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--", "x"), 1, "--yes is needed where nobody can be asked"),
        (("--yes", "--rate", "1001", "--", "x"), 1, "RATE is in calls a second: 1 to 1000"),
        (("--yes", "--rate", "0", "--", "x"), 1, "RATE is in calls a second: 1 to 1000"),
        (("--yes", "--rate", "fast", "--", "x"), 2, "'fast' is not a valid integer"),
        (("--yes", "--", ""), 1, "TRACKER is the tracking id of an event tracker: 1 to 256 characters"),
        (("--yes",), 2, "Missing argument 'TRACKER'"),
    ],
)
def test_a_wrong_word_is_a_sentence(command, words, status, said):
    ran = command(*words)
    assert ran.end() == status
    assert said in ran.text
    assert "Traceback" not in ran.text
