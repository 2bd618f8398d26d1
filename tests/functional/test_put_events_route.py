"""The body of PutEvents on /history and /events: all of it is stored, or the status says that it is not."""

import json
import time
from dataclasses import replace

import pytest
from botocore.stub import ANY

STORED = {"SequenceNumber": "1"}
THROTTLED = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "shard"}


def body(*events, **changes):
    now = time.time()
    call = {"trackingId": "t", "userId": "u1", "sessionId": "s1"} | changes
    return json.dumps(
        call | {"eventList": [{"eventType": "watch", "sentAt": now, **event} for event in events]}
    ).encode()


def put(stubs, *results):
    stubs["kinesis"].add_response(
        "put_records",
        {"Records": [*results]},
        {"StreamName": "test-events", "Records": [{"Data": ANY, "PartitionKey": "s1"}] * len(results)},
    )


@pytest.mark.parametrize("path", ["/history", "/events"])
def test_valid_events_are_answered_as_a_batch(http, stubs, path):
    put(stubs, STORED, STORED)
    response = http(path, body({"eventId": "a"}, {"eventId": "b", "itemId": "i1"}))
    assert response.status_code == 202
    assert response.json_body == {
        "Accepted": 2,
        "Rejected": 0,
        "Results": [{"Index": 0, "EventId": "a"}, {"Index": 1, "EventId": "b"}],
    }


def test_one_invalid_event_refuses_the_whole_and_nothing_is_put(http, stubs):
    response = http("/events", body({"itemId": "i1"}, {"itemId": ""}))
    assert response.status_code == 400
    assert response.json_body["Code"] == "BadRequestError"
    assert response.json_body["Message"].startswith("eventList[1].itemId must not be empty.")


def test_an_event_that_could_not_be_stored_is_no_success_for_an_sdk(http, stubs, monkeypatch):
    monkeypatch.setattr("chalicelib.stream.MAX_RETRY_SECONDS", 0.0)
    put(stubs, STORED, THROTTLED)
    response = http("/events", body({"eventId": "a"}, {"eventId": "b"}))
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert (
        response.json_body["Message"] == "Not every event of the batch could be stored. Send it again later."
    )
    assert (response.json_body["Accepted"], response.json_body["Rejected"]) == (1, 1)


def test_a_deployment_that_takes_fewer_events_says_so_with_the_callers_name(
    http, stubs, services, monkeypatch
):
    import app  # noqa: PLC0415 - it reads its settings at import, which tests/conftest.py provides first

    config = replace(services.config, max_events_per_request=1)
    monkeypatch.setattr(app, "services", replace(services, config=config))
    response = http("/events", body({}, {}))
    assert response.status_code == 400
    assert response.json_body["Message"].startswith(
        "eventList must have at most 1 entries on this deployment."
    )


@pytest.mark.parametrize(
    ("name", "right"), [("EventList", "eventList"), ("event_list", "eventList"), ("events", "Events")]
)
def test_a_misspelt_list_is_told_with_the_right_name(http, stubs, name, right):
    response = http("/history", json.dumps({name: [{}]}).encode())
    assert response.status_code == 400
    assert f"there is {name!r}. Did you mean {right}?" in response.json_body["Message"]
