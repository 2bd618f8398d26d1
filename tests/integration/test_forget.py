"""`make forget` against a running stack: what goes, what stays, and what an interruption costs."""

import base64
import gzip
import json
import uuid
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import boto3
import pytest
from botocore.stub import Stubber

from ops.errors import AwsError, DeclinedError
from ops.forget.editing import Form, edit_lines
from ops.forget.memory import JobState, Memory, StartedJob
from ops.forget.person import Person
from ops.forget.personalize import Job
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
    assert "  - replaced or deleted versions of objects, with all that they hold: 2" in said
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
        objects.rewrite(f"{DAY}a", Form(edit, is_lines=True), Person("ann"))
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


BROKEN = gzip.compress(line("s", "ann") * 1000)


@pytest.mark.parametrize("body", [BROKEN[:60], BROKEN[:-8] + b"12345678", BROKEN[:20] + b"x" * 40], ids=len)
def test_an_object_whose_compression_is_broken_is_named_and_the_rest_goes(account, tmp_path, body):
    account.put(Contents({f"{DAY}a": line("s", "ann"), "events-failed/x": body}, []))
    is_done, said = account.forget("ann", tmp_path)
    assert not is_done
    assert any("events-failed/x cannot be judged" in each for each in said)
    assert f"{DAY}a" not in dict(account.bodies_as_they_are("events/"))


def test_a_record_that_looks_compressed_is_read_as_it_is(account, tmp_path):
    account.put(Contents({"quarantine/shard/9": b"\x1f\x8b" + line("s", "ann")}, []))
    assert account.forget("ann", tmp_path)[0]
    assert not [body for _, body in account.bodies_as_they_are("quarantine/") if b"ann" in body]


def test_two_runs_about_two_persons_lose_nothing_of_a_third(account, tmp_path):
    three = [line("a", "ann"), line("b", "ben"), line("c", "cid")]
    account.put(Contents({f"{DAY}a": b"".join(three)}, []))
    run, _ = account.forgetting(tmp_path)
    other = []

    def forget_the_other(**_):
        if not other:
            other.append(None)
            (tmp_path / "other").mkdir()
            other.append(account.forget("ben", tmp_path / "other")[0])

    run.search.objects.s3.meta.events.register("after-call.s3.PutObject", forget_the_other)
    run.run("ann", [], "again")
    assert other[-1] is True
    assert account.forget("ann", tmp_path)[0]
    assert account.events() == [line("c", "cid").strip()]


def test_a_session_that_shows_during_the_search_is_the_persons_too(account, tmp_path):
    account.put(Contents({f"{DAY}a": line("s", "ann"), f"{DAY}b": line("late")}, []))
    run, _ = account.forgetting(tmp_path)
    shown = []

    def sign_in(**_):
        if not shown:
            shown.append(account.put_object(f"{DAY}c", line("late", "ann")))

    # After the first query of the archive.
    run.search.objects.s3.meta.events.register("before-call.s3.ListObjectVersions", sign_in)
    assert run.run("ann", [], "again") or account.forget("ann", tmp_path)[0]
    assert account.events() == []


def test_a_name_that_is_there_twice_counts_as_delivery_reads_it(account, tmp_path):
    twice = b'{"UserId": "ann", "UserId": "ben", "SessionId": "x", "EventType": "v", "Event": {}}\n'
    hidden = twice.replace(b'"ann", "UserId": "ben"', b'"ben", "UserId": "ann"')
    sessions = b'{"SessionId": "x", "SessionId": "s", "EventType": "v", "Event": {}}\n'
    account.put(Contents({f"{DAY}a": twice, f"{DAY}b": hidden, f"{DAY}c": sessions + line("s", "ann")}, []))
    assert account.forget("ann", tmp_path)[0]
    assert account.events() == [twice.strip()]


ODD_LINES = [
    b'{"UserId": false, "SessionId": "s", "EventType": "v", "Event": {}}\n',
    b'{"UserId": null, "SessionId": "s", "EventType": "v", "Event": {}}\n',
    b'{"user__id": "ann", "SessionId": "x", "EventType": "v", "Event": {}}\n',
    b'{"UserId": "ann", "SessionId": 7, "EventType": "v", "Event": {}}\n',
    b'{"SessionId": "x", "session_id": "s", "EventType": "v", "Event": {}}\n',
    b'{"User\\u0049d": "ann", "SessionId": "x", "EventType": "v", "Event": {}}\n',
    b'{"UserId": "ben", "User\\u0049d": "ann", "SessionId": "x", "EventType": "v", "Event": {}}\n',
    b'{"Session\\u0049d": "s", "EventType": "v", "Event": {}}\n',
    json.dumps({"UserId": "ann", "SessionId": "x" * 1100, "EventType": "v", "Event": {}}).encode() + b"\n",
]
OTHERS_ODD_LINES = [
    b'{"user__id": "ben", "SessionId": "s", "EventType": "v", "Event": {}}\n',
    b'{"UserId": "ann", "User\\u0049d": "ben", "SessionId": "s", "EventType": "v", "Event": {}}\n',
    b'{"SessionId": "t", "EventType": "v", "Event": {"user_id": "ann"}}\n',
]


