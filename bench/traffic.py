"""Events as API Gateway and Lambda's Kinesis event source send them. They are the same at every run."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from typing import Any

SEED = 1
HEADERS = {
    "Accept": "*/*",
    "content-type": "application/json",
    "Host": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "X-Amzn-Trace-Id": "Root=1-5e272390-8c398be037738dc042009320",
    "x-api-key": "0123456789abcdefghijABCDEFGHIJ0123456789",
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Proto": "https",
}


class Context:
    """Lambda's context object. The time that is left never changes."""

    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    function_name = "personalize-api-bench"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:personalize-api-bench"
    memory_limit_in_mb = 1024

    def get_remaining_time_in_millis(self) -> int:
        """Return the same time at every call."""
        return 28_000


def api_event(path: str, body: str) -> dict[str, Any]:
    """Return the event of a REST API's proxy integration."""
    return {
        "resource": path,
        "path": path,
        "httpMethod": "POST",
        "headers": HEADERS,
        "multiValueHeaders": {name: [value] for name, value in HEADERS.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": path,
            "httpMethod": "POST",
            "path": f"/api{path}",
            "stage": "api",
            "requestId": Context.aws_request_id,
            "identity": {"sourceIp": "198.51.100.7", "apiKeyId": "a1b2c3d4e5"},
        },
        "body": body,
        "isBase64Encoded": False,
    }


def recommendations_body() -> str:
    """Return the body of a request for 25 recommendations."""
    return json.dumps({"userId": "user-000123", "numResults": 25})


def page_body(lists: int) -> str:
    """Return the body of a page of so many lists of 25 recommendations, no item in two of them."""
    requests = [{"name": f"list {n}", "userId": "user-000123", "numResults": 25} for n in range(lists)]
    return json.dumps({"requests": requests, "unique": True})


def all_options_body() -> str:
    """Return the body of a request for 25 recommendations with every option."""
    return json.dumps(
        {
            "userId": "user-000123",
            "sessionId": "session-000123",
            "itemId": "item-000042",
            "numResults": 25,
            "context": {"DEVICE": "phone", "CHANNEL": "app"},
            "campaign": "bench",
            "filter": "by-genre",
            "filterValues": {"GENRES": ["comedy", "drama"], "YEAR": 1990},
            "promotions": [
                {
                    "name": "new-titles",
                    "percentPromotedItems": 20,
                    "filter": "released-since",
                    "filterValues": {"DAYS": 30},
                }
            ],
            "metadataColumns": {"ITEMS": ["GENRE", "YEAR"]},
        }
    )


def history_body(events: int) -> str:
    """Return the body with one event, or with a batch of events from a fifth as many sessions."""
    requests = [event(number, max(events // 5, 1)) for number in range(events)]
    return json.dumps(requests[0] if events == 1 else {"Events": requests})


def event(number: int, sessions: int) -> dict[str, Any]:
    """Return the request for one event, of about 200 bytes, as a shop or a video service sends it."""
    session = number % sessions
    return {
        "UserId": f"user-{session:06}",
        "SessionId": f"session-{session:06}",
        "EventType": "watch",
        "Event": {"itemId": f"item-{number % 997:06}", "eventValue": 4.5, "CHANNEL": "app"},
        "RecommendationId": "RID-11111111-2222-3333-4444-555555555555",
    }


def kinesis_event(records: int, sessions: int) -> dict[str, Any]:
    """Return Lambda's event with a batch of one shard, with records as the API writes them."""
    return {
        "Records": [
            _kinesis_record(number, session) for number, session in enumerate(_sessions(records, sessions))
        ]
    }


def fewest_calls(records: int, sessions: int) -> int:
    """Return how many PutEvents calls the batch of kinesis_event() needs.

    A call takes 10 events of one session (API_UBS_PutEvents).
    """
    return sum(-(-count // 10) for count in Counter(_sessions(records, sessions)).values())


def _sessions(records: int, sessions: int) -> list[int]:
    """Return the session of each record. Every session has at least one, the others are generator."""
    generator = random.Random(SEED)
    owners = [*range(sessions), *(generator.randrange(sessions) for _ in range(records - sessions))]
    generator.shuffle(owners)
    return owners


def _kinesis_record(number: int, session: int) -> dict[str, Any]:
    body = event(session, session + 1) | {
        "EventId": f"{number:032x}",
        "ReceivedAt": "2026-01-31T12:00:00.000Z",
    }
    data = json.dumps(body, separators=(",", ":")).encode() + b"\n"
    return {
        "eventID": f"shardId-000000000000:{number:056}",
        "eventSource": "aws:kinesis",
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": body["SessionId"],
            "sequenceNumber": f"{number:056}",
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": 1769860800.0,
        },
    }
