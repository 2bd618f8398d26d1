"""`make trace` on the running local stack: what it says of an event for each thing that can become of it."""

import json
import os
import subprocess
import uuid
from contextlib import contextmanager
from datetime import datetime, timezone

import pytest

from chalicelib.timestamps import to_rfc3339
from local.coordinates import written
from local.stack import running_stack
from simulation.mapping import Batch, invocation_record
from simulation.stream import Record
from tests.support.archive import archived_lines
from tests.support.calls import run_command
from tests.support.clone import ROOT, clone_project
from tests.support.engine_events import received
from tests.support.redriving import waiting

SHARD = "shardId-000000000000"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A stack of its own: what waits in the quarantine here would be in the way of other files."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory, stack):
    """A checkout in which the running stack is `STAGE=local`."""
    folder = tmp_path_factory.mktemp("project")
    clone_project(folder)
    with written(stack.stack, folder / ".local" / "stack.json"):
        yield folder


@pytest.fixture
def trace(project):
    """``trace(event_id)`` runs the command. Returns its exit status and the lines of its stdout."""

    def run(event_id, *options):
        words = ("trace", "--stage", "local", *options, "--", event_id)
        ran = run_command(*words, endpoint_url="http://127.0.0.1:9", project=project)
        assert ran.stdout or ran.returncode == 1, ran.stderr
        return ran.returncode, ran.stdout.splitlines() or ran.stderr.splitlines()

    return run


@pytest.fixture
def send(stack, post, eventually):
    """``send(...)`` sends an event and waits until the archive has it. Returns its id."""

    def call(**changes):
        name = uuid.uuid4().hex
        body = {"UserId": "ann", "SessionId": f"s-{name}", "EventType": "read", "Event": {"itemId": "emma"}}
        status, response, _ = post("history", {**body, "EventId": name, **changes})
        assert status == 202, response
        event_id = response["EventId"]
        eventually(lambda: event_id in _archived_ids(stack))
        return event_id

    return call


def _archived_ids(stack):
    lines = [line for line in archived_lines(stack) if line.startswith(b"{")]
    return [json.loads(line).get("EventId") for line in lines]


@contextmanager
def faults(stack, **settings):
    stack.engine.control("PUT", "/_engine/faults", settings)
    try:
        yield
    finally:
        stack.engine.control("DELETE", "/_engine/faults")


def label(lines, name):
    """The texts of the lines with a label."""
    return [line[12:].strip() for line in lines if line[:12].strip() == name]


def test_an_event_that_was_delivered(stack, send, trace, eventually):
    event_id = send()
    eventually(lambda: event_id in {event["eventId"] for event in received(stack)})
    status, lines = trace(event_id)
    assert status == 0, lines
    assert lines[0].startswith("delivered    Personalize has it since 20")
    [accepted] = label(lines, "accepted")
    assert accepted.endswith(f"read of emma, session s-{event_id}, user ann")
    assert f"s3://{stack.stack.bucket}/events/dt=" in lines[2]
    assert label(lines, "quarantine")[0].startswith("not there")
    assert label(lines, "given up")[0].startswith("not there")


def test_an_action_interaction_that_was_delivered(trace, send, eventually):
    event_id = send(EventType="Taken", Event=None, Action={"actionId": "renew-a-loan"})
    lines = eventually(lambda: (found := trace(event_id)[1])[0].startswith("delivered") and found)
    assert "Taken of renew-a-loan" in label(lines, "accepted")[0]


def test_an_event_that_was_sent_twice_has_a_line_for_each_time(stack, send, trace, eventually):
    event_id = send()
    send(EventId=event_id, SessionId=f"s-{event_id}")
    eventually(lambda: _archived_ids(stack).count(event_id) == 2)
    _, lines = trace(event_id)
    assert len(label(lines, "accepted")) == len(label(lines, "sent again")) == 1


def test_an_event_that_personalize_refuses(stack, send, trace, eventually):
    item = f"refused-{uuid.uuid4().hex}"
    with faults(stack, invalidItemIds=[item]):
        event_id = send(Event={"itemId": item})
        lines = eventually(lambda: (found := trace(event_id)[1])[0].startswith("quarantined") and found)
    assert "refused: Personalize refused the input" in lines[0]
    assert label(lines, "to do") == ["Remove the cause, then: make redrive STAGE=local"]
    assert label(lines, "accepted") and label(lines, "quarantine")[0].startswith("since 20")
    _, hidden = waiting(_Queue(stack))
    assert hidden == 0, "a redrive sees every message again"


class _Queue:
    """The quarantine queue of the stack."""

    def __init__(self, stack):
        self.sqs, self.queue_url = stack.client("sqs"), stack.stack.quarantineQueueUrl


