"""The HTTP contract, route by route, with scripted AWS services."""

import json
import logging
from dataclasses import replace

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY

from tests.conftest import SETTINGS
from tests.support.factories import request

SECRET = "a-key-that-must-not-be-logged"


def asked(**changes):
    return {
        "campaignArn": SETTINGS["CAMPAIGN_ARN"],
        "userId": "u1",
        "numResults": 25,
    } | changes


def test_recommendations_are_what_personalize_returned(http, stubs):
    returned = {"itemList": [{"itemId": "i1", "score": 0.5}], "recommendationId": "r1"}
    stubs["personalize_runtime"].add_response("get_recommendations", returned, asked())
    response = http("/recommendations", b'{"userId": "u1"}')
    assert response.status_code == 200
    assert response.json_body == returned | {"campaign": "local", "source": "personalize"}


def test_every_option_reaches_personalize(http, stubs):
    options = {"itemId": "i1", "numResults": 5, "context": {"DEVICE": "tv"}}
    stubs["personalize_runtime"].add_response("get_recommendations", {"itemList": []}, asked(**options))
    assert http("/recommendations", json.dumps({"userId": "u1", **options}).encode()).status_code == 200


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        ({"itemId": "dracula"}, {"itemId": "dracula"}),
        ({"sessionId": "s1"}, {"userId": "s1"}),
        ({"userId": "u1", "sessionId": "s1"}, {"userId": "u1"}),
        ({"userId": None, "sessionId": "s1", "itemId": None, "context": None}, {"userId": "s1"}),
        ({"sessionId": "s1", "itemId": "dracula"}, {"userId": "s1", "itemId": "dracula"}),
    ],
)
def test_user_session_or_item_is_enough(http, stubs, body, arguments):
    expected = {"campaignArn": SETTINGS["CAMPAIGN_ARN"], "numResults": 25} | arguments
    stubs["personalize_runtime"].add_response("get_recommendations", {"itemList": []}, expected)
    assert http("/recommendations", json.dumps(body).encode()).status_code == 200


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [
        ("InvalidInputException", 400, "BadRequestError"),
        ("ThrottlingException", 429, "TooManyRequestsError"),
        ("ResourceNotFoundException", 502, "BadGatewayError"),
        ("AccessDeniedException", 502, "BadGatewayError"),
        ("InternalServerException", 503, "ServiceUnavailableError"),
    ],
)
def test_a_failure_of_personalize_becomes_a_documented_status(http, stubs, code, status, ours):
    message = "arn:aws:personalize:us-east-1:123456789012:campaign/x"
    stubs["personalize_runtime"].add_client_error("get_recommendations", code, message)
    response = http("/recommendations", b'{"userId": "u1"}')
    assert response.status_code == status
    assert response.json_body["Code"] == ours
    assert "123456789012" not in response.body.decode()
    assert ("Retry-After" in response.headers) == (status in (429, 503))


