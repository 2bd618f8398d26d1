"""What the console's server says of events, from what stream, engine, archive and quarantine say of them."""

import base64
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from chalicelib.delivery.kinesis import KinesisRecord
from chalicelib.delivery.outcome import UNREADABLE, RejectedRecord
from chalicelib.delivery.quarantine import to_message
from local.console.pipeline import MAX_CHANGES_PER_RESPONSE, LogLine, Pipeline, Quarantined, Trained
from local.console.sources import log_line_of, quarantined_of

START = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
LATER = START + timedelta(seconds=5)
KEY = "events/dt=2026-11-26/object"


def ours(event_id, **members):
    body = {
        "UserId": "ann",
        "SessionId": "s",
        "EventType": "read",
        "Event": {"itemId": "emma"},
        "EventId": event_id,
        "ReceivedAt": "2026-11-26T12:00:01.000Z",
        **members,
    }
    return json.dumps(body).encode() + b"\n"


def record(data, number=1):
    return KinesisRecord("shard-0", str(number), LATER, data)


def trained(event_id, kind="event"):
    return Trained(event_id, kind, "ann", "s", "read", "emma", LATER)


def message(derived_id, at="2026-11-26T12:00:09.000Z"):
    return Quarantined(derived_id, "unreadable", "EventType is required.", at, "{}")


@pytest.fixture
def pipeline():
    return Pipeline("run", START)


def counters(pipeline):
    return {name: count for name, count in pipeline.counters().items() if count}


def events(pipeline, cursor=""):
    return {event["id"]: event for event in pipeline.changes(cursor)["events"]}


def test_an_event_is_followed_from_the_stream_to_the_archive(pipeline):
    pipeline.streamed(record(ours("e1")))
    assert counters(pipeline) == {"accepted": 1, "pending": 1}
    assert pipeline.has_pending
    pipeline.trained(trained("e1"))
    pipeline.archived(b"another line\n" + ours("e1"), KEY, LATER)
    assert counters(pipeline) == {"accepted": 1, "trained": 1, "archived": 1}
    event = events(pipeline)["e1"]
    assert (event["state"], event["kind"], event["itemId"]) == ("trained", "event", "emma")
    assert event["acceptedAt"] == "2026-11-26T12:00:01.000Z"
    assert event["streamedAt"] == event["trainedAt"] == event["archivedAt"] == "2026-11-26T12:00:05.000Z"
    assert event["archiveKey"] == KEY
    assert not event["isOtherProducers"]


def test_an_action_is_told_from_an_event(pipeline):
    body = json.loads(ours("a1"))
    del body["Event"]
    body["EventType"] = "Viewed"
    pipeline.streamed(record(json.dumps({**body, "Action": {"actionId": "renew"}}).encode()))
    event = events(pipeline)["a1"]
    assert (event["kind"], event["itemId"], event["actionId"]) == ("action", None, "renew")


def test_events_of_another_producer_have_the_id_that_delivery_derives(pipeline):
    plain = {"SessionId": "s", "EventType": "read", "Event": {"itemId": "emma"}}
    line = json.dumps(plain).encode() + b"\n"
    pipeline.streamed(record(line + line))
    assert {*events(pipeline)} == {"shard-0:1:0", "shard-0:1:1"}
    assert all(event["isOtherProducers"] for event in events(pipeline).values())


def test_a_broken_record_is_accepted_and_quarantined_with_its_reason(pipeline):
    pipeline.streamed(record(b"no JSON\n"))
    pipeline.quarantined(message("shard-0:1"))
    pipeline.archived(b"no JSON\n", KEY, LATER)
    assert counters(pipeline) == {"accepted": 1, "quarantined": 1, "archived": 1}
    event = events(pipeline)["shard-0:1"]
    assert (event["state"], event["kind"]) == ("quarantined", "unreadable")
    assert event["reason"] == "unreadable"
    assert event["error"] == "EventType is required."


def test_an_event_of_ours_that_is_refused_is_found_by_its_place(pipeline):
    pipeline.streamed(record(ours("e1"), 7))
    pipeline.quarantined(message("shard-0:7"))
    assert events(pipeline)["e1"]["state"] == "quarantined"
    pipeline.trained(trained("e1"))  # after a redrive
    assert counters(pipeline) == {"accepted": 1, "trained": 1}


def test_a_message_that_is_read_again_changes_nothing(pipeline):
    pipeline.quarantined(message("shard-0:1"))
    cursor = pipeline.changes("")["cursor"]
    pipeline.quarantined(message("shard-0:1"))
    assert pipeline.changes(cursor)["events"] == []


def test_the_same_event_twice_is_counted_once(pipeline):
    pipeline.streamed(record(ours("e1")))
    pipeline.streamed(record(ours("e1", ReceivedAt="2026-11-26T12:00:03.000Z"), 2))
    pipeline.trained(trained("e1"))
    assert counters(pipeline) == {"accepted": 1, "trained": 1}
    assert events(pipeline)["e1"]["acceptedAt"] == "2026-11-26T12:00:01.000Z"


