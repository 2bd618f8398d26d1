"""Redrive against a real queue, stream and bucket of the emulator."""

import json
import uuid
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from chalicelib.delivery.kinesis import KinesisRecord
from chalicelib.delivery.outcome import REFUSED, UNREADABLE, RejectedRecord
from chalicelib.delivery.quarantine import Quarantine
from ops.undelivered import load_repair
from tests.support.calls import run_command
from tests.support.clone import clone_project
from tests.support.factories import request
from tests.support.redriving import Interruption, run, running_pipeline, streamed, waiting

ROOT = Path(__file__).parents[2]
PAST = datetime.now(timezone.utc) - timedelta(minutes=5)


@pytest.fixture
def pipeline(stack, eventually):
    with running_pipeline(stack, eventually) as pipeline:
        yield pipeline


@pytest.fixture
def keep(stack, pipeline):
    """``keep(record, number)`` quarantines a record as delivery does."""

    def put(record, number, *, reason=REFUSED, now=PAST):
        data = record if isinstance(record, bytes) else json.dumps(record).encode()
        quarantine = Quarantine(pipeline.queue_url, stack.stack.bucket, pipeline)
        kinesis_record = KinesisRecord("shardId-000000000000", str(number), now, data)
        rejected = RejectedRecord(kinesis_record, reason, "said so")
        outcome = quarantine.put([rejected], now=now, seconds_left=lambda: 60.0)
        assert outcome.quarantined == [kinesis_record]

    return put


def test_records_go_back_in_stream_order_under_the_id_they_had(pipeline, keep):
    keep(request(EventId="second"), 20)
    keep(request(EventId="first"), 3)
    report = run(pipeline)
    assert (report.put_back, report.left, report.failed) == (2, 0, 0)
    assert [event["EventId"] for event in streamed(pipeline)] == ["first", "second"]
    assert waiting(pipeline) == [0, 0]


def test_a_record_without_id_goes_back_under_the_id_of_its_place(pipeline, keep):
    keep(request(), 7)
    run(pipeline)
    assert [event["EventId"] for event in streamed(pipeline)] == ["shardId-000000000000:7"]


def test_a_record_that_was_quarantined_twice_goes_back_once(pipeline, keep):
    keep(request(EventId="once"), 7)
    keep(request(EventId="once"), 7)
    report = run(pipeline)
    assert report.put_back == 1
    assert report.reasons.total() == 1
    assert len(streamed(pipeline)) == 1
    assert waiting(pipeline) == [0, 0]


def test_what_breaks_the_contract_stays_visible_in_the_queue(pipeline, keep):
    keep(b"poison \xff", 1, reason=UNREADABLE)
    keep(request(EventId="good"), 2)
    report = run(pipeline)
    assert (report.put_back, report.left) == (1, 1)
    assert waiting(pipeline) == [1, 0]


def test_a_repair_mends_what_it_can_and_leaves_the_rest(pipeline, keep, tmp_path):
    keep(b'{"SessionId": 7, "EventType": "read", "Event": {}}', 1, reason=UNREADABLE)
    keep(b"beyond repair", 2, reason=UNREADABLE)
    (tmp_path / "mend.py").write_text(
        "import json\n"
        "def repair(record, reason, error):\n"
        "    if not record.startswith(b'{'):\n"
        "        return None\n"
        "    body = json.loads(record)\n"
        "    return json.dumps({**body, 'SessionId': str(body['SessionId'])}).encode()\n"
    )
    report = run(pipeline, repair=load_repair(tmp_path / "mend.py"))
    assert (report.put_back, report.left) == (1, 1)
    assert [event["SessionId"] for event in streamed(pipeline)] == ["7"]


def test_a_record_kept_in_the_bucket_is_read_from_there(pipeline, keep):
    keep(b" " * 300_000 + json.dumps(request(EventId="large")).encode(), 1)
    assert run(pipeline).put_back == 1
    assert [event["EventId"] for event in streamed(pipeline)] == ["large"]


