"""Redrive of a queue to which anybody may have written: it ends, and loses nothing valid."""

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.delivery.kinesis import KinesisRecord
from chalicelib.delivery.outcome import REFUSED, TOO_MANY_EVENTS, UNREADABLE, RejectedRecord
from chalicelib.delivery.quarantine import to_message
from ops import redrive
from ops.bucket import MAX_OBJECT_BYTES
from ops.redrive_result import MAX_REASONS, summary
from tests.support.factories import NOW, aggregate, json_lines, kinesis_record, request
from tests.support.redrive_in_memory import Objects, Queue, ReshowingQueue, Stream
from tests.support.strategies import POISON, json_values

LATER = NOW + timedelta(days=1)
SHARD = "shardId-000000000000"
VALID = [
    to_message(RejectedRecord(kinesis_record(number=number, EventId=f"valid-{number}"), REFUSED, ""), now=NOW)
    for number in (1, 2)
]
IDS = ["valid-1", "valid-2"]


def message(**changes):
    """A message as delivery writes it, with some members changed; ``...`` leaves a member out."""
    members = json.loads(VALID[0]) | {"record": json.dumps(request(EventId="odd"))} | changes
    return json.dumps({name: value for name, value in members.items() if value is not ...})


def pointer(location):
    return message(record=None, recordLocation=location)


def redriven(bodies, *, repair=None, objects=(), stream=None, make_queue=Queue, dry_run=False):
    """The result, and queue, stream and buckets after it."""
    queue: Any = make_queue(bodies)
    s3: Any = Objects(objects)
    stream = stream or Stream()
    pipeline = redrive.Pipeline("queue", "stream", "own", queue, stream, s3, wait_seconds=0)
    result = redrive.redrive(pipeline, repair=repair, dry_run=dry_run, progress=lambda _: None, started=LATER)
    return result, queue, stream, s3


def ids_of(stream):
    return [json.loads(data)["EventId"] for data in stream.records]


def assert_printable(result):
    for line in summary(result, dry_run=False, place="quarantine").split("\n"):
        assert line.isprintable()
        assert len(line) < 400


