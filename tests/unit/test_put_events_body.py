"""The body of PutEvents as events of ours, and errors with the caller's own names."""

import json

import pytest

from chalicelib import records
from chalicelib.api import submissions
from chalicelib.errors import InvalidRequestError
from tests.support.factories import NOW, request

SECONDS = NOW.timestamp()


def body(*events, **changes):
    call = {"trackingId": "t", "userId": "u1", "sessionId": "s1"} | changes
    return call | {
        "eventList": [{"eventType": "watch", "sentAt": SECONDS} | event for event in events or [{}]]
    }


def records_of(call):
    """What is stored for a body; an error has the caller's names."""
    submission = submissions.read(call, 500)
    return [
        submission.to_record(index, received_at=NOW, new_id=lambda: "new")
        for index in range(len(submission.events))
    ]


def test_every_field_reaches_its_place():
    call = body(
        {
            "eventId": "e1",
            "itemId": "i1",
            "eventValue": 4.5,
            "properties": '{"CHANNEL": "app", "n": 1}',
            "recommendationId": "r1",
            "impression": ["i1", "i2"],
            "metricAttribution": {"eventAttributionSource": "shop"},
        }
    )
    (record,) = records_of(call)
    assert record.entry == {
        "eventId": "e1",
        "eventType": "watch",
        "sentAt": NOW,
        "itemId": "i1",
        "eventValue": 4.5,
        "properties": '{"CHANNEL":"app","n":1}',
        "recommendationId": "r1",
        "impression": ["i1", "i2"],
        "metricAttribution": {"eventAttributionSource": "shop"},
    }
    assert record.type.shared_arguments(record.body) == {"sessionId": "s1", "userId": "u1"}


def test_the_same_call_sent_again_is_the_same_events():
    first, second = (records_of(body({"itemId": "i1"}, {"itemId": "i2"})) for _ in range(2))
    assert [record.event_id for record in first] == [record.event_id for record in second]
    assert len({record.event_id for record in first}) == 2


def test_an_event_has_the_same_id_in_either_shape():
    (record,) = records_of(body({"itemId": "i1"}))
    ours = records.from_request(request(SentAt=SECONDS), received_at=NOW, new_id=str)
    assert record.event_id == ours.event_id


def test_item_and_value_may_stand_in_the_properties_as_older_clients_write_them():
    (record,) = records_of(body({"properties": '{"itemId": "i1", "eventValue": 3, "GENRE": "x"}'}))
    assert (record.entry["itemId"], record.entry["eventValue"]) == ("i1", 3)
    assert record.entry["properties"] == '{"GENRE":"x"}'


def test_a_null_item_of_the_properties_is_one_that_is_left_out():
    (record,) = records_of(body({"itemId": "i1", "properties": '{"itemId": null, "COLOUR": null}'}))
    assert record.entry["itemId"] == "i1"
    assert record.entry["properties"] == '{"COLOUR":null}'


def test_the_trackers_id_is_ignored_whatever_it_is():
    for tracking_id in ("t", None, 7, {}):
        assert records_of(body(trackingId=tracking_id)) == records_of(body())


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (body(sessionId=None), "sessionId must be a string, not null."),
        (body(sessionId="null"), "sessionId is 'null', which is what"),
        (body(userId=" "), "userId has no visible character."),
        (body(SessionId="s"), "The body has no field 'SessionId'. It takes trackingId, userId, sessionId,"),
        (body() | {"eventList": []}, "eventList must not be empty."),
        (body() | {"eventList": {}}, "eventList must be an array, not an object."),
        (body() | {"eventList": [None]}, "eventList[0] must be an object, not null."),
        (body({}, {"itemId": ""}), "eventList[1].itemId must not be empty."),
        (body({"itemId": 7}), "eventList[0].itemId must be a string, not a number."),
        (body({"EventType": "x"}), "eventList[0] has no field 'EventType'."),
        (body({"item_id": "x"}), "eventList[0].itemId is missing; there is 'eventList[0].item_id'."),
        (body({"sentAt": "2026-01-31T12:00:00Z"}), "eventList[0].sentAt must be a number, not a string."),
        (body({"sentAt": SECONDS * 1000}), "eventList[0].sentAt must be less than 100000000000."),
        (body({"sentAt": SECONDS + 90_000}), "eventList[0].sentAt is more than a day ahead"),
        (body({"sentAt": 0}), "eventList[0].sentAt is 1970-01-01T00:00:00.000Z, which a program"),
        (body({"properties": {}}), "eventList[0].properties must be a string, not an object."),
        (body({"properties": "x"}), "eventList[0].properties is not JSON: there is a mistake at line 1,"),
        (body({"properties": ""}), "eventList[0].properties is empty."),
        (body({"properties": "[]"}), "eventList[0].properties must hold a JSON object."),
        (body({"properties": '{"a": ' + "9" * 5000 + "}"}), "eventList[0].properties is not JSON: a number"),
        (body({"properties": '{"USERID": 1}'}), "A key of eventList[0].properties is not allowed."),
        (body({"properties": '{"item_id": 1}'}), "eventList[0].properties.itemId is missing; there is"),
        (body({"properties": '{"itemId": 1}'}), "eventList[0].itemId must be a string, not a number."),
        (
            body({"itemId": "a", "properties": '{"itemId": "b"}'}),
            "eventList[0].properties has another itemId than eventList[0].itemId.",
        ),
        (
            body({"eventValue": 1, "properties": '{"eventValue": true}'}),
            "eventList[0].properties has another eventValue than eventList[0].eventValue.",
        ),
        (
            body({"properties": json.dumps({"k": "v" * 1100})}),
            "eventList[0].properties has 1108 characters of properties",
        ),
        (body({"impression": ["a", ""]}), "eventList[0].impression[1] must not be empty."),
        (body({"impression": ["€" * 256] * 25}), "eventList[0] takes 19"),
        (body({"recommendationId": "r" * 41}), "eventList[0].recommendationId must have at most 40"),
        (
            body({"metricAttribution": {}}),
            "eventList[0].metricAttribution.eventAttributionSource is required.",
        ),
    ],
)
def test_an_error_names_the_callers_own_field(call, sentence):
    with pytest.raises(InvalidRequestError) as caught:
        records_of(call)
    assert str(caught.value).startswith(sentence)