@pytest.mark.parametrize("path", ["/recommendations", "/history", "/events"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"surprise": 1}', b"\xff", b"[" * 100_000])
def test_a_wrong_body_is_400_with_a_sentence_and_asks_nothing_of_aws(http, stubs, path, body):
    response = http(path, body)
    assert response.status_code == 400
    assert response.json_body["Code"] == "BadRequestError"
    assert response.json_body["Message"].endswith(".")


@pytest.mark.parametrize("path", ["/recommendations", "/history", "/events"])
def test_another_content_type_is_415(http, stubs, path):
    response = http(path, b"userId=u1", content_type="application/x-www-form-urlencoded")
    assert response.status_code == 415
    assert response.json_body["Code"] == "UnsupportedMediaType"


@pytest.mark.parametrize("path", ["/history", "/events"])
def test_an_event_is_accepted_once_the_stream_has_it(http, stubs, path):
    stubs["kinesis"].add_response(
        "put_records",
        {"Records": [{"SequenceNumber": "1", "ShardId": "s"}]},
        {"StreamName": "test-events", "Records": [{"Data": ANY, "PartitionKey": "s1"}]},
    )
    response = http(path, json.dumps(request(EventId="e1")).encode())
    assert response.status_code == 202
    assert response.json_body == {"EventId": "e1"}


def test_an_event_that_the_stream_refused_is_503(http, stubs):
    stubs["kinesis"].add_client_error("put_records", "InternalFailure")
    response = http("/history", json.dumps(request()).encode())
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"


def test_a_deployment_may_take_fewer_events_in_one_request(http, stubs, services, monkeypatch):
    import app  # noqa: PLC0415 - it reads its settings at import, which tests/conftest.py provides first

    config = replace(services.config, max_events_per_request=2)
    monkeypatch.setattr(app, "services", replace(services, config=config))
    response = http("/history", json.dumps({"Events": [request()] * 3}).encode())
    assert response.status_code == 400
    assert response.json_body["Message"].startswith("Events must have at most 2 entries on this deployment.")
    records = [{"SequenceNumber": "1"}] * 2
    stubs["kinesis"].add_response("put_records", {"Records": records})
    assert http("/history", json.dumps({"Events": [request()] * 2}).encode()).status_code == 202


def test_a_batch_is_judged_event_by_event(http, stubs):
    stubs["kinesis"].add_response(
        "put_records", {"Records": [{"SequenceNumber": "1"}, {"SequenceNumber": "2"}]}
    )
    events = [request(EventId="a"), request(EventType=None), request(EventId="c")]
    response = http("/history", json.dumps({"Events": events}).encode())
    assert response.status_code == 202
    assert response.json_body["Accepted"] == 2
    assert response.json_body["Rejected"] == 1
    first, second, third = response.json_body["Results"]
    assert (first, third) == ({"Index": 0, "EventId": "a"}, {"Index": 2, "EventId": "c"})
    assert second["Index"] == 1
    assert second["Code"] == "BadRequestError"
    assert second["Message"].startswith("EventType is required.")


def test_a_batch_without_one_valid_event_is_400(http, stubs):
    response = http("/history", b'{"Events": [{}, 7, null]}')
    assert response.status_code == 400
    assert response.json_body["Code"] == "BadRequestError"
    assert [result["Index"] for result in response.json_body["Results"]] == [0, 1, 2]


def test_a_batch_of_which_nothing_could_be_stored_is_503_whatever_else_was_wrong(http, stubs):
    stubs["kinesis"].add_client_error("put_records", "InternalFailure")
    response = http("/history", json.dumps({"Events": [request(), {}]}).encode())
    assert response.status_code == 503
    assert response.json_body["Accepted"] == 0
    codes = [result["Code"] for result in response.json_body["Results"]]
    assert codes == ["ServiceUnavailableError", "BadRequestError"]


def test_neither_key_nor_header_nor_user_nor_property_is_stored_or_logged(
    http, stubs, services, capsys, caplog
):
    caplog.set_level(logging.DEBUG)
    stored = []
    stubs["kinesis"].add_response("put_records", {"Records": [{"SequenceNumber": "1"}]})
    services.clients.kinesis.meta.events.register(
        "provide-client-params.kinesis.PutRecords", lambda params, **_: stored.append(params)
    )
    body = request(UserId="user-77", Event={"itemId": "item-77", "note": "private-77"})
    response = http("/history", json.dumps(body).encode(), **{"x-api-key": SECRET, "User-Agent": "agent-77"})
    assert response.status_code == 202
    (call,) = stored
    assert SECRET.encode() not in call["Records"][0]["Data"]
    assert b"agent-77" not in call["Records"][0]["Data"]
    logged = capsys.readouterr().out + caplog.text
    assert '"status":202' in logged
    for private in (SECRET, "agent-77", "user-77", "item-77", "private-77"):
        assert private not in logged


def test_an_error_of_our_own_is_500_and_its_log_quotes_no_value(http, stubs, services, capsys, monkeypatch):
    def explode(**_):
        raise KeyError("user-77")

    monkeypatch.setattr(services.clients.personalize_runtime, "get_recommendations", explode)
    response = http("/recommendations", b'{"userId": "user-77"}')
    assert response.status_code == 500
    assert response.json_body["Code"] == "InternalServerError"
    logged = capsys.readouterr()
    assert "KeyError" in logged.out
    assert "user-77" not in logged.out + logged.err + response.body.decode()


def test_an_unreachable_personalize_is_503(http, stubs, services, monkeypatch):
    def unreachable(**_):
        raise EndpointConnectionError(endpoint_url="https://personalize-runtime.invalid")

    monkeypatch.setattr(services.clients.personalize_runtime, "get_recommendations", unreachable)
    response = http("/recommendations", b'{"userId": "u1"}')
    assert response.status_code == 503
    assert "invalid" not in response.body.decode()
