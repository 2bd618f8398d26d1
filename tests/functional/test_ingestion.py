"""Putting events into the stream when Kinesis takes only some of them."""

from dataclasses import replace

import pytest
from botocore.stub import ANY

from chalicelib import records, stream
from chalicelib.api import history
from chalicelib.api.submissions import Shape, Submission
from chalicelib.errors import InvalidRequestError, MisconfiguredError, UnavailableError
from tests.support.factories import NOW, request

THROTTLED = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "shard, account, stream"}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self, seconds_left=60.0):
        self.left = seconds_left
        self.pauses = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.left -= seconds

    def seconds_left(self):
        return self.left


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ingest(services, clock):
    """``ingest(requests)`` puts events into the stream; the result of each."""

    def run(requests, clock=clock):
        ids = iter(range(10_000))
        played = replace(
            services,
            now=lambda: NOW,
            sleep=clock.sleep,
            chance=lambda: 0.5,
            new_id=lambda: f"id-{next(ids)}",
        )
        judged = history.judge(Submission(Shape.BATCH, requests), played)
        return history.store(judged, played, seconds_left=clock.seconds_left)

    return run


def script(stub, *outcomes, sessions):
    """Script one PutRecords for records of ``sessions``; an outcome is True for stored."""
    stub.add_response(
        "put_records",
        {"Records": [{"SequenceNumber": "1"} if stored else THROTTLED for stored in outcomes]},
        {
            "StreamName": "test-events",
            "Records": [{"Data": ANY, "PartitionKey": session} for session in sessions],
        },
    )


def test_only_the_failed_entries_are_put_again_in_their_order(stubs, ingest, clock):
    script(stubs["kinesis"], True, False, True, False, sessions="abcd")
    script(stubs["kinesis"], False, True, sessions="bd")
    script(stubs["kinesis"], True, sessions="b")
    results = ingest([request(SessionId=session) for session in "abcd"])
    assert [result.accepted for result in results] == [True] * 4


def test_the_pauses_grow_and_are_jittered(stubs, ingest, clock):
    for outcome in (False, False, False, True):
        script(stubs["kinesis"], outcome, sessions="a")
    ingest([request(SessionId="a")])
    assert clock.pauses == pytest.approx([0.0375, 0.075, 0.15])


def test_what_still_fails_when_patience_ends_is_reported_event_by_event(stubs, ingest, clock):
    script(stubs["kinesis"], True, False, sessions="ab")
    for _ in range(9):
        script(stubs["kinesis"], False, sessions="b")
    stored, refused = ingest([request(SessionId=session) for session in "ab"])
    assert stored.accepted
    assert type(refused.error) is UnavailableError
    assert sum(clock.pauses) <= stream.MAX_RETRY_SECONDS


def test_no_pause_outlasts_the_time_of_the_request(stubs, ingest):
    clock = Clock(seconds_left=1.0)
    script(stubs["kinesis"], False, sessions="a")
    (result,) = ingest([request(SessionId="a")], clock)
    assert type(result.error) is UnavailableError
    assert clock.pauses == []


def test_a_stream_that_throttles_the_whole_call_is_an_outage_and_not_the_callers_fault(stubs, ingest):
    stubs["kinesis"].add_client_error("put_records", "ProvisionedThroughputExceededException")
    (result,) = ingest([request()])
    assert type(result.error) is UnavailableError


def test_a_stream_that_does_not_exist_is_the_operators_fault(stubs, ingest, clock):
    stubs["kinesis"].add_client_error("put_records", "ResourceNotFoundException")
    (result,) = ingest([request()])
    assert type(result.error) is MisconfiguredError


def test_invalid_events_are_never_put(stubs, ingest, clock):
    script(stubs["kinesis"], True, sessions="b")
    refused, stored = ingest([request(EventType=7), request(SessionId="b")])
    assert type(refused.error) is InvalidRequestError
    assert stored.accepted


def test_five_hundred_of_the_largest_events_are_cut_into_calls_that_kinesis_takes(stubs, services, ingest):
    sizes = []
    stub = stubs["kinesis"]
    largest = request(Event={"itemId": "i"}, Impression=["€" * 110] * 25, UserId="€" * 200)
    largest |= {"EventId": "€" * 250}

    def measure(params, **_):
        sizes.append(sum(len(r["Data"]) + len(r["PartitionKey"]) for r in params["Records"]))
        assert len(params["Records"]) <= 500

    events = services.clients.kinesis.meta.events
    events.register("provide-client-params.kinesis.PutRecords", measure)
    counts = [len(call) for call in _expected_calls(largest)]
    for count in counts:
        script(stub, *[True] * count, sessions=["s1"] * count)
    results = ingest([largest] * 500)
    events.unregister("provide-client-params.kinesis.PutRecords", measure)
    assert all(result.accepted for result in results)
    assert sum(counts) == 500
    assert max(sizes) <= 5 * 1024 * 1024


def _expected_calls(event):
    record = records.from_request(event, received_at=NOW, new_id=str).data
    per_call = min(500, 5 * 1024 * 1024 // (len(record) + len("s1")))
    return [range(per_call)] * (500 // per_call) + ([range(500 % per_call)] if 500 % per_call else [])