def test_queries_and_judgement_agree_about_odd_lines(account, tmp_path):
    """Each line in an object of its own: a query that passes over it is not helped by another line."""
    lines = [*ODD_LINES, *OTHERS_ODD_LINES, line("s", "ann")]
    account.put(Contents({f"{DAY}{number}": each for number, each in enumerate(lines)}, []))
    is_done, said = account.forget("ann", tmp_path)
    assert is_done, said
    assert account.events() == sorted(each.strip() for each in OTHERS_ODD_LINES)


def test_a_broken_object_that_the_queries_can_read_is_named_and_the_rest_goes(account, tmp_path):
    broken = gzip.compress(line("s", "ann")) + b"garbage"
    account.put(Contents({f"{DAY}a.gz": broken, f"{DAY}b": line("s", "ann")}, []))
    run, said = account.forgetting(tmp_path)
    run.search.objects.rewrite(f"{DAY}a.gz", Form(edit_lines, is_lines=True), Person("ann"))
    assert dict(account.bodies_as_they_are("events/"))[f"{DAY}a.gz"] == broken
    assert said == []


def test_what_no_query_sees_of_the_archive_goes_too(account, tmp_path):
    keys = [
        "events/x",
        "events/dt=2024-12-31/a",
        f"{DAY}_a",
        f"{DAY}.a",
        "events/dt=other/a",
        f"{DAY}folder/a",
    ]
    account.put(Contents({key: line("s", "ann") + line("t", "ben") for key in keys}, []))
    assert account.forget("ann", tmp_path)[0]
    assert account.events() == [line("t", "ben").strip()] * len(keys)


def test_a_message_that_delivery_does_not_write_is_looked_into(account, tmp_path):
    event, other = line("s", "ann").decode(), line("t", "ben").decode()
    encoded = base64.b64encode(event.encode()).decode()
    odd = [
        json.dumps({"record": event}),
        json.dumps({"record": encoded, "encoding": "base64", "sequenceNumber": "x"}),
        json.dumps({"record": other}),
        event + other,
        "[1]",
    ]
    account.put(Contents({}, odd))
    assert account.forget("ann", tmp_path)[0]
    assert len(account.bodies_of_messages()) == 3
    assert not [body for body in account.bodies_of_messages() if "ann" in body or encoded in body]


def test_a_message_that_becomes_too_large_for_the_queue_goes_to_the_bucket(account, tmp_path):
    record = line("s", "ann") + b"{}\n" * 12_000
    account.put(Contents({}, [message(record, 5)]))
    assert account.forget("ann", tmp_path)[0]
    [body] = account.bodies_of_messages()
    assert json.loads(body)["recordLocation"].endswith("quarantine/shard/5")
    [(key, content)] = account.bodies("quarantine/")
    assert key == "quarantine/shard/5"
    assert content.count(b'"EventId":"shard:5:') == 12_000


GROUP = "arn:aws:personalize:us-east-1:000000000000:dataset-group/shop"
ROLE = "arn:aws:iam::000000000000:role/reader"


def test_a_job_starts_in_the_first_run_and_in_the_last_one(account, tmp_path):
    """Personalize is a stub: the emulator has no data deletion jobs."""
    account.put(Contents({f"{DAY}a": line("s", "ann"), "exports/forget-x/users.csv": b"USER_ID\nben\n"}, []))
    client = boto3.client("personalize", region_name="us-east-1")
    started = []

    def run(day, *statuses, starts):
        at = datetime.now(timezone.utc) + timedelta(days=day)
        with Stubber(client) as personalize:
            for status in statuses:
                found = {"dataDeletionJob": {"status": status, "numDeleted": 1}}
                personalize.add_response("describe_data_deletion_job", found)
            if starts:
                arn = f"{GROUP.partition(':dataset-group')[0]}:data-deletion-job/{len(started)}"
                personalize.add_response("create_data_deletion_job", {"dataDeletionJobArn": arn})
                started.append(arn)
            made, said = account.forgetting(tmp_path)
            jobs = replace(made.deletion_jobs, personalize=client)
            is_done = replace(made, deletion_jobs=jobs, now=lambda: at).run(
                "ann", [Job(GROUP, ROLE)], "again"
            )
            personalize.assert_no_pending_responses()
            return is_done, "\n".join(said)

    assert run(0, starts=True)[0]
    files = [key for key, _ in account.bodies("exports/")]
    assert len(files) == 2, "the file of this job, and that of somebody else's"
    assert run(1, "IN_PROGRESS", starts=False)[0]
    assert [key for key, _ in account.bodies("exports/")] == files
    is_done, said = run(4, "FAILED", starts=True)
    assert is_done
    assert "failed: Personalize gives no reason" in said
    assert run(5, "PENDING", starts=False)[0]
    assert (tmp_path / "memory.json").exists()
    is_done, said = run(6, "COMPLETED", starts=False)
    assert is_done
    assert "Nothing of the person can come any more" in said
    assert not (tmp_path / "memory.json").exists()
    assert [key for key, _ in account.bodies("exports/")] == ["exports/forget-x/users.csv"]


def test_a_failed_job_is_no_success(account, tmp_path):
    account.put(Contents({}, []))
    now = datetime.now(timezone.utc)
    job = StartedJob("arn:x/forget-1", GROUP, "exports/forget-1/users.csv", now, JobState.FAILED)
    run, said = account.forgetting(tmp_path)
    run.memory_file.write(Memory(frozenset(), now - timedelta(days=1), [job]))
    assert not run.run("ann", [], "again")
    assert any("failed: Personalize keeps the person" in each for each in said)
    assert run.memory_file.path.exists()


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
