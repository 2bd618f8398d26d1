"""Redrive of given-up batches against a real bucket and stream of the emulator."""

import json
import uuid

import pytest

from simulation.mapping import Batch, invocation_record
from simulation.stream import Record
from tests.support.calls import run_command
from tests.support.factories import NOW, request
from tests.support.redriving import Interruption, run_given_up, running_pipeline, streamed

SHARD = "shardId-000000000000"
FOLDER = f"aws/lambda/11111111-2222-3333-4444-555555555555/{SHARD}/2026/01/31"


@pytest.fixture
def pipeline(stack, eventually):
    """A bucket of its own too."""
    name = f"given-up-{uuid.uuid4().hex[:8]}"
    stack.client("s3").create_bucket(Bucket=name)
    with running_pipeline(stack, eventually, bucket_name=name) as pipeline:
        yield pipeline


def give_up(s3, bucket, *requests, first):
    """Write the object that Lambda writes for a batch that it gives up. Returns its key."""
    records = [
        Record(SHARD, str(number), "s1", json.dumps(one).encode(), NOW.timestamp())
        for number, one in enumerate(requests, first)
    ]
    document = invocation_record(Batch(records), "RecordAgeExceeded", "s3", NOW.timestamp())
    key = f"{FOLDER}/2026-01-31T12.00.00-{uuid.uuid4()}"
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(document).encode())
    return key


def keys(pipeline):
    found = pipeline.s3.list_objects_v2(Bucket=pipeline.bucket_name).get("Contents", [])
    return {entry["Key"] for entry in found}


def ids(pipeline):
    return [event["EventId"] for event in streamed(pipeline)]


def test_batches_go_back_in_stream_order_and_their_objects_go(pipeline):
    for first in (30, 4, 100):
        give_up(pipeline.s3, pipeline.bucket_name, request(), request(EventId=f"own-{first}"), first=first)
    report = run_given_up(pipeline)
    assert (report.put_back, report.left, report.failed) == (6, 0, 0)
    assert ids(pipeline) == [f"{SHARD}:4", "own-4", f"{SHARD}:30", "own-30", f"{SHARD}:100", "own-100"]
    assert {event["ReceivedAt"] for event in streamed(pipeline)} == {"2026-01-31T12:00:00.000Z"}
    assert keys(pipeline) == set()


def test_what_is_no_batch_is_counted_and_left(pipeline):
    give_up(pipeline.s3, pipeline.bucket_name, request(EventId="good"), first=1)
    odd = {f"{FOLDER}/notes.txt", "aws/lambda/async/function/2026/01/31/x", "events/dt=2026-01-31/x"}
    for key in odd:
        pipeline.s3.put_object(Bucket=pipeline.bucket_name, Key=key, Body=b"hello")
    report = run_given_up(pipeline)
    assert (report.put_back, report.odd) == (1, 2)
    assert keys(pipeline) == odd


def test_interrupted_at_every_step_it_loses_nothing(pipeline):
    step, interrupted = 0, True
    expected = set()
    while interrupted:
        step += 1
        for number in (1, 2):
            first = 1000 * step + 10 * number
            give_up(pipeline.s3, pipeline.bucket_name, request(), request(), first=first)
            expected |= {f"{SHARD}:{first}", f"{SHARD}:{first + 1}"}
        interruption = Interruption((pipeline.s3, pipeline.kinesis), step)
        try:
            run_given_up(pipeline)
            interrupted = False
        except KeyboardInterrupt:
            pass
        finally:
            interruption.end()
        assert set(ids(pipeline)) | _kept(pipeline) == expected
        run_given_up(pipeline)
        assert set(ids(pipeline)) == expected
        assert keys(pipeline) == set()
    # Each call once before and once after it was made: a list, and for each object two gets, a put, a delete.
    assert step > 14


def _kept(pipeline):
    """The ids of the records that the bucket still has."""
    found = set()
    for key in keys(pipeline):
        body = pipeline.s3.get_object(Bucket=pipeline.bucket_name, Key=key)["Body"].read()
        found |= {record["eventID"] for record in json.loads(json.loads(body)["payload"])["Records"]}
    return found


def test_the_command_brings_what_lambda_gave_up_to_personalize(stack, eventually):
    name = uuid.uuid4().hex
    bucket = stack.stack.bucket
    key = give_up(stack.client("s3"), bucket, request(EventId=name, SessionId=name), first=1)

    def program(*arguments):
        return run_command(
            *("redrive", "--stack-name", "personalize-api-local", "--given-up", *arguments),
            endpoint_url=stack.stack.awsEndpointUrl,
        )

    counted = program("--dry-run")
    assert (counted.returncode, counted.stderr) == (0, "")
    assert "given up: RecordAgeExceeded" in counted.stdout
    assert "1 would go back into the stream, 0 stay in the bucket." in counted.stdout
    ran = program()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "1 went back into the stream, 0 stay in the bucket." in ran.stdout
    assert "Contents" not in stack.client("s3").list_objects_v2(Bucket=bucket, Prefix=key)
    eventually(
        lambda: (
            name
            in {e["eventId"] for e in stack.engine.control("GET", "/_engine/events?limit=10000")["events"]}
        )
    )
