"""Whose a piece is, and what is left of objects of each form without a person."""

import base64
import json
from datetime import datetime, timezone

import pytest
from aws_kinesis_agg.aggregator import RecordAggregator

from chalicelib.delivery.kinesis import KinesisRecord, all_events_of
from ops.archive.pieces import lines_in, pieces_of
from ops.forget.editing import GONE, Part, form_of, part_of_record, parts_of
from ops.forget.person import Person

ANN = Person("ann", frozenset({"s1"}))
NOW = datetime(2026, 1, 31, tzinfo=timezone.utc)
EVENT = {"SessionId": "s9", "EventType": "view", "Event": {"itemId": "i"}}


def line(**members):
    return json.dumps(EVENT | members).encode() + b"\n"


def is_owned(data, person=ANN):
    return any(person.owns(piece) for pieces in pieces_of(lines_in(data)) for piece in pieces)


@pytest.mark.parametrize(
    "data",
    [
        line(UserId="ann"),
        line(SessionId="s1"),
        line(SessionId="s1", UserId=None),
        line(SessionId="s1", UserId=""),
        # What breaks the contract is stored all the same.
        b'{"user_id": "ann"}\n',
        b'{"USERID": "ann"}\n',
        b'{"userId": "ann", "sessionId": "x", "eventList": []}\n',
        b'{"SessionId": "x", "Event": {"userId": "ann"}}\n',
        b'{"events": [{"a": {"User-Id": "ann"}}]}\n',
        b'{"UserId": "\\u0061nn"}\n',
        b'{"UserId": "ann", "SessionId": "x", "Ev\n',
        b'\xff{"UserId" : "ann", \xff\n',
        b'"SessionId": "s1", "EventType": "vie\n',
        b'{\n "UserId": "ann",\n "SessionId": "x"\n}\n',
    ],
)
def test_what_is_the_persons(data):
    assert is_owned(data)


@pytest.mark.parametrize(
    "data",
    [
        line(UserId="ben", SessionId="s1"),
        # A property, whatever its name is, and the other spelling of a name that is there as it should be.
        line(Event={"itemId": "i", "by": {"userId": "ann"}}),
        line(Event={"itemId": "i", "user_id": "ann"}),
        b'{"UserId": "ben", "user_id": "ann", "SessionId": "x"}\n',
        b'{"UserId": "ben", "SessionId": "x", "by": {"userId": "ann"}, "Ev\n',
        b'{\n "UserId": "ben",\n "SessionId": "s1",\n "Event\n',
        line(UserId="anna"),
        line(UserId="Ann"),
        line(UserId=" ann"),
        line(SessionId="s10"),
        line(EventId="ann", Event={"itemId": "ann", "name": "ann"}),
        line(UserId="ben", Event={"itemId": "i", "by": {"user_id": "ann"}}),
        b'{"UserId": "ben", "SessionId": "s1", "Ev\n',
        b"ann\n",
        b"\n",
    ],
)
def test_what_is_not(data):
    assert not is_owned(data)


ODD_IDS = [
    "7",
    'a"b',
    "100%",
    "a\\b",
    "ü",
    "it's",
    "a'; DROP TABLE events --",
    "%",
    "_",
    "\u2028",
    "🙂",
    "a\tb",
]


@pytest.mark.parametrize("user_id", ODD_IDS)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_any_id_is_itself_and_no_other(user_id, ascii_only):
    person = Person(user_id)
    for text, expected in ((user_id, True), (f"{user_id}x", False), (f"x{user_id}", False)):
        data = json.dumps({**EVENT, "UserId": text}, ensure_ascii=ascii_only).encode()
        assert is_owned(data, person) is expected
        assert is_owned(data[:-1], person) is expected, "half an event"


def test_an_id_that_is_a_number_is_its_text():
    assert is_owned(b'{"UserId": 7}\n', Person("7"))
    assert not is_owned(b'{"UserId": 77}\n', Person("7"))


def test_of_a_line_with_events_of_several_persons_the_others_stay():
    ann, ben = line(UserId="ann").strip(), line(UserId="ben").strip()
    part = parts_of(b'{"Records": [' + ann + b", " + ben + b"]}\n", ANN)
    assert part.kept == b'{"Records": [, ' + ben + b"]}\n"
    assert part.removed == 1


def test_a_printed_event_goes_whole_and_shows_its_session():
    printed = (
        b'{\n"userId": "ann",\n"sessionId": "s7",\n"eventList": [\n{"eventType": "x", "sentAt": 1}\n]\n}\n'
    )
    assert parts_of(printed + line(UserId="ben"), ANN) == Part(line(UserId="ben"), 1, frozenset({"s7"}))


def test_ids_in_several_parts_of_an_object_belong_together():
    part = parts_of(b'{"user": {"userId": "ann"}, "context": {"sessionId": "s7"}}\n', ANN)
    assert part == Part(b"", 1, frozenset({"s7"}))


@pytest.mark.parametrize("session", ["", "x" * 257, "\ud800"])
def test_a_session_that_no_event_can_have_is_not_searched(session):
    assert parts_of(json.dumps({"UserId": "ann", "SessionId": session}).encode(), ANN).sessions == frozenset()


def test_sessions_are_those_of_events_with_the_user_id():
    data = line(UserId="ann", SessionId="a") + line(UserId="ben", SessionId="b") + line(SessionId="c")
    data += line(UserId="ann", SessionId="d").strip() + line(UserId="ann", SessionId="e")[:-2]
    assert parts_of(data, ANN).sessions == {"a", "d", "e"}