ODD = {
    "text": "hello",
    "empty": "",
    "an empty object": "{}",
    "null": "null",
    "a list": "[]",
    "a number": "7",
    "a number of 5,000 digits": "9" * 5_000,
    "nested too deeply": "[" * 100_000,
    "half a character": '{"reason": "\\ud800"}',
    "a character that UTF-8 does not have": "\ud800",
    "reason is a list": message(reason=[]),
    "reason is missing": message(reason=...),
    "error is null": message(error=None),
    "record is a list": message(record=[]),
    "record is missing": message(record=...),
    "record is null": message(record=None),
    "encoding is unknown": message(encoding="rot13"),
    "encoding is an object": message(encoding={}),
    "base64 is broken": message(encoding="base64", record="abc"),
    "base64 has other characters": message(encoding="base64", record="!!!!"),
    "base64 is not ASCII": message(encoding="base64", record="é☂"),
    "shardId is a number": message(shardId=1),
    "shardId is a path": message(shardId="../.."),
    "shardId is empty": message(shardId=""),
    "shardId is longer than an id": message(shardId="s" * 300),
    "sequenceNumber is a word": message(sequenceNumber="seven"),
    "sequenceNumber is a number": message(sequenceNumber=7),
    "sequenceNumber is negative": message(sequenceNumber="-7"),
    "sequenceNumber has digits of another script": message(sequenceNumber="٧"),
    "sequenceNumber has 5,000 digits": message(sequenceNumber="7" * 5_000),
    "quarantinedAt is a number": message(quarantinedAt=7),
    "quarantinedAt is missing": message(quarantinedAt=...),
    "quarantinedAt is a year": message(quarantinedAt="9999"),
    "quarantinedAt has no zone": message(quarantinedAt="2026-01-31T12:00:00"),
    "quarantinedAt is before the calendar": message(quarantinedAt="0001-01-01T00:00:00+23:59"),
    "quarantinedAt is after the calendar": message(quarantinedAt="9999-12-31T23:59:59-23:59"),
    "the object is gone": pointer(f"s3://own/quarantine/{SHARD}/1"),
    "recordLocation is a list": pointer([]),
    "recordLocation is empty": pointer(""),
    "recordLocation is a URL": pointer("https://example.com/quarantine/x"),
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_odd_message_is_counted_and_left(body, place):
    bodies = [*VALID]
    bodies.insert(place, body)
    result, queue, stream, _ = redriven(bodies)
    assert (result.put_back, result.left, result.odd, result.failed) == (2, 1, 1, 0)
    assert result.reasons.total() == 3
    assert queue.bodies == [body]
    assert [*queue.visible] == [str(place)]
    assert ids_of(stream) == IDS
    assert_printable(result)


@pytest.mark.parametrize(
    "location",
    [
        "s3://other/quarantine/secret",
        "s3://own/events/secret",
        "s3://own/quarantine",
        "s3://own/quarantine/",
        "s3://own/quarantine/../events/secret",
        "s3://own/quarantine/./secret",
        "s3://own/quarantine//secret",
        "s3://own/quarantine/a/../../events/secret",
        "s3://own/quarantine/%2e%2e/events/secret",
        "s3://own/quarantine/secret\n",
        "s3://own/quarantine/sec\u0000ret",
        "s3://own/quarantine-too/secret",
        "s3://own@other/quarantine/secret",
        "s3://own",
        "other/quarantine/secret",
    ],
)
def test_only_the_prefix_of_the_own_bucket_is_followed(location):
    secret = json.dumps(request(EventId="secret")).encode()
    bucket, _, key = location.removeprefix("s3://").partition("/")
    objects = {
        (bucket, key): secret,
        ("other", "quarantine/secret"): secret,
        ("own", "events/secret"): secret,
    }
    result, _, stream, s3 = redriven([pointer(location), *VALID], objects=objects)
    assert s3.read == []
    assert (result.put_back, result.odd) == (2, 1)
    assert ids_of(stream) == IDS


def test_an_object_of_any_size_is_not_read_into_memory():
    key = f"quarantine/{SHARD}/1"
    result, _, stream, _ = redriven(
        [pointer(f"s3://own/{key}"), *VALID], objects={("own", key): bytes(MAX_OBJECT_BYTES + 1)}
    )
    assert (result.put_back, result.odd) == (2, 1)
    assert ids_of(stream) == IDS


def test_a_record_that_no_stream_takes_does_not_hold_up_the_others():
    key = f"quarantine/{SHARD}/1"
    # Only SentAt counts for the time of the event, so the contract does not look at ReceivedAt.
    endless = request(EventId="endless", SentAt=1, ReceivedAt="x" * 1024 * 1024)
    result, _, stream, _ = redriven(
        [pointer(f"s3://own/{key}"), *VALID], objects={("own", key): json.dumps(endless).encode()}
    )
    assert (result.put_back, result.left) == (2, 1)
    assert ids_of(stream) == IDS


def test_a_message_of_the_future_is_counted_and_left():
    bodies = [message(quarantinedAt="9999-12-31T23:59:59Z"), *VALID]
    result, queue, _, _ = redriven(bodies)
    assert (result.put_back, result.left, result.newer) == (2, 0, 1)
    assert queue.bodies == bodies[:1]
    assert "1 are newer than this run" in summary(result, dry_run=False, place="quarantine")


def test_a_copy_of_the_future_does_not_keep_the_record():
    record = json.loads(VALID[0])["record"]
    result, queue, stream, _ = redriven(
        [message(record=record, quarantinedAt="9999-12-31T23:59:59Z"), *VALID]
    )
    assert (result.put_back, queue.bodies) == (2, [])
    assert ids_of(stream) == IDS


def test_a_message_that_names_the_place_of_another_does_not_replace_it():
    other = message(record=json.dumps(request(EventId="other")), sequenceNumber="1")
    result, queue, stream, _ = redriven([other, *VALID])
    assert (result.put_back, queue.bodies) == (3, [])
    assert sorted(ids_of(stream)) == ["other", *IDS]


def test_a_message_that_is_shown_again_does_not_go_round_for_ever():
    result, queue, stream, _ = redriven(
        ["hello", message(record="poison"), *VALID], make_queue=ReshowingQueue
    )
    assert (result.put_back, result.left) == (2, 2)
    assert len(queue.bodies) == 2
    assert ids_of(stream) == IDS


def test_a_copy_in_a_later_round_goes_back_once():
    bodies = [VALID[0]] * 1_200
    result, queue, stream, _ = redriven(bodies)
    assert (result.put_back, result.reasons.total(), queue.bodies) == (1, 1, [])
    assert ids_of(stream) == IDS[:1]


@pytest.mark.parametrize("returned", ["text", 7, [], {}, ["text"], [b"{}", None]])
def test_a_repair_that_returns_something_else_leaves_the_record(returned):
    result, queue, stream, _ = redriven([*VALID], repair=lambda *_: returned)
    assert (result.left, stream.records, queue.bodies) == (2, [], VALID)
    assert result.reasons == {
        f"the repair returned {type(returned).__name__}, not bytes, several of them in a list, or None": 2
    }


def test_a_repair_that_fails_for_one_record_leaves_that_record():
    def repair(record, reason, error):
        return json.dumps(json.loads(record)).encode()

    bodies = [message(record="no JSON \x1b[2J"), *VALID]
    result, queue, stream, _ = redriven(bodies, repair=repair)
    assert (result.put_back, result.left, queue.bodies) == (2, 1, bodies[:1])
    assert ids_of(stream) == IDS
    assert any(why.startswith("the repair failed: JSONDecodeError") for why in result.reasons)


def test_reasons_are_printed_clean_short_and_not_without_end():
    bodies = [
        message(sequenceNumber=str(number), reason=f"\x1b]0;{number}\x07", error="\u202e\r\n" * 500)
        for number in range(200)
    ]
    result, _, _, _ = redriven(bodies)
    assert_printable(result)
    lines = summary(result, dry_run=False, place="quarantine").split("\n")
    assert len(lines) <= MAX_REASONS + 5
    assert any("for 150 other reasons" in line for line in lines)


# What a message may be at all

texts = st.text() | st.text(st.characters(categories=["Cc", "Cf", "Cs"]))
values = (
    json_values | texts | st.sampled_from([10**400, "9999", "-1", "base64", f"s3://own/quarantine/{SHARD}/9"])
)
changed = st.dictionaries(
    st.sampled_from(
        [
            *("reason", "error", "record", "encoding", "recordLocation"),
            *("shardId", "sequenceNumber", "quarantinedAt", "arrivedAt", "index"),
        ]
    ),
    values | st.just(...),
).map(lambda changes: message(**changes))
poison = st.sampled_from(sorted(POISON)).map(
    lambda name: to_message(RejectedRecord(kinesis_record(POISON[name], 5), REFUSED, name), now=NOW)
)
bodies = texts | values.map(json.dumps) | changed | poison


@given(
    st.lists(bodies, max_size=6),
    st.integers(0, 6),
    st.integers(0, 6),
    st.sampled_from([Queue, ReshowingQueue]),
)
@example(["\x1b[2J", '{"reason": "\\u001b"}'], 0, 1, Queue)
@example([message(record=json_lines(request(), {}).decode())], 0, 1, ReshowingQueue)
def test_whatever_the_messages_are_the_valid_records_go_back(others, first, second, make_queue):
    all_bodies = [*others]
    all_bodies.insert(first, VALID[0])
    all_bodies.insert(second, VALID[1])
    result, queue, stream, s3 = redriven(all_bodies, make_queue=make_queue)
    ids = ids_of(stream)
    assert [ids.count(one) for one in IDS] == [1, 1]
    assert not set(queue.bodies) & set(VALID)
    # Every message is still there, or the stream holds its events. Copies of a message share theirs.
    gone = map(json.loads, (Counter(all_bodies) - Counter(queue.bodies)).elements())
    places = {(found["shardId"], int(found["sequenceNumber"]), found.get("index")) for found in gone}
    assert len(places) <= len(stream.records)
    assert result.put_back == len(stream.records)
    assert all(bucket == "own" and key.startswith("quarantine/") for bucket, key in s3.read)
    assert_printable(result)


def test_the_time_of_the_run_is_not_needed_to_read_a_message():
    """A record goes back as if it had arrived when it was quarantined, whenever the redrive runs."""
    _, _, stream, _ = redriven([message(record=json.dumps(request()))])
    (event,) = map(json.loads, stream.records)
    assert event["EventId"] == f"{SHARD}:1"
    assert datetime.fromisoformat(event["ReceivedAt"].replace("Z", "+00:00")) == NOW.astimezone(timezone.utc)


# Records of several events

SEVERAL = {"lines of JSON": json_lines, "an aggregate": aggregate}


def quarantined(data, number=7, index=None, reason=UNREADABLE, now=NOW):
    record = KinesisRecord(SHARD, str(number), NOW, data, index)
    return to_message(RejectedRecord(record, reason, "said so"), now=now)


def events_in(stream):
    return [json.loads(data) for data in stream.records]


def test_events_of_one_record_go_back_in_order_under_the_ids_of_their_places():
    bodies = [quarantined(json.dumps(request()).encode(), index=index) for index in (10, 2, 0)]
    result, queue, stream, _ = redriven(bodies)
    assert (result.put_back, queue.bodies) == (3, [])
    assert ids_of(stream) == [f"{SHARD}:7:0", f"{SHARD}:7:2", f"{SHARD}:7:10"]


def test_an_event_of_several_keeps_its_time_and_any_other_has_that_of_its_quarantine():
    data, earlier = json.dumps(request()).encode(), NOW - timedelta(minutes=5)
    first = replace(kinesis_record(data, 7), arrived_at=earlier, index=0)
    bodies = [
        to_message(RejectedRecord(event, REFUSED, ""), now=NOW) for event in (first, kinesis_record(data, 8))
    ]
    _, _, stream, _ = redriven(bodies)
    assert [event["ReceivedAt"] for event in events_in(stream)] == [
        "2026-01-31T11:55:00.000Z",
        "2026-01-31T12:00:00.000Z",
    ]


@pytest.mark.parametrize("make", SEVERAL.values(), ids=SEVERAL)
@pytest.mark.parametrize("count", [3, 1_234])
def test_the_events_of_a_whole_record_go_back_one_by_one(make, count):
    """Too many, or from a version that did not read such records."""
    key = f"quarantine/{SHARD}/7"
    whole = make(*[request(Event={"itemId": str(number)}) for number in range(count)])
    body = json.dumps(json.loads(quarantined(b"")) | {"record": None, "recordLocation": f"s3://own/{key}"})
    result, queue, stream, _ = redriven([body, *VALID], objects={("own", key): whole})
    assert (result.put_back, result.left, queue.bodies) == (count + 2, 0, [])
    assert result.reasons["unreadable: said so"] == count
    events = events_in(stream)[2:]
    assert [event["EventId"] for event in events] == [f"{SHARD}:7:{number}" for number in range(count)]
    assert [event["Event"]["itemId"] for event in events] == [str(number) for number in range(count)]
    assert len({event["ReceivedAt"] for event in events}) == count


@pytest.mark.parametrize("make", SEVERAL.values(), ids=SEVERAL)
def test_a_whole_record_with_a_bad_event_stays_and_its_good_ones_go_back(make):
    bodies = [quarantined(make(request(EventId="a"), {}, request(EventId="b"))), *VALID]
    result, queue, stream, _ = redriven(bodies)
    assert (result.put_back, result.left, queue.bodies) == (4, 1, bodies[:1])
    assert ids_of(stream) == [*IDS, "a", "b"]
    assert [count for why, count in result.reasons.items() if "SessionId is required" in why] == [1]


def test_a_whole_record_stays_until_the_stream_holds_all_its_events(monkeypatch):
    monkeypatch.setattr("chalicelib.stream.MAX_RETRY_SECONDS", 0.0)
    bodies = [*VALID, quarantined(json_lines(*[request()] * 700))]
    result, queue, stream, _ = redriven(bodies, stream=Stream(capacity=600))
    assert (result.put_back, result.failed, queue.bodies) == (600, 102, bodies[2:])
    again, queue, stream, _ = redriven(bodies[2:])
    assert (again.put_back, queue.bodies) == (700, [])
    assert ids_of(stream) == [f"{SHARD}:7:{number}" for number in range(700)]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"index": index}, "index is not the position of an event")
        for index in (-1, "0", 0.0, True, None, [], 10**30)
    ]
    + [({"arrivedAt": 7}, "arrivedAt is not text"), ({"arrivedAt": "soon"}, "arrivedAt is not a time")],
)
def test_a_place_that_delivery_does_not_write_is_odd(changes, why):
    result, queue, _, _ = redriven([message(**changes), *VALID])
    assert (result.put_back, result.odd, len(queue.bodies)) == (2, 1, 1)
    assert result.reasons[f"odd message: {why}"] == 1