def test_an_event_that_waits_says_why(stack, send, trace, eventually):
    with faults(stack, operations=["PutEvents"], accessDenied=True):
        event_id = send()
        lines = eventually(lambda: "The log says" in (found := trace(event_id)[1])[0] and found)
        assert lines[0].startswith("waiting      Delivery is ")
        assert "Personalize refused this deployment" in lines[0]
    eventually(lambda: trace(event_id)[1][0].startswith("delivered"))


def test_an_event_that_waits_while_personalize_throttles(stack, send, trace, eventually):
    with faults(stack, operations=["PutEvents"], throttleRate=1):
        event_id = send()
        status, lines = trace(event_id)
        assert status == 0 and lines[0].startswith("waiting      "), lines
    eventually(lambda: trace(event_id)[1][0].startswith("delivered"))


def test_an_event_of_a_batch_that_was_given_up(stack, trace):
    name, now = uuid.uuid4().hex, datetime.now(timezone.utc)
    request = {"SessionId": "s1", "EventType": "read", "EventId": name, "ReceivedAt": to_rfc3339(now)}
    data = json.dumps({**request, "Event": {"itemId": "emma"}}).encode()
    batch = Batch([Record(SHARD, "1", "s1", data, now.timestamp())])
    document = invocation_record(batch, "RecordAgeExceeded", "s3", now.timestamp())
    key = f"aws/lambda/mapping/{SHARD}/{now:%Y/%m/%d}/{now:%Y-%m-%dT%H.%M.%S}-{name}"
    s3 = stack.client("s3")
    s3.put_object(Bucket=stack.stack.bucket, Key=key, Body=json.dumps(document).encode())
    try:
        status, lines = trace(name)
    finally:
        s3.delete_object(Bucket=stack.stack.bucket, Key=key)
    assert status == 0
    assert lines[0] == "given up     Lambda gave its batch up: RecordAgeExceeded"
    assert "make redrive STAGE=local ARGS=--given-up" in label(lines, "to do")[0]
    assert label(lines, "given up")[1].endswith(f"s3://{stack.stack.bucket}/{key}")


def test_an_event_of_another_producer_is_known_by_the_id_that_delivery_derives(stack, trace, eventually):
    name = uuid.uuid4().hex
    request = {"SessionId": name, "UserId": name, "EventType": "read", "Event": {"itemId": "emma"}}
    put = stack.client("kinesis").put_record(
        StreamName=stack.stack.streamName, Data=json.dumps(request).encode() + b"\n", PartitionKey=name
    )
    event_id = f"{put['ShardId']}:{put['SequenceNumber']}"
    lines = eventually(lambda: (found := trace(event_id))[0] == 0 and found[1])
    assert lines[0].startswith("delivered")
    assert "events of other producers have none there" in label(lines, "archive")[0]


@pytest.mark.parametrize("event_id", ["unknown", "100%", "' OR '1'='1"])
def test_an_unknown_id_says_what_to_check(trace, event_id):
    status, lines = trace(event_id)
    assert status == 1
    assert lines[0].startswith("not found") and label(lines, "check")


@pytest.mark.parametrize("event_id", ['it\'s 100% "new" %s', "' OR '1'='1"])
def test_an_id_with_quotes_and_percent_signs_is_found(send, trace, event_id):
    name = f"{event_id} {uuid.uuid4().hex}"
    send(EventId=name)
    status, lines = trace(name)
    assert status == 0 and len(label(lines, "accepted")) == 1


def test_a_day_without_the_event(send, trace):
    event_id = send()
    status, lines = trace(event_id, "--from", "2026-01-01", "--to", "2026-01-02")
    # The engine has it all the same; the archive was asked for other days.
    assert "no row with this EventId from 2026-01-01 to 2026-01-02" in label(lines, "archive")[0]
    assert status == (0 if lines[0].startswith("delivered") else 1)


def test_an_id_that_no_event_has_is_refused(trace):
    assert trace(" ") == (1, ["EVENT is the EventId of a response: 1 to 256 characters."])


def test_make_hands_an_id_over_as_it_is(tmp_path):
    name = 'it\'s 100% "new" `touch pwned`'
    makefile = (ROOT / "Makefile").read_text().replace("$(BIN)/python", "printf '%s\\n'")
    makefile = makefile.replace("trace: $(INSTALLED)", "trace:")
    (tmp_path / "Makefile").write_text(makefile)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    ran = subprocess.run(
        ["make", "trace", f"EVENT={name}", "STAGE=prod", "FROM=2026-01-01"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-2:] == ["--", name]
    assert "--from=2026-01-01" in ran.stdout and not (tmp_path / "pwned").exists()