@pytest.mark.parametrize("body", ["hello", "{}", '"\\u001b[2J"', json.dumps({"reason": [], "record": 7})])
def test_one_odd_message_is_left_and_the_rest_goes_back(pipeline, keep, body):
    pipeline.sqs.send_message(QueueUrl=pipeline.queue_url, MessageBody=body)
    keep(request(EventId="good"), 2)
    report = run(pipeline)
    assert (report.put_back, report.left, report.odd) == (1, 1, 1)
    assert [event["EventId"] for event in streamed(pipeline)] == ["good"]
    assert waiting(pipeline) == [1, 0]


def test_a_record_whose_object_is_gone_is_left_and_the_rest_goes_back(pipeline, keep):
    keep(b" " * 300_000 + json.dumps(request(EventId="large")).encode(), 41)
    keep(request(EventId="good"), 42)
    pipeline.s3.delete_object(Bucket=pipeline.bucket_name, Key="quarantine/shardId-000000000000/41")
    report = run(pipeline)
    assert (report.put_back, report.left) == (1, 1)
    assert report.reasons["odd message: the object is gone"] == 1
    assert waiting(pipeline) == [1, 0]


@pytest.mark.parametrize("place", ["{bucket}/events/", "{other}/quarantine/"])
def test_a_message_does_not_bring_in_what_the_operator_alone_may_read(pipeline, keep, place):
    other = f"other-{uuid.uuid4().hex[:8]}"
    pipeline.s3.create_bucket(Bucket=other)
    place = place.format(bucket=pipeline.bucket_name, other=other)
    bucket, _, key = place.partition("/")
    pipeline.s3.put_object(
        Bucket=bucket, Key=f"{key}secret", Body=json.dumps(request(EventId="secret")).encode()
    )
    keep(request(EventId="good"), 2)
    message = {
        **{"reason": "refused", "error": "", "record": None, "recordLocation": f"s3://{place}secret"},
        **{"shardId": "shardId-000000000000", "sequenceNumber": "1", "quarantinedAt": "2026-01-31T00:00:00Z"},
    }
    pipeline.sqs.send_message(QueueUrl=pipeline.queue_url, MessageBody=json.dumps(message))
    report = run(pipeline)
    pipeline.s3.delete_object(Bucket=bucket, Key=f"{key}secret")
    assert (report.put_back, report.odd) == (1, 1)
    assert [event["EventId"] for event in streamed(pipeline)] == ["good"]


def test_a_dry_run_counts_and_changes_nothing(pipeline, keep):
    for number in range(12):
        keep(request(EventId=f"e{number}"), number)
    report = run(pipeline, dry_run=True)
    assert report.reasons == {"refused: said so": 12}
    assert report.put_back == 12
    assert streamed(pipeline) == []
    assert waiting(pipeline) == [12, 0]


def test_what_comes_back_while_it_runs_is_left_for_the_next_time(pipeline, keep):
    keep(request(EventId="old"), 1)
    keep(request(EventId="came back"), 2, now=datetime.now(timezone.utc) + timedelta(seconds=5))
    assert run(pipeline).put_back == 1
    assert waiting(pipeline) == [1, 0]


def test_interrupted_at_every_step_it_loses_nothing(pipeline, keep, eventually):
    # A message that had been received when the interruption came is shown again after this time.
    pipeline = replace(pipeline, hidden_seconds=1)
    step, interrupted = 0, True
    expected = set()
    while interrupted:
        step += 1
        for number in range(3):
            name = f"{step}-{number}"
            keep(request(EventId=name), 1000 * step + number)
            expected.add(name)
        interruption = Interruption((pipeline.sqs, pipeline.kinesis), step)
        try:
            run(pipeline)
            interrupted = False
        except KeyboardInterrupt:
            pass
        finally:
            interruption.end()
        eventually(lambda: {event["EventId"] for event in streamed(pipeline)} | _queued(pipeline) >= expected)
    # Each call once before and once after it was made: two receives, the put, the delete, the last receive.
    assert step > 7
    eventually(lambda: run(pipeline) and waiting(pipeline) == [0, 0])
    assert {event["EventId"] for event in streamed(pipeline)} == expected


