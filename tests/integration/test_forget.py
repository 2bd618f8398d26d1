"""`make forget` against a running stack: what goes, what stays, and what an interruption costs."""

import gzip
import uuid
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from ops.errors import AwsError, DeclinedError
from ops.forget.editing import edit_lines
from ops.forget.person import Person
from simulation.trained import trained_events
from tests.support import calls
from tests.support.calls import run_command
from tests.support.forgetting import (
    DAY,
    LONE,
    SHARED,
    Contents,
    assert_gone,
    contents,
    few_contents,
    kill_at_each_change,
    line,
    message,
    others_of,
    running_account,
)


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    with running_account(tmp_path_factory.mktemp("forget")) as account:
        yield account


@pytest.mark.parametrize("user", ["ann", "u-1", 'an"n', "100%", "it's", "a\\b", "ünï"])
def test_a_person_goes_and_every_other_line_stays(account, tmp_path, user):
    other = f"{user}2"
    account.put(contents(user, other))
    is_done, said = account.forget(user, tmp_path)
    assert is_done, said
    assert_gone(account, user)
    assert account.events() == others_of(user, other)
    assert len(account.records()) == 2


def test_killed_at_a_change_nothing_of_others_is_lost_or_doubled(account, tmp_path, eventually):
    """At some of them. tests/long has all."""
    steps = kill_at_each_change(account, few_contents("ann", "ben"), tmp_path, eventually, every=4)
    assert steps > 15


def test_what_comes_later_of_a_session_of_the_person_goes_with_the_next_run(account, tmp_path):
    account.put(few_contents("ann", "ben"))
    assert account.forget("ann", tmp_path)[0]
    account.put_object(f"{DAY}late", line(LONE) + line("theirs", "ben"))
    is_done, said = account.forget("ann", tmp_path)
    assert is_done
    assert "  - events/: 1 events, in objects: 1" in said
    assert line("theirs", "ben").strip() in account.events()
    assert_gone(account, "ann")


def test_the_last_run_forgets_what_this_machine_has_kept(account, tmp_path):
    account.put(few_contents("ann", "ben"))
    run, said = account.forgetting(tmp_path)
    run.run("ann", [], "make forget USER=ann STAGE=local")
    kept = run.memory_file.read()
    assert kept.sessions == {LONE, SHARED}
    assert run.now() + timedelta(hours=71) < kept.until < run.now() + timedelta(hours=73)
    assert any("once more after" in each for each in said)
    for days, is_kept in ((1, True), (4, False)):
        run, said = account.forgetting(tmp_path)
        later = datetime.now(timezone.utc) + timedelta(days=days)
        assert replace(run, now=lambda: later).run("ann", [], "again")  # noqa: B023 - called at once
        assert run.memory_file.path.exists() is is_kept
    assert "Nothing of the person can come any more" in said[-1]


def test_who_does_not_agree_changes_nothing(account, tmp_path):
    account.put(contents("ann", "ben"))
    before = sorted(account.bodies()), account.records()
    with pytest.raises(DeclinedError):
        account.forget("ann", tmp_path, agreed=False)
    assert (sorted(account.bodies()), account.records()) == before
    assert not (tmp_path / "memory.json").exists()


def test_versions_that_nobody_sees_go_too(account, tmp_path):
    account.put(Contents({}, []))
    account.put_object(f"{DAY}replaced", line("s", "ann"))
    account.put_object(f"{DAY}replaced", line("s", "ben"))
    account.put_object(f"{DAY}deleted", line("s", "ann"))
    account.s3.delete_object(Bucket=account.running.stack.bucket, Key=f"{DAY}deleted")
    account.put_object(f"{DAY}others", line("t", "ben"))
    account.put_object(f"{DAY}others", line("t", "ben") * 2)
    is_done, said = account.forget("ann", tmp_path)
    assert is_done
    assert "  - replaced or deleted versions of objects: 2" in said
    assert sorted(body for _, body in account.bodies()) == sorted(
        [line("s", "ben"), line("t", "ben"), line("t", "ben") * 2]
    )


def test_messages_that_another_reader_holds_are_said_and_are_no_success(account, tmp_path, eventually):
    account.put(Contents({}, [message(line("s", "ann"), 1)]))
    url = account.running.stack.quarantineQueueUrl
    account.sqs.receive_message(QueueUrl=url, VisibilityTimeout=2)
    is_done, said = account.forget("ann", tmp_path)
    assert not is_done
    assert any("1 messages of the quarantine were held by another reader" in each for each in said)
    eventually(lambda: account.forget("ann", tmp_path)[0])
    assert account.records() == []


def test_an_object_that_cannot_be_judged_is_named_and_is_no_success(account, tmp_path):
    account.put(Contents({"aws/lambda/odd": b"{}"}, []))
    is_done, said = account.forget("ann", tmp_path)
    assert not is_done
    assert any("aws/lambda/odd cannot be judged" in each for each in said)


def test_a_person_with_many_sessions_goes_whole(account, tmp_path):
    sessions = [f"s'{number}\"%" for number in range(450)]
    signed_in = b"".join(line(each, "ann") for each in sessions)
    account.put(Contents({f"{DAY}a": signed_in, f"{DAY}b": b"".join(map(line, [*sessions, "t"]))}, []))
    assert account.forget("ann", tmp_path)[0]
    assert account.events() == [line("t").strip()]


def test_an_object_that_is_written_meanwhile_is_not_overwritten(account, tmp_path):
    account.put(Contents({f"{DAY}a": line("s", "ann") + line("t", "ben")}, []))
    run, _ = account.forgetting(tmp_path)
    objects = run.search.objects

    def edit(key, lines, person):
        account.put_object(f"{DAY}a", line("t", "ben") * 2)
        return edit_lines(key, lines, person)

    with pytest.raises(AwsError, match="written by somebody else meanwhile"):
        objects.rewrite(f"{DAY}a", edit, Person("ann"))
    assert account.events() == [line("t", "ben").strip()] * 2


def test_a_version_that_somebody_writes_later_stays(account, tmp_path):
    account.put(Contents({f"{DAY}a": line("s", "ann") + line("t", "ben")}, []))
    run, _ = account.forgetting(tmp_path)
    newer = line("t", "ben") * 3
    written_by_others = []

    def write(**_):
        if not written_by_others:
            written_by_others.append(account.put_object(f"{DAY}a", newer))

    run.search.objects.s3.meta.events.register("before-call.s3.DeleteObject", write)
    assert run.run("ann", [], "again")
    assert dict(account.bodies("events/", latest_only=True)) == {f"{DAY}a": newer}


def test_an_object_whose_compression_is_broken_is_named(account, tmp_path):
    account.put(Contents({}, []))
    account.put_object("events-failed/x", gzip.compress(line("s", "ann") * 1000)[:60])
    with pytest.raises(AwsError, match="events-failed/x cannot be read: its compression is broken"):
        account.forget("ann", tmp_path)


def test_an_object_keeps_its_form(account, tmp_path):
    account.put(Contents({}, []))
    bucket, key = account.running.stack.bucket, f"{DAY}a.gz"
    account.s3.put_object(
        Bucket=bucket,
        Key=key,
        Body=gzip.compress(line("s", "ann") + line("t", "ben")),
        ContentType="application/x-gzip",
        Metadata={"a": "b"},
    )
    assert account.forget("ann", tmp_path)[0]
    found = account.s3.get_object(Bucket=bucket, Key=key)
    assert gzip.decompress(found["Body"].read()) == line("t", "ben")
    assert (found["ContentType"], found["Metadata"]) == ("application/x-gzip", {"a": "b"})


@pytest.fixture
def program(account, monkeypatch, tmp_path):
    """``program(*words)`` runs the command as an operator does. What it keeps is in ``tmp_path``."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def run(*words):
        return run_command(*words, endpoint_url="http://127.0.0.1:9", project=account.project)

    return run


def test_a_person_who_used_the_shop_goes_from_the_engine_too(
    account, program, eventually, monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    account.put(Contents({}, []))
    stack = account.running.stack
    mine, theirs = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("mine", "theirs"))
    sent = [
        {"UserId": user, "SessionId": f"of-{name}", "EventType": "read", "Event": {"itemId": "dracula"}}
        for name, user in ((mine, None), (mine, mine), (theirs, theirs))
    ]
    for each in sent:
        body = {name: value for name, value in each.items() if value}
        assert calls.post(f"{stack.apiUrl}/history", body, key=stack.apiKey)[0] == 202
    eventually(lambda: len(trained(account, mine)) == 2 and len(trained(account, theirs)) == 1)
    eventually(lambda: len([each for each in account.events() if b"of-" in each]) >= 3)
    ran = program("forget", "--stage", "local", "--yes", "--", mine)
    assert ran.returncode == 0, ran.stderr
    assert "The local engine has forgotten 2 records." in ran.stdout
    assert "Nothing of the person is left" in ran.stdout
    assert trained(account, mine) == []
    assert len(trained(account, theirs)) == 1
    assert not [key for key, body in account.bodies() if mine.encode() in body]
    (kept,) = tmp_path.rglob("*.json")
    assert kept.stat().st_mode & 0o077 == 0
    assert mine not in kept.name


def trained(account, name):
    """Return the events of a session that the engine has."""
    found = trained_events(lambda path: account.running.engine.control("GET", path))
    return [each for each in found if each["sessionId"] == f"of-{name}"]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--stage", "local", "--", "ann"), 1, "--yes is needed where nobody can be asked"),
        (("--stage", "local", "--yes", "--", ""), 1, "USER is the user id that clients send: 1 to 256"),
        (("--stage", "local"), 2, "Missing argument 'USER'"),
        (
            ("--stage", "local", "--dataset-group", "x", "y", "--", "ann"),
            1,
            "STAGE=local has no dataset group",
        ),
        (("--stage", "local", "--region", "eu-west-1", "--", "ann"), 1, "takes no --profile"),
    ],
)
def test_a_wrong_word_is_a_sentence(program, words, status, said):
    ran = program("forget", *words)
    assert ran.returncode == status
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
