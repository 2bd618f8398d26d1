"""One event in its three forms."""

import json
from datetime import datetime, timedelta, timezone

import botocore.session
import pytest
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import records, timestamps
from chalicelib.errors import InvalidRequestError
from chalicelib.records import events
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
        ("2026-01-31T12:00:00.123456789Z", NOW + timedelta(microseconds=123456)),
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
            "SentAt": st.floats(0, 1e11) | st.integers(0, 10**11) | MOMENTS,
            "RecommendationId": TEXT,
            "Impression": st.lists(TEXT, min_size=1, max_size=25),
        },
    )
)
def test_whatever_the_contract_accepts_boto3_accepts_and_the_stream_gives_back(body):
    try:
        event = records.from_request(body, received_at=NOW, new_id=lambda: "new-id")
    except InvalidRequestError:
        return
    user = {"userId": body["UserId"]} if "UserId" in body else {}
    call = {"trackingId": "t", "sessionId": body["SessionId"], "eventList": [event.entry], **user}
    report = VALIDATOR.validate(call, PUT_EVENTS.input_shape)
    assert not report.has_errors(), report.generate_report()
    # Validation looks at types only; the request is made here, and what cannot be sent fails here.
    assert SERIALIZER.serialize_to_request(call, PUT_EVENTS)["body"]
    assert read(event.data) == event


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
    assert size <= 2 * len(record) + events.MAX_PROPERTIES_CHARACTERS + 500


def test_what_is_not_measured_cannot_exceed_the_limit():
    largest = 2 * records.SIZE_CHECK_THRESHOLD_BYTES + events.MAX_PROPERTIES_CHARACTERS + 500
    assert largest <= records.MAX_ENTRY_BYTES


def test_a_large_record_is_measured():
    wide = request(Impression=["😀" * 256] * 25)
    with pytest.raises(InvalidRequestError, match="bytes; Personalize takes 10240"):
        read(json.dumps(wide, ensure_ascii=False).encode())
