"""The system as a client sees it: over HTTP, through gateway, functions, stream, engine and archive."""

import json
import re
import uuid

import pytest

from tests.support.dashboard import metrics_of
from tests.support.engine_events import received, received_of

TASTE = ("frankenstein", "dracula", "the-turn-of-the-screw")


@pytest.fixture
def user():
    return f"user-{uuid.uuid4().hex[:8]}"


def event(user, item, session=None, **more):
    return {
        "UserId": user,
        "SessionId": session or f"session-of-{user}",
        "EventType": "read",
        "Event": {"itemId": item},
    } | more


def archive(stack):
    s3 = stack.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=stack.stack.bucket, Prefix="events/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    for key in keys:
        yield key, s3.get_object(Bucket=stack.stack.bucket, Key=key)["Body"].read()


def test_the_stack_has_its_dashboard_with_every_name_filled_in(stack):
    found = stack.client("cloudwatch").get_dashboard(DashboardName="personalize-api-local")
    assert "${" not in found["DashboardBody"]
    widgets = json.loads(found["DashboardBody"])["widgets"]
    named = {pair for each in widgets for _, _, names in metrics_of(each) for pair in names.items()}
    queue = stack.stack.quarantineQueueUrl.rpartition("/")[2]
    assert {("QueueName", queue), ("StreamName", stack.stack.streamName), ("Stage", "api")} <= named
    assert [name for _, name in named if not re.match("personalize-api-local|api$", name)] == []
    alarms = {alarm["AlarmArn"] for alarm in stack.client("cloudwatch").describe_alarms()["MetricAlarms"]}
    [shown] = [each["properties"]["alarms"] for each in widgets if each["type"] == "alarm"]
    assert set(shown) <= alarms


@pytest.mark.parametrize("route", ["recommendations", "history", "events"])
@pytest.mark.parametrize("key", [None, "wrong"])
def test_without_the_right_key_the_response_is_403(post, route, key):
    status, body, _ = post(route, {"userId": "u"}, key=key)
    assert status == 403
    assert body["Message"]


def test_over_the_usage_plan_the_response_is_429(stack, post, eventually):
    gateway = stack.client("apigateway")
    api, stage = stack.stack.apiUrl.rsplit("/", 2)[1:]
    plan = gateway.create_usage_plan(
        name="tiny", apiStages=[{"apiId": api, "stage": stage}], quota={"limit": 2, "period": "DAY"}
    )
    key = gateway.create_api_key(name="tiny", enabled=True)
    gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    statuses = [post("recommendations", {"userId": "u"}, key=key["value"])[0] for _ in range(3)]
    gateway.delete_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"])
    gateway.delete_api_key(apiKey=key["id"])
    assert statuses == [200, 200, 429]


def test_related_items_need_no_user(post):
    status, body, _ = post("recommendations", {"itemId": "dracula", "numResults": 5})
    assert status == 200
    assert len(body["itemList"]) == 5
    assert "dracula" not in [entry["itemId"] for entry in body["itemList"]]


def test_three_events_of_one_taste_change_the_next_recommendations(post, user, eventually):
    request = {"userId": user, "numResults": 10}

    def items():
        status, body, _ = post("recommendations", request)
        assert status == 200
        return [entry["itemId"] for entry in body["itemList"]]

    before = items()
    status, body, _ = post("history", {"Events": [event(user, item) for item in TASTE]})
    assert (status, body["Accepted"]) == (202, 3)
    after = eventually(lambda: (now := items()) != before and now)
    assert len(set(after) - set(before)) >= 5
    assert not set(TASTE) & set(after)


def test_an_event_reaches_the_engine_and_the_archive_as_it_was_sent(stack, post, user, eventually):
    sent = event(user, "dracula", EventId=f"id-{user}", SentAt="2026-01-31T12:00:00Z")
    sent["Event"] |= {"eventValue": 4.5, "CONTEXT": "home"}
    assert post("events", sent)[:2] == (202, {"EventId": f"id-{user}"})
    (arrived,) = eventually(lambda: received_of(stack, user))
    assert arrived["eventId"] == f"id-{user}"
    assert arrived["itemId"] == "dracula"
    assert json.loads(arrived["properties"]) == {"CONTEXT": "home"}

    def archived():
        return [
            (key, line) for key, body in archive(stack) for line in body.splitlines() if user.encode() in line
        ]

    ((key, line),) = eventually(archived)
    stored = json.loads(line)
    assert stored.pop("ReceivedAt").endswith("Z")
    assert stored == sent
    assert "/dt=20" in key


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is empty."),
        (b"{", "The body is not JSON"),
        ({"SessionId": "s", "EventType": "read"}, "Event is required."),
        ({"SessionId": "s", "EventType": "read", "Event": {"itemId": 7}}, "Event.itemId must be a string"),
    ],
)
def test_an_invalid_event_is_400_with_a_sentence(post, body, sentence):
    status, response, _ = post("history", body)
    assert status == 400
    assert response["Code"] == "BadRequestError"
    assert response["Message"].startswith(sentence)


