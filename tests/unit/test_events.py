"""One event in its three forms."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import botocore.session
import pytest
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import records, timestamps
from chalicelib.errors import InvalidRequestError
from chalicelib.records.properties import MAX_PROPERTIES_CHARACTERS
from local.personalize import TRACKING_ID
from local.personalize.requests import parse_put_events
from tests.support.factories import NOW, request


def accept(**changes):
    return records.from_request(request(**changes), received_at=NOW, new_id=lambda: "new-id")


def read(data):
    return records.from_record(data, fallback_id="shard:1", arrived_at=NOW)


def test_the_record_is_the_request_plus_id_and_time_on_one_line():
    event = accept(Event={"itemId": "i1", "note": "two\nlines"})
    assert event.data.endswith(b"}\n")
    assert event.data.count(b"\n") == 1
    assert json.loads(event.data) == request(Event={"itemId": "i1", "note": "two\nlines"}) | {
        "EventId": "new-id",
        "ReceivedAt": "2026-01-31T12:00:00.000Z",
    }


def test_a_record_is_read_back_as_the_event_it_was():
    event = accept(Event={"itemId": "i1", "eventValue": 4.5, "GENRE": "é"}, Impression=["a", "b"])
    assert read(event.data) == event


def test_every_field_reaches_its_place_in_put_events():
    event = accept(
        Event={"itemId": "i1", "eventValue": 4.5, "CONTEXT": "home", "n": 1},
        EventId="e1",
        SentAt=1769860800,
        RecommendationId="r1",
        Impression=["i1", "i2"],
        EventAttributionSource="shop",
    )
    assert event.entry == {
        "eventId": "e1",
        "eventType": "watch",
        "sentAt": NOW,
        "itemId": "i1",
        "eventValue": 4.5,
        "properties": '{"CONTEXT":"home","n":1}',
        "recommendationId": "r1",
        "impression": ["i1", "i2"],
        "metricAttribution": {"eventAttributionSource": "shop"},
    }


def test_without_properties_none_are_sent():
    assert "properties" not in accept().entry


def test_the_clients_id_wins():
    assert accept(EventId="mine", SentAt=1769860800).event_id == "mine"


def test_with_sent_at_a_repeated_request_is_the_same_event():
    assert accept(SentAt=1769860800).event_id == accept(SentAt=1769860800).event_id
    assert accept(SentAt=1769860800).event_id != accept(SentAt=1769860801).event_id


def test_without_either_every_request_is_an_event_of_its_own():
    assert accept().event_id == "new-id"


def test_anothers_record_gets_its_id_from_shard_and_number_and_its_time_from_the_arrival():
    event = read(json.dumps(request()).encode())
    assert event.event_id == "shard:1"
    assert event.entry["sentAt"] == NOW


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"\xff", b"[]", b"null", b"7", b'"text"', b"{}", b'{"SessionId": 5}'],
)
def test_a_record_that_is_no_event_is_refused(data):
    with pytest.raises(InvalidRequestError):
        read(data)


def test_a_record_with_a_time_of_arrival_that_is_none_is_refused():
    with pytest.raises(InvalidRequestError, match="ReceivedAt"):
        read(json.dumps(request() | {"ReceivedAt": "soon"}).encode())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", NOW),
        ("2026-01-31t12:00:00z", NOW),
        ("2026-01-31T13:00:00+01:00", NOW),
        ("2026-01-31T12:00:00.5Z", NOW + timedelta(milliseconds=500)),
        ("2026-01-31T12:00:00.123456789Z", NOW + timedelta(milliseconds=123)),
        ("2026-01-31T11:59:60Z", NOW - timedelta(seconds=1)),
        (1769860800, NOW),
        (1769860800.5, NOW + timedelta(milliseconds=500)),
    ],
)
def test_sent_at_takes_rfc_3339_and_seconds(text, moment):
    assert accept(SentAt=text).entry["sentAt"] == moment


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T12:00:00Z",
        "2026-01-31T12:00:00",
        "1969-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "now",
    ],
)
def test_sent_at_refuses_what_is_no_moment(text):
    with pytest.raises(InvalidRequestError, match="SentAt"):
        accept(SentAt=text)


@pytest.mark.parametrize(
    ("sent_at", "received_at"),
    [
        ("2026-02-01T12:00:00Z", NOW),  # a day ahead: a wrong time zone
        (NOW.timestamp() + 600, NOW),  # ten minutes: a clock that is off
        ("1980-01-07T00:00:00Z", NOW),
        ("2000-01-03T00:00:00Z", NOW),
    ],
)
def test_the_time_of_a_clock_that_is_somewhat_wrong_is_taken(sent_at, received_at):
    records.from_request(request(SentAt=sent_at), received_at=received_at, new_id=str)


@pytest.mark.parametrize(
    "sent_at",
    [
        "2026-02-01T12:00:01Z",
        "2099-01-01T00:00:00Z",
        99999999999,
        "9999-12-31T23:59:59.9999999Z",
        "9999-12-31T23:59:59Z",
    ],
)
def test_a_time_more_than_a_day_ahead_is_refused(sent_at):
    with pytest.raises(
        InvalidRequestError, match=r"^SentAt is more than a day ahead of 2026-01-31T12:00:00\.000Z"
    ):
        accept(SentAt=sent_at)
    with pytest.raises(InvalidRequestError, match=r"^SentAt is more than a day ahead"):
        read(json.dumps(request(SentAt=sent_at)).encode())


@pytest.mark.parametrize(
    "sent_at",
    [
        *(0, 0.0, 1, 86400, 20260131, 978307200),
        *("1970-01-01T00:00:00Z", "1970-01-01T01:00:00+01:00", "1970-01-01T12:00:00Z"),
        *("1980-01-01T00:00:00Z", "1980-01-06T00:00:00Z"),
        *("2000-01-01T00:00:00Z", "2000-01-01T00:20:01.5Z", "2000-01-01T00:00:00+01:00"),
    ],
)  # fmt: skip
def test_the_time_of_a_clock_that_was_never_set_is_refused(sent_at):
    with pytest.raises(
        InvalidRequestError, match=r"^SentAt is .*which a program writes for a time that was never"
    ):
        accept(SentAt=sent_at)


@pytest.mark.parametrize("sent_at", ["0001-01-01T00:00:00Z", "1899-12-30T00:00:00Z", "1601-01-01T00:00:00Z"])
def test_a_default_before_1970_is_no_time(sent_at):
    with pytest.raises(InvalidRequestError, match=r"^SentAt is not a time since 1970"):
        accept(SentAt=sent_at)


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001
def test_any_rfc_3339_moment_is_read_exactly(moment):
    moment = moment.replace(tzinfo=timezone.utc)
    assert timestamps.parse(moment.isoformat(), "SentAt") == moment


def test_properties_of_1024_characters_pass_and_1025_do_not():
    overhead = len('{"k":""}')
    accept(Event={"itemId": "i1", "k": "v" * (1024 - overhead)})
    with pytest.raises(InvalidRequestError, match="1025 characters of properties"):
        accept(Event={"itemId": "i1", "k": "v" * (1025 - overhead)})


def test_an_event_larger_than_personalize_takes_is_refused():
    with pytest.raises(InvalidRequestError, match="The event takes"):
        accept(Impression=["€" * 256] * 25)


VALIDATOR = ParamValidator()
SERIALIZER = create_serializer("rest-json", include_validation=False)
CORPUS = Path(__file__).parents[1] / "corpus" / "records-0.1.0.jsonl"
PUT_EVENTS = (
    botocore.session.get_session().get_service_model("personalize-events").operation_model("PutEvents")
)
TEXT = st.text(min_size=1, max_size=20)
MOMENTS = st.builds(
    "{}T{}:{:02}{}".format,
    st.dates(),
    st.sampled_from(["00:00", "12:30", "23:59"]),
    st.integers(0, 60),
    st.sampled_from(["Z", "+00:00", "-01:00", "+14:00", "-23:59"]),
)
RECENT = st.floats(NOW.timestamp() - 10**8, NOW.timestamp() + 10**5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    st.lists,
)


@given(
    st.fixed_dictionaries(
        {"SessionId": TEXT, "EventType": TEXT, "Event": st.dictionaries(TEXT, JSON, max_size=4)},
        optional={
            "UserId": TEXT,
            "EventId": TEXT,
            "SentAt": st.floats(0, 1e11) | st.integers(0, 10**11) | MOMENTS | RECENT,
            "RecommendationId": TEXT,
            "Impression": st.lists(TEXT, min_size=1, max_size=25),
            "EventAttributionSource": TEXT | st.text(st.sampled_from(" ~!a"), min_size=1),
        },
    )
)
def test_whatever_the_contract_accepts_botocore_sends_and_the_engine_takes(body):
    try:
        event = records.from_request(body, received_at=NOW, new_id=lambda: "new-id")
    except InvalidRequestError:
        return
    assert deliver(event).event_id == event.event_id
    assert read(event.data) == event


def deliver(event):
    """Make the call of an event as botocore does and give it to the engine: what it refuses fails here."""
    call = {
        "trackingId": TRACKING_ID,
        **event.type.shared_arguments(event.body),
        event.type.ENTRIES_ARGUMENT: [event.entry],
    }
    report = VALIDATOR.validate(call, PUT_EVENTS.input_shape)
    assert not report.has_errors(), report.generate_report()
    # Validation looks at types only; the request is made here, and what cannot be sent fails here.
    sent = SERIALIZER.serialize_to_request(call, PUT_EVENTS)["body"]
    (taken,) = parse_put_events(json.loads(sent)).events
    return taken


@pytest.mark.parametrize("line", CORPUS.read_bytes().splitlines(keepends=True))
def test_what_version_0_1_0_accepted_is_delivered(line):
    event = records.from_record(line, fallback_id="shard:1", arrived_at=NOW)
    stored = json.loads(line)
    taken = deliver(event)
    assert taken.event_id == stored["EventId"]
    assert taken.item_id == stored["Event"].get("itemId")
    # Put back by a redrive, it is the same event.
    assert read(event.data) == event


def test_a_field_that_this_version_does_not_know_does_not_hold_up_a_record_of_a_newer_one():
    line = accept().data.replace(b'{"UserId"', b'{"Experiment": {"name": "x"}, "UserId"')
    event = read(line)
    assert deliver(event).item_id == "i1"
    assert b'"Experiment":{"name":"x"}' in event.data


def test_a_record_of_ours_is_still_held_to_what_personalize_refuses():
    for change in ({"SessionId": ""}, {"UserId": "u" * 257}, {"Event": {"userId": "x"}}, {"Impression": []}):
        with pytest.raises(InvalidRequestError):
            read(json.dumps(json.loads(accept().data) | change).encode())


def test_anothers_record_is_held_to_the_whole_contract():
    for change in ({"SessionId": "null"}, {"Event": {"item_id": "i1"}}, {"SentAt": 0}, {"Experiment": {}}):
        with pytest.raises(InvalidRequestError):
            read(json.dumps(request(**change)).encode())
    assert read(json.dumps(request() | {"UserId": None, "SentAt": None}).encode()).entry["sentAt"] == NOW


def spaced(*requests):
    accepted = [accept(**changes) for changes in requests]
    return records.spaced(accepted, NOW)


def times(found):
    return [(NOW - event.entry["sentAt"]) / timedelta(milliseconds=1) for event in found]


def test_events_of_one_request_are_a_millisecond_apart_and_the_last_is_at_its_time():
    found = spaced(*({"Event": {"itemId": item}} for item in "abc"))
    assert times(found) == [2, 1, 0]
    assert [event.body["ReceivedAt"] for event in found] == [
        "2026-01-31T11:59:59.998Z",
        "2026-01-31T11:59:59.999Z",
        "2026-01-31T12:00:00.000Z",
    ]
    assert [read(event.data) for event in found] == found


@pytest.mark.parametrize(
    ("change", "apart"),
    [
        ({}, 1000),
        ({"EventId": "e2"}, 1000),
        ({"Event": {"itemId": "i1", "eventValue": 5}}, 1000),
        ({"RecommendationId": "r1"}, 1000),
        ({"UserId": "u2"}, 1),
        ({"UserId": None}, 1),
        ({"SessionId": "s2"}, 1),
        ({"EventType": "buy"}, 1),
        ({"Event": {"itemId": "i2"}}, 1),
        ({"Event": {"itemId": "i1", "COLOR": "red"}}, 1),
    ],
)
def test_events_that_personalize_could_not_tell_apart_are_a_second_apart(change, apart):
    assert times(spaced({}, change)) == [apart, 0]


def test_an_event_with_sent_at_keeps_its_time_and_counts_for_no_other():
    sent = NOW - timedelta(hours=1)
    found = spaced({}, {"SentAt": sent.isoformat()}, {})
    assert times(found) == [1000, 3_600_000, 0]
    assert found[1].body["ReceivedAt"] == "2026-01-31T12:00:00.000Z"


@given(
    texts=st.lists(st.text(st.sampled_from('"\\\u0001é☂😀\n'), min_size=1, max_size=40), max_size=8),
    numbers=st.lists(st.sampled_from([1e15, -1e-5, 10**40, 0.1]), max_size=60),
    shown=st.lists(
        st.text(st.sampled_from('"\\\u0001a☂😀'), min_size=1, max_size=256), min_size=1, max_size=25
    ),
)
def test_an_event_is_hardly_twice_its_record_so_small_ones_need_not_be_measured(texts, numbers, shown):
    content = {"itemId": "☂", **{f"n{i}": n for i, n in enumerate(numbers)}, "texts": texts}
    record = json.dumps(request(Event=content, Impression=shown), ensure_ascii=False).encode()
    try:
        entry = read(record).entry
    except InvalidRequestError:  # too many characters of properties, or bytes in all
        return
    size = len(json.dumps(entry, default=str, ensure_ascii=False).encode())
    assert size <= 2 * len(record) + MAX_PROPERTIES_CHARACTERS + 500


def test_what_is_not_measured_cannot_exceed_the_limit():
    largest = 2 * records.SIZE_CHECK_THRESHOLD_BYTES + MAX_PROPERTIES_CHARACTERS + 500
    assert largest <= records.MAX_ENTRY_BYTES


def test_a_large_record_is_measured():
    wide = request(Impression=["😀" * 256] * 25)
    with pytest.raises(InvalidRequestError, match="bytes; Personalize takes 10240"):
        read(json.dumps(wide, ensure_ascii=False).encode())