def test_what_the_engine_has_was_accepted_even_if_the_stream_was_not_read_in_time(pipeline):
    pipeline.trained(trained("e1"))
    assert counters(pipeline) == {"accepted": 1, "trained": 1}


def test_what_an_earlier_run_quarantined_is_shown_and_not_counted(pipeline):
    pipeline.quarantined(message("shard-0:1", at="2026-11-25T12:00:00.000Z"))
    assert events(pipeline)["shard-0:1"]["isEarlier"]
    assert counters(pipeline) == {}


def test_what_was_trained_on_before_this_run_is_told_to_a_page_that_waits_for_it(pipeline):
    pipeline.trained(replace(trained("e1"), at=START - timedelta(seconds=1)))
    assert counters(pipeline) == {}
    found = events(pipeline)["e1"]
    assert (found["state"], found["isEarlier"]) == ("trained", True)


def test_a_cursor_returns_only_what_has_changed_after_it(pipeline):
    pipeline.streamed(record(ours("e1")))
    pipeline.streamed(record(ours("e2"), 2))
    first = pipeline.changes("")
    assert (first["reset"], [*events(pipeline)]) == (True, ["e1", "e2"])
    pipeline.trained(trained("e1"))
    pipeline.logged([LogLine("now", "a line")])
    second = pipeline.changes(first["cursor"])
    assert (second["reset"], second["more"]) == (False, False)
    assert [event["id"] for event in second["events"]] == ["e1"]
    assert [line["text"] for line in second["log"]] == ["a line"]
    assert pipeline.changes(second["cursor"])["events"] == []


@pytest.mark.parametrize("cursor", ["", "other.1", "run", "run.", "run.-1", "run.99", "run.x", "\0"])
def test_a_cursor_of_another_run_begins_anew(pipeline, cursor):
    pipeline.streamed(record(ours("e1")))
    changes = pipeline.changes(cursor)
    assert changes["reset"]
    assert len(changes["events"]) == 1


def test_many_changes_come_in_parts(pipeline):
    count = 2 * MAX_CHANGES_PER_RESPONSE + 10
    for number in range(count):
        pipeline.streamed(record(ours(f"e{number}"), number + 1))
    cursor, seen, parts = "", [], []
    while not parts or parts[-1]["more"]:
        parts.append(pipeline.changes(cursor))
        cursor = parts[-1]["cursor"]
        seen += [event["id"] for event in parts[-1]["events"]]
    assert len(parts) == 3
    assert seen == [f"e{number}" for number in range(count)]


def test_the_counters_go_on_when_old_events_are_dropped():
    pipeline = Pipeline("run", START, max_events=100)
    pipeline.streamed(record(ours("waiting")))
    for number in range(300):
        pipeline.streamed(record(ours(f"e{number}"), number + 2))
        pipeline.trained(trained(f"e{number}"))
    assert counters(pipeline) == {"accepted": 301, "trained": 300, "pending": 1}
    assert len(events(pipeline)) <= 101
    assert "waiting" in events(pipeline)


@pytest.mark.parametrize("data", [b"not UTF-8: \xff", b"text"])
@pytest.mark.parametrize("index", [None, 3])
def test_a_message_that_delivery_writes_is_understood(data, index):
    rejected = RejectedRecord(KinesisRecord("shard-0", "12", LATER, data, index), UNREADABLE, "Why.")
    found = quarantined_of(to_message(rejected, now=LATER))
    assert found.derived_id == rejected.record.derived_id
    assert (found.reason, found.error, found.at) == (UNREADABLE, "Why.", "2026-11-26T12:00:05.000Z")
    assert found.record.startswith(data[:4].decode())


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"shardId": 1}',
        json.dumps({"shardId": "s", "sequenceNumber": "1", "index": "x"}),
        json.dumps(
            {
                "shardId": "s",
                "sequenceNumber": "1",
                "reason": "r",
                "error": "e",
                "quarantinedAt": "t",
                "record": base64.b64encode(b"a").decode() + "!",
                "encoding": "base64",
            }
        ),
    ],
)
def test_any_other_message_is_left_out(body):
    found = quarantined_of(body)
    assert found is None or found.record is not None


def test_a_line_of_a_delivery_has_its_numbers():
    entry = {"message": "Delivery", "Delivered": 3, "PutEventsCalls": 1, "DeliveryDuration": [12.4]}
    line = log_line_of(1_764_158_400_000, json.dumps({**entry, "reasons": {"ThrottlingException": 2}}))
    assert line.at == "2025-11-26T12:00:00.000Z"
    assert line.delivery == {
        "delivered": 3,
        "quarantined": 0,
        "retried": 0,
        "putEventsCalls": 1,
        "deliveryDuration": 12,
        "reasons": {"ThrottlingException": 2},
    }
    assert log_line_of(0, "START RequestId: 1") is None
    assert log_line_of(0, "any other line").delivery is None
