"""``make run`` while the machine's clock is set: on by days, back by hours, and at the next start."""

import base64
import json
import os
import urllib.request

import boto3
import pytest

from tests.support import calls
from tests.support.local_run import ready

HOUR = 3600
CLOCK = """
import os, time
_real = time.time
def _shifted():
    with open(os.environ["CLOCK_SHIFT_FILE"]) as file:
        return _real() + float(file.read() or 0)
time.time = _shifted
"""
"""Python runs it at the start of every program: the ``sitecustomize`` of this test."""


class Clock:
    """The time of the programs that run with ``environment``: calling it shifts it by seconds."""

    def __init__(self, folder):
        self._folder = folder
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(CLOCK)
        self.environment = os.environ | {
            "PYTHONPATH": str(folder),
            "CLOCK_SHIFT_FILE": str(folder / "shift"),
        }
        self(0)

    def __call__(self, seconds):
        temporary = self._folder / "temporary"
        temporary.write_text(str(seconds))
        temporary.replace(self._folder / "shift")


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path / "clock")


def call(terminal, route, body):
    stack = terminal.stack
    return calls.post(f"{stack['apiUrl']}/{route}", body, key=stack["apiKey"])


def send(terminal, *event_ids):
    events = [
        {
            "UserId": "ann",
            "SessionId": name,
            "EventType": "read",
            "Event": {"itemId": "emma"},
            "EventId": name,
        }
        for name in event_ids
    ]
    status, response, _ = call(terminal, "history", {"Events": events})
    assert (status, response["Accepted"]) == (202, len(events))


def delivered(terminal):
    with urllib.request.urlopen(terminal.stack["personalizeUrl"] + "/_engine/events", timeout=10) as response:
        return {event["eventId"] for event in json.load(response)["events"]}


def archived(terminal):
    s3 = boto3.client("s3", endpoint_url=terminal.stack["awsEndpointUrl"])
    bucket = terminal.stack["bucket"]
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix="events/").get("Contents", [])]
    lines = [
        line for key in keys for line in s3.get_object(Bucket=bucket, Key=key)["Body"].read().splitlines()
    ]
    return {json.loads(line)["EventId"] for line in lines}


def test_events_arrive_and_requests_are_answered_whatever_the_clock_does(run, ports, clock, eventually):
    first = run(*ports, environment=clock.environment)
    eventually(lambda: ready(first), 120)
    sent = {f"first-{number}" for number in range(20)}
    send(first, *sent)
    eventually(lambda: delivered(first) == sent, 60)

    clock(80 * HOUR)  # longer than the retention of the stream
    sent |= {"days-later"}
    send(first, "days-later")
    eventually(lambda: delivered(first) == sent, 60)

    clock(78 * HOUR)
    assert call(first, "recommendations", {"userId": "ann"})[0] == 200
    sent |= {"set-back"}
    send(first, "set-back")
    eventually(lambda: delivered(first) == sent, 60)
    assert first.interrupt() == 0

    file = first.home / "emulator" / "state" / "kinesis.json"
    file.write_text(json.dumps(saved_by_the_emulator_alone(json.loads(file.read_text()))))
    clock(0)
    second = run(*ports, environment=clock.environment)
    eventually(lambda: ready(second), 120)
    assert call(second, "recommendations", {"userId": "ann"})[0] == 200
    sent |= {"set-back-at-the-start"}
    send(second, "set-back-at-the-start")
    eventually(lambda: delivered(second) == sent | {"skipped"}, 60)
    eventually(lambda: archived(second) == sent, 60)
    assert second.interrupt() == 0


def saved_by_the_emulator_alone(state):
    """Return a state as an earlier version left it, with an event that it had skipped.

    The emulator's places do not say which records had expired before them.
    """
    (stream,) = state["payload"]["streams"]["data"].values()
    stream.pop("places", None)
    stream["CreationTimestamp"] -= 80 * HOUR
    record = next(shard["records"][0] for shard in stream["shards"].values() if shard["records"])
    event = json.loads(base64.b64decode(record["Data"])) | {"EventId": "skipped"}
    record["Data"] = base64.b64encode(json.dumps(event).encode()).decode()
    return state