def test_another_content_type_is_415(post):
    assert post("history", b"a=b", content_type="application/x-www-form-urlencoded")[0] == 415


def test_a_browser_may_read_every_response(post):
    for key in (None, "wrong"):
        assert post("recommendations", {"userId": "u"}, key=key)[2]["Access-Control-Allow-Origin"] == "*"
    status, _, headers = post("recommendations", {"userId": "u"})
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == "*"


def test_a_poison_record_in_the_stream_is_quarantined_and_its_neighbours_arrive(stack, user, eventually):
    poison = f"poison of {user}".encode() + b"\xff"
    good = [json.dumps(event(user, item)).encode() for item in TASTE[:2]]
    stack.client("kinesis").put_records(
        StreamName=stack.stack.streamName,
        Records=[{"Data": data, "PartitionKey": user} for data in (good[0], poison, good[1])],
    )
    arrived = eventually(lambda: len(found := received_of(stack, user)) == 2 and found)
    assert [entry["itemId"] for entry in arrived] == [*TASTE[:2]]
    sqs = stack.client("sqs")

    def quarantined():
        response = sqs.receive_message(QueueUrl=stack.stack.quarantineQueueUrl, MaxNumberOfMessages=10)
        return response.get("Messages")

    (message,) = eventually(quarantined)
    body = json.loads(message["Body"])
    assert body["reason"] == "unreadable"
    assert body["shardId"].startswith("shardId-")
    sqs.delete_message(QueueUrl=stack.stack.quarantineQueueUrl, ReceiptHandle=message["ReceiptHandle"])


def test_a_thousand_events_of_two_hundred_sessions_arrive_once_each_in_session_order(stack, post, eventually):
    run = uuid.uuid4().hex[:8]
    before = stack.engine.control("GET", "/_engine/stats")
    sent = [
        event(f"{run}-{n % 200}", "dracula", session=f"{run}-s{n % 200}", EventId=f"{run}-{n:04}")
        for n in range(1000)
    ]
    for start in range(0, 1000, 250):
        status, body, _ = post("history", {"Events": sent[start : start + 250]})
        assert (status, body["Accepted"]) == (202, 250)

    def arrived():
        mine = [entry for entry in received(stack) if entry["eventId"].startswith(run)]
        return len(mine) >= 1000 and mine

    by_session = {}
    for entry in eventually(arrived, seconds=60.0):
        by_session.setdefault(entry["sessionId"], []).append(entry["eventId"])
    after = stack.engine.control("GET", "/_engine/stats")
    assert after["eventsReceived"] - before["eventsReceived"] == 1000
    assert after["duplicatesIgnored"] == before["duplicatesIgnored"]
    assert len(by_session) == 200
    assert sorted(name for names in by_session.values() for name in names) == [e["EventId"] for e in sent]
    assert all(names == sorted(names) for names in by_session.values())

    def archived():
        lines = [line for _, body in archive(stack) for line in body.splitlines() if run.encode() in line]
        return len(lines) >= 1000 and lines

    lines = eventually(archived, seconds=60.0)
    assert sorted(json.loads(line)["EventId"] for line in lines) == [e["EventId"] for e in sent]


def test_no_key_header_user_or_property_is_in_log_stream_or_archive(stack, post, user, eventually):
    private = f"private-{user}"
    assert post("history", event(user, "dracula", Event={"itemId": "emma", "note": private}))[0] == 202
    assert post("recommendations", {"userId": user})[0] == 200
    eventually(lambda: received_of(stack, user))
    logs = stack.client("logs")
    logged = ""
    for group in logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        logged += "\n".join(entry["message"] for page in pages for entry in page["events"])
    assert '"message":"History"' in logged
    assert '"message":"Delivery"' in logged
    for secret in (stack.stack.apiKey, user, private):
        assert secret not in logged
    stored = b"".join(body for _, body in eventually(lambda: [*archive(stack)]))
    assert stack.stack.apiKey.encode() not in stored
    assert b"x-api-key" not in stored.lower()
