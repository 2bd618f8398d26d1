"""Records of another producer with several events each, through the real local stack."""

import json
import uuid

import pytest

from tests.support.calls import run_command
from tests.support.factories import aggregate, json_lines, request

REPAIR = """
import json


def repair(record, reason, error):
    body = json.loads(record)
    body["SessionId"] = str(body["SessionId"])
    return json.dumps(body).encode()
"""


@pytest.fixture
def session():
    return f"session-{uuid.uuid4().hex}"


@pytest.fixture
def put(stack):
    """``put(data, session)`` puts a record into the stream. Returns its shard and its sequence number."""

    def put_record(data, session):
        kinesis = stack.client("kinesis")
        found = kinesis.put_record(StreamName=stack.stack.streamName, Data=data, PartitionKey=session)
        return found["ShardId"], found["SequenceNumber"]

    return put_record


def trained(stack, item):
    """Ids of the engine's events with an item, in order of arrival."""
    events = stack.engine.control("GET", "/_engine/events?limit=10000")["events"]
    return [event["eventId"] for event in events if event["itemId"] == item]


def quarantined(stack, place):
    """The messages that name a place in the stream, still there for others."""
    sqs, queue = stack.client("sqs"), stack.stack.quarantineQueueUrl
    response = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0)
    messages = [json.loads(message["Body"]) for message in response.get("Messages", [])]
    return [found for found in messages if (found["shardId"], found["sequenceNumber"]) == place]


def archived(stack, text):
    """The lines of the archive that contain a text."""
    s3 = stack.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=stack.stack.bucket, Prefix="events/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    bodies = [s3.get_object(Bucket=stack.stack.bucket, Key=key)["Body"].read() for key in keys]
    return [line for body in bodies for line in body.splitlines() if text.encode() in line]


def test_the_archive_has_an_aggregate_as_the_records_in_it(stack, put, session, eventually):
    events = [request(SessionId=session, UserId=user) for user in ("u1", "u2", "u3")]
    put(aggregate(json_lines(*events[:2]), json_lines(events[2])), session)
    eventually(lambda: [json.loads(line) for line in archived(stack, session)] == events)


@pytest.mark.parametrize("make", [aggregate, json_lines])
def test_the_good_events_of_a_record_are_trained_on_and_the_bad_one_after_its_repair(
    *, stack, put, session, make, eventually, tmp_path
):
    item = f"item-of-{session}"
    good = [request(SessionId=session, UserId=user, Event={"itemId": item}) for user in ("u1", "u2")]
    bad = request(SessionId=7, Event={"itemId": item})
    place = shard, number = put(make(good[0], bad, good[1]), session)
    ids = [f"{shard}:{number}:{index}" for index in range(3)]
    eventually(lambda: trained(stack, item) == [ids[0], ids[2]])

    (message,) = eventually(lambda: quarantined(stack, place))
    assert (message["index"], json.loads(message["record"])) == (1, bad)
    (tmp_path / "mend.py").write_text(REPAIR)
    ran = run_command(
        *("redrive", "--stack-name", "personalize-api-local", "--repair", str(tmp_path / "mend.py")),
        endpoint_url=stack.stack.awsEndpointUrl,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    eventually(lambda: trained(stack, item) == [ids[0], ids[2], ids[1]])
    assert quarantined(stack, place) == []
