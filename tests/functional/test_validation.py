"""POST /history?validate=true: judged, and nothing is stored."""

import json

import pytest

from tests.conftest import SETTINGS
from tests.support.factories import request

SENT_AT = {"SentAt": "2026-10-31T13:00:00.5+01:00"}
TRACKING_ID = SETTINGS["TRACKING_ID"]


@pytest.fixture
def validate(http, stubs):
    """``validate(body)`` is the parsed response; the stubs answer no call."""

    def run(body, query="validate=true", path="/history", status=200):
        response = http(f"{path}?{query}", body if isinstance(body, bytes) else json.dumps(body).encode())
        assert response.status_code == status, response.body
        return response.json_body

    return run


@pytest.mark.parametrize("path", ["/history", "/events"])
def test_a_valid_event_is_told_as_the_call_that_would_be_made(validate, path):
    found = validate(request(EventId="e1", **SENT_AT, Event={"itemId": "i1", "CHANNEL": "app"}), path=path)
    assert found == {
        "Valid": 1,
        "Invalid": 0,
        "Results": [
            {
                "Index": 0,
                "Call": {
                    "trackingId": TRACKING_ID,
                    "sessionId": "s1",
                    "userId": "u1",
                    "eventList": [
                        {
                            "eventId": "e1",
                            "eventType": "watch",
                            "sentAt": "2026-10-31T12:00:00.500Z",
                            "itemId": "i1",
                            "properties": '{"CHANNEL":"app"}',
                        }
                    ],
                },
            }
        ],
    }


def test_an_action_interaction_is_told_as_its_own_call(validate):
    body = request(Event=None, EventType="Taken", Action={"actionId": "a1"}, EventId="e1", **SENT_AT)
    (result,) = validate(body)["Results"]
    assert result["Call"] == {
        "trackingId": TRACKING_ID,
        "actionInteractions": [
            {
                "actionId": "a1",
                "sessionId": "s1",
                "userId": "u1",
                "eventType": "Taken",
                "eventId": "e1",
                "timestamp": "2026-10-31T12:00:00.500Z",
            }
        ],
    }


def test_an_id_that_would_be_random_is_left_out_and_one_that_would_not_is_told(validate):
    def ids(body):
        return [result["Call"]["eventList"][0].get("eventId") for result in validate(body)["Results"]]

    assert ids(request()) == [None]
    assert ids({"Events": [request(), request()]}) == [None, None]
    assert ids(request(**SENT_AT)) == ids(request(**SENT_AT)) != [None]


def test_each_event_of_a_batch_is_judged_and_the_field_is_named(validate):
    found = validate({"Events": [request(), request(Event={"itemId": ""}), 7, request(SessionId="null")]})
    assert (found["Valid"], found["Invalid"]) == (1, 3)
    told = [(result["Index"], result.get("Code"), result.get("Field")) for result in found["Results"]]
    assert told == [
        (0, None, None),
        (1, "BadRequestError", "Event.itemId"),
        (2, "BadRequestError", None),
        (3, "BadRequestError", "SessionId"),
    ]
    assert found["Results"][1]["Message"].startswith("Event.itemId must not be empty.")


def test_a_body_of_put_events_is_judged_event_by_event_with_its_own_names(validate):
    events = [{"eventType": "watch", "sentAt": 1793620800, "itemId": item} for item in ("i1", "")]
    found = validate({"sessionId": "s1", "eventList": events})
    assert (found["Valid"], found["Invalid"]) == (1, 1)
    assert found["Results"][1]["Field"] == "eventList[1].itemId"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", {"Events": []}, {"Events": [{}] * 501}])
def test_what_holds_no_events_is_400(validate, body):
    assert validate(body, status=400)["Code"] == "BadRequestError"


@pytest.mark.parametrize("value", ["", "false", "1", "TRUE"])
def test_another_value_of_validate_is_400(validate, value):
    found = validate(request(), query=f"validate={value}", status=400)
    assert found["Message"] == "validate must be true, or left out."