def test_a_repair_is_asked_for_each_event_of_a_whole_record():
    asked = []

    def repair(record, reason, error):
        asked.append((json.loads(record), reason, error))
        return json.dumps(request(EventId="mended")).encode() if record == b"{}" else record

    bodies = [quarantined(json_lines(request(EventId="a"), {}), reason=TOO_MANY_EVENTS)]
    result, queue, stream, _ = redriven(bodies, repair=repair)
    assert (result.put_back, queue.bodies, ids_of(stream)) == (2, [], ["a", "mended"])
    assert asked[0] == (request(EventId="a"), "too many events", "said so")
    assert asked[1][1] == "unreadable"
    assert asked[1][2].startswith("SessionId is required")


@pytest.mark.parametrize(
    ("own_ids", "ids"),
    [
        ([None, None, None], ["0", "1", "2"]),
        (["a", "b", None], ["a", "b", "2"]),
        (["a", "a", "b"], ["0", "1", "b"]),
    ],
)
@pytest.mark.parametrize("index", [None, 3])
def test_a_repair_may_make_several_events_of_one_each_with_an_id_and_a_time(own_ids, ids, index):
    parts = [json.dumps(request(EventId=own)).encode() for own in own_ids]
    result, queue, stream, _ = redriven([quarantined(b"[]", index=index)], repair=lambda *_: parts)
    assert (result.put_back, queue.bodies) == (1, [])
    place = f"{SHARD}:7" if index is None else f"{SHARD}:7:{index}"
    assert ids_of(stream) == [one if one.isalpha() else f"{place}:{one}" for one in ids]
    assert len({event["ReceivedAt"] for event in events_in(stream)}) == 3


def test_of_several_events_of_a_repair_all_go_back_or_none():
    parts = [json.dumps(request()).encode(), b"{}"]
    bodies = [quarantined(b"[]")]
    result, queue, stream, _ = redriven(bodies, repair=lambda *_: parts)
    assert (result.left, stream.records, queue.bodies) == (1, [], bodies)


def test_the_message_goes_only_when_the_stream_holds_all_that_a_repair_made(monkeypatch):
    monkeypatch.setattr("chalicelib.stream.MAX_RETRY_SECONDS", 0.0)
    parts = [json.dumps(request(Event={"itemId": name})).encode() for name in "abc"]
    bodies = [quarantined(b"[]")]
    result, queue, stream, _ = redriven(bodies, repair=lambda *_: parts, stream=Stream(capacity=2))
    assert (result.put_back, result.failed, queue.bodies) == (0, 1, bodies)
    _, queue, again, _ = redriven(bodies, repair=lambda *_: parts)
    assert queue.bodies == []
    assert again.records[:2] == stream.records