def _queued(pipeline):
    """Event ids of what the queue shows; shown again at once."""
    ids, receipts = set(), []
    while True:
        answer = pipeline.sqs.receive_message(QueueUrl=pipeline.queue_url, MaxNumberOfMessages=10)
        messages = answer.get("Messages", [])
        if not messages:
            break
        receipts += [message["ReceiptHandle"] for message in messages]
        ids |= {json.loads(json.loads(message["Body"])["record"])["EventId"] for message in messages}
    for receipt in receipts:
        pipeline.sqs.change_message_visibility(
            QueueUrl=pipeline.queue_url, ReceiptHandle=receipt, VisibilityTimeout=0
        )
    return ids


@pytest.fixture
def program(stack):
    """``program(*arguments)`` runs the command as an operator would, pointed at the running stack."""

    def run(*arguments):
        return run_command("redrive", *arguments, endpoint_url=stack.stack.awsEndpointUrl)

    return run


def test_the_command_brings_what_personalize_refused_to_personalize(stack, program, eventually):
    name = uuid.uuid4().hex
    stack.engine.set_faults(invalidItemIds=[name])
    event = request(EventId=name, SessionId=name, Event={"itemId": name})
    stack.client("kinesis").put_record(
        StreamName=stack.stack.streamName, Data=json.dumps(event).encode(), PartitionKey=name
    )

    def counted():
        ran = program("--stack-name", "personalize-api-local", "--dry-run")
        return "refused: Personalize refused the input" in ran.stdout and ran

    assert "1 would go back into the stream" in eventually(counted).stdout
    stack.engine.set_faults()
    ran = program("--stack-name", "personalize-api-local")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "1 went back into the stream, 0 stay in the quarantine." in ran.stdout
    eventually(
        lambda: (
            name
            in {e["eventId"] for e in stack.engine.control("GET", "/_engine/events?limit=10000")["events"]}
        )
    )


def test_the_command_prints_no_control_character_of_a_message(stack, program):
    queue = stack.stack.quarantineQueueUrl
    bad = {
        **{"reason": "\x1b]0;title\x07", "error": "\x1b[2J\r\u202e" + "x" * 5_000, "record": "poison"},
        **{"shardId": "shardId-000000000000", "sequenceNumber": "1", "quarantinedAt": "2026-01-31T00:00:00Z"},
    }
    sqs = stack.client("sqs")
    for body in (json.dumps(bad), "hello \t"):
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    try:
        ran = program("--stack-name", "personalize-api-local", "--dry-run")
    finally:
        sqs.purge_queue(QueueUrl=queue)
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.replace("\r", "\n").splitlines()
    assert all(line.isprintable() and len(line) < 400 for line in lines)
    assert "\\x1b]0;title\\x07" in ran.stdout
    assert "odd message: it is not JSON" in ran.stdout


@pytest.fixture
def local_project(stack, tmp_path):
    """A clone in which ``make run`` has told where the running stack is."""
    project = clone_project(tmp_path)
    (project / ".local").mkdir()
    (project / ".local" / "stack.json").write_text(json.dumps(asdict(stack.stack)))
    return project


@pytest.mark.parametrize("command", ["redrive", "doctor"])
def test_the_local_stage_is_what_make_run_started(local_project, monkeypatch, command):
    for name, value in (("AWS_PROFILE", "nobody"), ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")):
        monkeypatch.setenv(name, value)
    ran = run_command(
        *(command, "--stage", "local"), endpoint_url="http://127.0.0.1:9", project=local_project
    )
    assert ran.stderr == ""
    expected = {"redrive": "back into the stream", "doctor": "ok  The API key is in a usage plan of the API."}
    assert expected[command] in ran.stdout


def test_a_local_stack_that_has_stopped_is_a_sentence(local_project):
    file = local_project / ".local" / "stack.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"awsEndpointUrl": "http://127.0.0.1:9"}))
    ran = run_command("redrive", "--stage", "local", endpoint_url="", project=local_project)
    assert ran.returncode == 1
    assert ran.stderr == (
        "The local stack does not respond at http://127.0.0.1:9. Start it with 'make run' in another "
        "terminal.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--stack-name", "nobodys"], "does not exist"),
        (["--stage", "prod"], "The stage prod is not deployed in us-east-1, or not whole."),
        (["--repair", "/nowhere/mend.py"], "There is no file /nowhere/mend.py."),
    ],
)
def test_a_wrong_argument_is_a_sentence(program, arguments, sentence):
    ran = program(*arguments)
    assert ran.returncode == 1
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr
