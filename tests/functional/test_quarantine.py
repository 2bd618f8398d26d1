"""What reaches the quarantine, in which form, and what happens when the quarantine itself fails."""

import base64
import json

import pytest
from botocore.stub import ANY

from chalicelib.delivery.kinesis import KinesisRecord
from chalicelib.delivery.outcome import RejectedRecord
from chalicelib.delivery.quarantine import Quarantine, to_message
from chalicelib.errors import ConfigError, MisconfiguredError, UnavailableError
from tests.support.factories import NOW


@pytest.fixture
def put(services):
    """``put(rejected)`` quarantines records; for each, None or why it is not stored, in order."""

    def run(rejected, *, bucket="archive", seconds=60.0):
        quarantine = Quarantine("https://queue", bucket, services.clients)
        outcome = quarantine.put(rejected, now=NOW, seconds_left=lambda: seconds)
        failures = {id(record): error for record, error in outcome.deferred}
        stored = {id(record) for record in outcome.quarantined}
        assert stored.isdisjoint(failures)
        assert len(stored) + len(failures) == len(rejected)
        return [failures.get(id(each.record)) for each in rejected]

    return run


def reject(data=b"poison", number="7"):
    record = KinesisRecord("shardId-0", number, NOW, data)
    return RejectedRecord(record, "unreadable", "The body is not JSON.")


def test_a_message_holds_the_record_the_reason_and_the_place():
    assert json.loads(to_message(reject(b'{"a": "\xc3\xa9"}'), now=NOW)) == {
        "reason": "unreadable",
        "error": "The body is not JSON.",
        "record": '{"a": "é"}',
        "shardId": "shardId-0",
        "sequenceNumber": "7",
        "quarantinedAt": "2026-01-31T12:00:00.000Z",
    }


@pytest.mark.parametrize("record", [b"\xff\x00\xfe", b"", b"\x00\x01", "\U0001f600\uffff".encode()])
def test_any_bytes_survive_and_the_message_is_plain_ascii(record):
    body = to_message(reject(record), now=NOW)
    assert body.isascii()
    assert body.isprintable()
    message = json.loads(body)
    kept = message["record"]
    assert (base64.b64decode(kept) if message.get("encoding") == "base64" else kept.encode()) == record


def test_messages_travel_in_tens(stubs, put):
    for count in (10, 2):
        stubs["sqs"].add_response(
            "send_message_batch",
            {"Successful": [], "Failed": []},
            {"QueueUrl": "https://queue", "Entries": [{"Id": ANY, "MessageBody": ANY}] * count},
        )
    assert put([reject(number=str(n)) for n in range(12)]) == [None] * 12


def test_a_large_record_is_kept_whole_in_the_bucket_and_the_message_points_to_it(stubs, services, put):
    large = b"\xff" * 1024 * 1024
    stubs["s3"].add_response(
        "put_object", {}, {"Bucket": "archive", "Key": "quarantine/shardId-0/7", "Body": large}
    )
    sent = []
    stubs["sqs"].add_response("send_message_batch", {"Successful": [], "Failed": []})
    services.clients.sqs.meta.events.register_first(
        "provide-client-params.sqs.SendMessageBatch", lambda params, **_: sent.append(params)
    )
    assert put([reject(large)]) == [None]
    message = json.loads(sent[0]["Entries"][0]["MessageBody"])
    assert message["record"] is None
    assert message["recordLocation"] == "s3://archive/quarantine/shardId-0/7"


def test_without_a_bucket_a_large_record_is_reported_and_its_neighbour_stored(stubs, put):
    stubs["sqs"].add_response("send_message_batch", {"Successful": [], "Failed": []})
    large, small = put([reject(b"x" * 300_000), reject()], bucket=None)
    assert type(large) is ConfigError
    assert small is None


def test_a_message_that_the_queue_did_not_take_is_reported_alone(stubs, put):
    failed = [{"Id": "1", "SenderFault": False, "Code": "InternalError"}]
    stubs["sqs"].add_response("send_message_batch", {"Successful": [], "Failed": failed})
    outcomes = put([reject(number=str(n)) for n in range(3)])
    assert outcomes[0] is outcomes[2] is None
    assert type(outcomes[1]) is UnavailableError


def test_a_queue_that_is_gone_is_asked_once_and_reported_for_every_record(stubs, put):
    stubs["sqs"].add_client_error("send_message_batch", "AWS.SimpleQueueService.NonExistentQueue")
    outcomes = put([reject(number=str(n)) for n in range(30)])
    assert [type(outcome) for outcome in outcomes] == [MisconfiguredError] * 30


def test_a_large_record_is_not_stored_when_the_bucket_might_take_too_long_and_its_neighbour_is(stubs, put):
    stubs["sqs"].add_response("send_message_batch", {"Successful": [], "Failed": []})
    rejects = [reject(b"x" * 300_000), reject()]
    large, small = put(rejects, seconds=11.9)
    assert type(large) is UnavailableError
    assert small is None


def test_with_too_little_time_nothing_is_sent_and_everything_reported(stubs, put):
    outcomes = put([reject(number="1"), reject(number="2")], seconds=4.9)
    assert [type(outcome) for outcome in outcomes] == [UnavailableError] * 2