def record(data):
    return KinesisRecord("shard", "7", NOW, data)


def left_of(kinesis_record):
    return part_of_record(kinesis_record, ANN).kept


def test_a_record_of_others_stays_byte_for_byte():
    data = b" " + line(UserId="ben") + line()
    assert left_of(record(data)) is data


def test_a_record_of_the_person_goes_whole():
    assert left_of(record(line(UserId="ann"))) == b""
    assert left_of(record(line(UserId="ann") + line(SessionId="s1"))) == b""


def test_an_aggregate_of_others_stays_as_it_is():
    data = aggregate(line(UserId="ben"))
    assert left_of(record(data)) is data


def test_of_events_that_were_joined_in_a_record_of_several_the_others_stay():
    joined = line(UserId="ann").strip() + line(UserId="ben")
    left = left_of(record(line(UserId="cid") + joined))
    assert [json.loads(each)["UserId"] for each in left.splitlines()] == ["cid", "ben"]


@pytest.mark.parametrize("event", [b'{"SessionId": "b", "Event": {"n": 1e400, "m": 1.10}}', b"{}"])
def test_an_event_that_gets_its_id_changes_in_nothing_else(event):
    left = left_of(record(line(UserId="ann") + event + b"\n" + line(UserId="ben")))
    first, _ = left.splitlines()
    assert first.replace(b'"EventId":"shard:7:1",', b"").replace(b'"EventId":"shard:7:1"', b"") == event


def aggregate(*lines):
    aggregator = RecordAggregator()
    for each in lines:
        aggregator.add_user_record("key", each)
    return aggregator.clear_and_get().get_contents()[2]


@pytest.mark.parametrize("join", [lambda *lines: b"".join(lines), aggregate], ids=["lines", "aggregate"])
def test_what_stays_of_several_events_keeps_the_id_that_delivery_derives(join):
    whole = record(join(line(UserId="ann"), line(UserId="ben"), line(EventId="own"), b'{"broken": 1}\n'))
    left = record(left_of(whole))
    ids = [event.derived_id for event in all_events_of(whole)]
    found = [json.loads(event.data) for event in all_events_of(left)]
    assert [each.get("EventId") for each in found] == [ids[1], "own", ids[3]]
    assert [each.get("UserId") for each in found] == ["ben", None, None]


def test_joined_events_of_a_record_are_taken_apart():
    assert left_of(record(line(UserId="ann").strip() + line(UserId="ben"))) == line(UserId="ben")


def edited(key, data):
    parts = [*form_of(key).edit(key, lines_in(data), ANN)]
    return b"".join(part.kept for part in parts), sum(part.removed for part in parts)


def test_an_object_of_the_quarantine_has_its_place_in_its_key():
    left, removed = edited("quarantine/shard/12", line(UserId="ann") + line(UserId="ben"))
    assert json.loads(left)["EventId"] == "shard:12:1"
    assert removed == 1


def batch(*records):
    entries = [
        {
            "eventID": f"shard:{number}",
            "kinesis": {
                "sequenceNumber": str(number),
                "approximateArrivalTimestamp": 1.5,
                "partitionKey": "s1",
                "data": base64.b64encode(data).decode(),
            },
        }
        for number, data in enumerate(records)
    ]
    info = {"shardId": "shard", "startSequenceNumber": "0", "batchSize": len(entries)}
    return json.dumps({"KinesisBatchInfo": info, "payload": json.dumps({"Records": entries})}).encode()


def test_a_batch_that_was_given_up_loses_the_records_of_the_person():
    left, removed = edited(
        "aws/lambda/x",
        batch(line(UserId="ann"), line(UserId="ben"), line(SessionId="s1") + line(UserId="ben")),
    )
    assert removed == 2
    document = json.loads(left)
    assert document["KinesisBatchInfo"]["batchSize"] == 2
    entries = json.loads(document["payload"])["Records"]
    assert [each["kinesis"]["sequenceNumber"] for each in entries] == ["1", "2"]
    assert base64.b64decode(entries[0]["kinesis"]["data"]) == line(UserId="ben")
    assert entries[0]["kinesis"]["partitionKey"] == "s1", "the record is of somebody else, as it came"
    assert entries[1]["kinesis"]["partitionKey"] == GONE
    assert json.loads(base64.b64decode(entries[1]["kinesis"]["data"]))["EventId"] == "shard:2:1"


def test_a_batch_of_others_stays_and_one_of_the_person_goes():
    of_others = batch(line(UserId="ben"))
    assert edited("aws/lambda/x", of_others) == (of_others, 0)
    assert edited("aws/lambda/x", batch(line(UserId="ann"))) == (b"", 1)


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b"null", b'{"payload": "{}"}', b"\xff"])
def test_what_is_no_batch_stays_and_is_named(document):
    (part,) = form_of("aws/lambda/x").edit("aws/lambda/x", lines_in(document), ANN)
    assert (part.kept, part.removed, part.is_unreadable) == (document, 0, True)


def failed(data):
    return json.dumps({"attemptsMade": 4, "rawData": base64.b64encode(data).decode()}).encode() + b"\n"


def test_what_firehose_could_not_archive_is_looked_into():
    others = failed(line(UserId="ben"))
    mixed = failed(line(UserId="ann") + line(UserId="ben"))
    left, removed = edited("events-failed/x/dt=1/y", others + failed(line(UserId="ann")) + mixed + b"odd\n")
    assert left == others + others + b"odd\n"
    assert removed == 2
