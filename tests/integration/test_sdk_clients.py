"""Clients that used to call Personalize: the AWS SDKs, with a new address and the header x-api-key."""

import json
import time
import uuid
from datetime import datetime, timezone

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.personalize import REGION
from tests.support.engine_events import received_of
from tests.support.node import run_node


def by_boto3(stack, call):
    """Make a call of PutEvents with boto3. Returns status, the error's name and message."""
    session = boto3.Session("test", "test", region_name=REGION)
    client = session.client(
        "personalize-events",
        endpoint_url=stack.stack.apiUrl,
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register(
        "before-sign.personalize-events",
        lambda request, **_: request.headers.add_header("x-api-key", stack.stack.apiKey),
    )
    events = [
        event | {"sentAt": datetime.fromtimestamp(event["sentAt"] / 1000, timezone.utc)}
        for event in call["eventList"]
    ]
    try:
        response = client.put_events(**call | {"eventList": events})
    except ClientError as error:
        metadata, said = error.response["ResponseMetadata"], error.response.get("Error", {})
        return metadata["HTTPStatusCode"], said.get("Message", "")
    return response["ResponseMetadata"]["HTTPStatusCode"], ""


def by_node(stack, call):
    """The same with the SDK for JavaScript."""
    result = run_node("put_events.mjs", stack.stack.apiUrl, stack.stack.apiKey, json.dumps(call))
    return result["status"], result.get("message", "")


@pytest.fixture(params=[by_boto3, by_node], ids=["boto3", "JavaScript"])
def put_events(request, stack):
    return lambda call: request.param(stack, call)


def call_of(user, *events):
    """The input of PutEvents; the times are in milliseconds, as both languages have them."""
    now = int(time.time() * 1000)
    return {
        "trackingId": "the-one-of-before",
        "userId": user,
        "sessionId": f"session-of-{user}",
        "eventList": [{"eventType": "read", "sentAt": now, **event} for event in events],
    }


def test_a_call_of_an_sdk_reaches_personalize(stack, put_events, eventually):
    user = f"user-{uuid.uuid4().hex[:8]}"
    call = call_of(
        user,
        {"eventId": f"{user}-1", "itemId": "dracula", "properties": '{"CHANNEL": "app"}', "eventValue": 4.5},
        {"eventId": f"{user}-2", "itemId": "carmilla", "impression": ["carmilla", "dracula"]},
    )
    assert put_events(call) == (202, "")

    eventually(lambda: len(received_of(stack, user)) == 2)
    first, second = received_of(stack, user)
    assert (first["itemId"], first["properties"], first["eventValue"]) == (
        "dracula",
        '{"CHANNEL":"app"}',
        4.5,
    )
    assert first["sentAt"] == pytest.approx(call["eventList"][0]["sentAt"] / 1000)
    assert (second["itemId"], second["impression"]) == ("carmilla", ["carmilla", "dracula"])


def test_an_sdk_raises_for_a_call_with_one_invalid_event(stack, put_events):
    status, message = put_events(call_of("undefined", {"itemId": "dracula"}))
    assert status == 400
    assert message.startswith("userId is 'undefined', which is what a program writes for a missing value.")
    status, message = put_events(call_of("ann", {"itemId": "dracula"}, {"properties": "no JSON"}))
    assert status == 400
    assert message.startswith("eventList[1].properties is not JSON")
