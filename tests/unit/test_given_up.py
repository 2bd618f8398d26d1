"""Redrive of the batches that Lambda gave up, from documents as the simulation of Lambda writes them."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops import redrive
from ops.bucket import MAX_OBJECT_BYTES
from ops.redrive_result import summary
from simulation.mapping import Batch, invocation_record
from simulation.stream import Record
from tests.support.factories import NOW, aggregate, json_lines, request
from tests.support.redrive_in_memory import Objects, Stream
from tests.support.strategies import json_values

SHARD = "shardId-000000000000"
MAPPING = "aws/lambda/11111111-2222-3333-4444-555555555555"
KEY = f"{MAPPING}/{SHARD}/2026/01/31/2026-01-31T12.00.00-"


def document(*requests, first=1, shard=SHARD, **changes):
    """The document of a batch whose first record has the sequence number ``first``."""
    records = [
        Record(
            shard,
            str(number),
            "s1",
            one if isinstance(one, bytes) else json.dumps(one).encode(),
            NOW.timestamp() + number,
        )
        for number, one in enumerate(requests, first)
    ]
    return invocation_record(Batch(records), "RetryAttemptsExhausted", "s3", NOW.timestamp()) | changes


def redriven(documents, *, repair=None, dry_run=False, stream=None, s3=None):
    """The result, stream and bucket after a redrive of documents by the end of their key."""
    objects = {
        ("own", KEY + end): found if isinstance(found, bytes) else json.dumps(found).encode()
        for end, found in documents.items()
    }
    bucket: Any = s3 or Objects(objects)
    kinesis: Any = stream or Stream()
    nothing: Any = None
    pipeline = redrive.Pipeline("queue", "stream", "own", nothing, kinesis, bucket)
    result = redrive.redrive_given_up(pipeline, repair=repair, dry_run=dry_run, progress=lambda _: None)
    return result, kinesis, bucket


def events_of(stream):
    return [json.loads(data) for data in stream.records]


def ids_of(stream):
    return [event["EventId"] for event in events_of(stream)]


def test_the_records_go_back_and_the_object_goes():
    result, stream, s3 = redriven({"a": document(request(EventId="e1"), request(EventId="e2"))})
    assert (result.put_back, result.left, result.failed) == (2, 0, 0)
    assert result.reasons == {"given up: RetryAttemptsExhausted": 2}
    assert ids_of(stream) == ["e1", "e2"]
    assert s3.objects == {}


def test_id_and_time_are_those_of_the_place_that_the_batch_names():
    _, stream, _ = redriven({"a": document(request(), request(EventId="own"), first=7)})
    assert [(event["EventId"], event["ReceivedAt"]) for event in events_of(stream)] == [
        (f"{SHARD}:7", "2026-01-31T12:00:07.000Z"),
        ("own", "2026-01-31T12:00:08.000Z"),
    ]


def test_the_records_of_our_own_api_keep_what_they_have():
    event = request(EventId="e1", ReceivedAt="2025-12-31T00:00:00.000Z")
    _, stream, _ = redriven({"a": document(event)})
    assert events_of(stream) == [event]


def test_batches_go_back_in_stream_order_whatever_their_keys_are():
    documents = {
        "a": document(request(EventId="third"), first=100),
        "b": document(request(EventId="first"), first=9),
        "c": document(request(EventId="second"), first=20),
        "d": document(request(EventId="other shard"), first=1, shard="shardId-000000000001"),
    }
    _, stream, _ = redriven(documents)
    assert ids_of(stream) == ["first", "second", "third", "other shard"]


def test_a_dry_run_counts_and_changes_nothing():
    documents = {"a": document(request(EventId="e1"), b"poison"), "b": b"odd"}
    result, stream, s3 = redriven(documents, dry_run=True)
    assert (result.put_back, result.left, result.odd) == (1, 2, 1)
    assert stream.records == []
    assert len(s3.objects) == 2


def test_a_record_of_two_batches_goes_back_once():
    documents = {"a": document(request(EventId="e1"), request()), "b": document(request(EventId="e1"))}
    result, stream, s3 = redriven(documents)
    assert (result.put_back, result.reasons.total()) == (2, 2)
    assert ids_of(stream) == ["e1", f"{SHARD}:2"]
    assert s3.objects == {}


def test_a_record_that_breaks_the_contract_keeps_its_object():
    result, _, s3 = redriven({"a": document(request(EventId="e1"), b"poison"), "b": document(request())})
    assert (result.put_back, result.left, result.odd) == (2, 1, 0)
    assert {key for _, key in s3.objects} == {KEY + "a"}
    assert any(why.startswith("unreadable: The body is not JSON") for why in result.reasons)
    assert "repair it with --repair FILE" in summary(result, dry_run=False, place="bucket")


def test_a_repair_gets_the_sentence_and_lets_the_object_go():
    asked = []

    def repair(record, reason, error):
        asked.append((record, reason, error))
        return json.dumps(request(EventId="mended")).encode() if record == b"poison" else record

    result, stream, s3 = redriven({"a": document(request(EventId="e1"), b"poison")}, repair=repair)
    assert (result.put_back, result.left, s3.objects) == (2, 0, {})
    assert ids_of(stream) == ["e1", "mended"]
    assert asked[0][1:] == ("given up", "RetryAttemptsExhausted")
    assert asked[1][1] == "unreadable"
    assert asked[1][2].startswith("The body is not JSON")


def test_a_repaired_record_without_id_has_the_id_of_its_place():
    _, stream, _ = redriven(
        {"a": document(b"poison", first=5)}, repair=lambda *_: json.dumps(request()).encode()
    )
    assert ids_of(stream) == [f"{SHARD}:5"]
    assert events_of(stream)[0]["ReceivedAt"] == "2026-01-31T12:00:05.000Z"


def test_an_object_of_which_the_stream_holds_a_part_stays_and_the_rest_waits(monkeypatch):
    monkeypatch.setattr("chalicelib.stream.MAX_RETRY_SECONDS", 0.0)
    documents = {
        "a": document(request(EventId="e1"), first=1),
        "b": document(request(EventId="e2"), request(EventId="e3"), first=10),
        "c": document(request(EventId="e4"), first=20),
    }
    result, stream, s3 = redriven(documents, stream=Stream(capacity=2))
    assert (result.put_back, result.failed) == (2, 1)
    assert ids_of(stream) == ["e1", "e2"]
    assert {key for _, key in s3.objects} == {KEY + "b", KEY + "c"}
    again, stream, s3 = redriven({}, s3=s3)
    assert (again.put_back, again.failed) == (3, 0)
    assert ids_of(stream) == ["e2", "e3", "e4"]
    assert s3.objects == {}


@pytest.mark.parametrize("make", [json_lines, aggregate])
def test_the_events_of_one_record_go_back_one_by_one_however_many_they_are(make):
    several = make(*[request(Event={"itemId": str(number)}) for number in range(1_100)])
    documents = {"a": document(request(EventId="e1"), several), "b": document(make(request(), {}), first=9)}
    result, stream, s3 = redriven(documents)
    assert (result.put_back, result.left) == (1_102, 1)
    assert ids_of(stream) == ["e1", *[f"{SHARD}:2:{number}" for number in range(1_100)], f"{SHARD}:9:0"]
    assert {key for _, key in s3.objects} == {KEY + "b"}
    assert result.reasons["given up: RetryAttemptsExhausted"] == 1_102
    times = [event["ReceivedAt"] for event in events_of(stream)]
    assert times[1:1_101] == sorted(set(times[1:1_101]))


@pytest.mark.slow
def test_a_batch_of_ten_thousand_records_goes_back_in_order():
    result, stream, s3 = redriven({"a": document(*[request(EventId=f"e{n}") for n in range(10_000)])})
    assert (result.put_back, s3.objects) == (10_000, {})
    assert ids_of(stream) == [f"e{number}" for number in range(10_000)]


def test_only_the_prefix_of_the_own_bucket_is_read():
    found = json.dumps(document(request())).encode()
    s3 = Objects(
        {
            ("own", "events/dt=2026-01-31/x"): found,
            ("own", "aws/lambda-of-another/x"): found,
            ("own", "aws/lambda/../../events/x"): found,
            ("own", "aws/lambda/a//x"): found,
            ("own", "aws/lambda/"): b"",
            ("other", KEY): found,
        }
    )
    result, stream, _ = redriven({}, s3=s3)
    assert (result.put_back, result.odd) == (0, 3)
    assert (s3.read, stream.records, len(s3.objects)) == ([], [], 6)


def event_of(found):
    return json.loads(found["payload"])


def with_record(found, **changes):
    """The document with changed members of its first record: of ``kinesis``, or ``eventID``."""
    event = event_of(found)
    event["Records"][0]["kinesis"] |= {name: value for name, value in changes.items() if name != "eventID"}
    event["Records"][0] |= {name: value for name, value in changes.items() if name == "eventID"}
    return found | {"payload": json.dumps(event)}


def with_info(found, **changes):
    return found | {"KinesisBatchInfo": found["KinesisBatchInfo"] | changes}


ONE = document(request(EventId="odd"))
NO_DOCUMENTS = {
    "no JSON": b"hello",
    "gzip": b"\x1f\x8b\x08\x00",
    "empty": b"",
    "a list": b"[]",
    "an empty object": b"{}",
    "nested too deeply": b"[" * 100_000,
    "of an asynchronous invocation": json.dumps({"requestContext": {}, "requestPayload": {}}).encode(),
    "of a queue, without records": {name: value for name, value in ONE.items() if name != "payload"},
    "payload is an object": ONE | {"payload": event_of(ONE)},
    "payload is no JSON": ONE | {"payload": "hello"},
    "payload is a list": ONE | {"payload": "[]"},
    "payload has half a character": ONE | {"payload": '{"Records": "\ud800"}'},
    "payload has no records": ONE | {"payload": "{}"},
    "payload has an empty list": ONE | {"payload": '{"Records": []}'},
    "KinesisBatchInfo is a list": ONE | {"KinesisBatchInfo": []},
    "shardId is a number": with_info(ONE, shardId=1),
    "shardId is missing": with_info(ONE, shardId=None),
    "startSequenceNumber is a word": with_info(ONE, startSequenceNumber="one"),
    "startSequenceNumber has 5,000 digits": with_info(ONE, startSequenceNumber="1" * 5_000),
    "too large": bytes(MAX_OBJECT_BYTES + 1),
}
ODD_RECORDS = {
    "it is a number": ONE | {"payload": '{"Records": [7]}'},
    "it is empty": ONE | {"payload": '{"Records": [{}]}'},
    "it is null": ONE | {"payload": '{"Records": [null]}'},
    "it has no data": with_record(ONE, data=None),
    "its base64 is broken": with_record(ONE, data="abc"),
    "its time is text": with_record(ONE, approximateArrivalTimestamp="yesterday"),
    "its time is after the calendar": with_record(ONE, approximateArrivalTimestamp=1e300),
    "its time is before 1970": with_record(ONE, approximateArrivalTimestamp=-1),
    "its time has 400 digits": with_record(ONE, approximateArrivalTimestamp=10**400),
    "its sequence number is a number": with_record(ONE, sequenceNumber=1),
    "its sequence number is a word": with_record(ONE, sequenceNumber="one"),
    "it is of another shard": with_record(ONE, eventID="shardId-000000000009:1"),
    "its id is a number": with_record(ONE, eventID=1),
}


@pytest.mark.parametrize(
    "found", [*NO_DOCUMENTS.values(), *ODD_RECORDS.values()], ids=NO_DOCUMENTS | ODD_RECORDS
)
def test_one_odd_object_is_counted_and_left(found):
    documents = {
        "0": document(request(EventId="e1")),
        "5": found,
        "9": document(request(EventId="e2"), first=9),
    }
    result, stream, s3 = redriven(documents)
    assert (result.put_back, result.left, result.odd, result.failed) == (2, 1, 1, 0)
    assert {key for _, key in s3.objects} == {KEY + "5"}
    assert ids_of(stream) == ["e1", "e2"]


def test_the_good_records_beside_an_odd_one_go_back_and_the_object_stays():
    found = document(request(EventId="e1"), request(EventId="e2"))
    result, stream, s3 = redriven({"a": with_record(found, data="abc")})
    assert (result.put_back, result.odd, len(s3.objects)) == (1, 1, 1)
    assert ids_of(stream) == ["e2"]


def test_a_document_that_names_more_records_than_it_has_is_kept():
    result, stream, s3 = redriven({"a": with_info(document(request(EventId="e1")), batchSize=2)})
    assert (result.put_back, result.odd, len(s3.objects)) == (1, 1, 1)
    assert ids_of(stream) == ["e1"]


def test_an_object_that_goes_while_it_runs_is_counted():
    class Vanishing(Objects):
        def get_object(self, **options):
            response = super().get_object(**options)
            del self.objects[options["Bucket"], options["Key"]]
            return response

    s3 = Vanishing({("own", KEY): json.dumps(document(request())).encode()})
    result, stream, _ = redriven({}, s3=s3)
    assert (result.odd, stream.records) == (1, [])
    assert result.reasons == {"odd object: the object is gone": 1}


@given(
    st.lists(
        st.binary(max_size=20)
        | json_values.map(lambda value: json.dumps(value).encode())
        | st.dictionaries(st.sampled_from(sorted(ONE)), json_values).map(lambda changes: ONE | changes)
        | json_values.map(lambda value: ONE | {"payload": json.dumps({"Records": [value]})})
        | st.dictionaries(
            st.sampled_from([*event_of(ONE)["Records"][0]["kinesis"], "eventID"]), json_values
        ).map(lambda changes: with_record(ONE, **changes))
        | st.dictionaries(st.sampled_from(sorted(ONE["KinesisBatchInfo"])), json_values).map(
            lambda changes: with_info(ONE, **changes)
        ),
        max_size=5,
    )
)
def test_whatever_the_objects_are_the_valid_records_go_back(others):
    documents = {f"a{number}": found for number, found in enumerate(others)}
    valid = {"b": document(request(EventId="e1"), first=5), "c": document(request(EventId="e2"), first=9)}
    result, stream, s3 = redriven(documents | valid)
    ids = ids_of(stream)
    assert [one for one in ids if one in ("e1", "e2")] == ["e1", "e2"]
    assert not {("own", KEY + end) for end in valid} & set(s3.objects)
    assert result.put_back == len(ids)
    assert all(line.isprintable() for line in summary(result, dry_run=False, place="bucket").split("\n"))


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5))
def test_whatever_the_records_hold_nothing_is_lost(contents):
    result, stream, s3 = redriven({"a": document(*contents)})
    assert result.put_back == len(stream.records)
    if s3.objects:
        kept = event_of(json.loads(s3.objects["own", KEY + "a"]))["Records"]
        assert [base64.b64decode(record["kinesis"]["data"]) for record in kept] == contents
    else:
        assert len(stream.records) == len(contents)
