"""Requests, Kinesis events and Lambda contexts as the services make them, with every default overridable."""

import base64
import hashlib
import json
from datetime import datetime, timezone

from aws_kinesis_agg.aggregator import AggRecord

from chalicelib.delivery.aggregation import MAGIC
from chalicelib.delivery.kinesis import KinesisRecord

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=timezone.utc)


def request(**changes):
    """A valid request for one event; a change to None leaves the key out."""
    body = {
        "UserId": "u1",
        "SessionId": "s1",
        "EventType": "watch",
        "Event": {"itemId": "i1"},
    } | changes
    return {key: value for key, value in body.items() if value is not None}


def kinesis_record(data=None, number=1, **changes):
    """A Kinesis record as delivery sees it: ``data`` as bytes, or a request as a dict."""
    payload = data if isinstance(data, bytes) else json.dumps(data or request(**changes)).encode()
    return KinesisRecord("shardId-000000000000", str(number), NOW, payload)


def aggregate(*contents):
    """One record as the Kinesis Producer Library makes it of several: bytes, or requests."""
    record = AggRecord()
    for content in contents:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        assert record.add_user_record("key", data), "more than a record holds"
    return record.get_contents()[2]


def signed(message):
    """A message as an aggregate: with magic and checksum, whatever it is."""
    return MAGIC + message + hashlib.md5(message).digest()


def json_lines(*requests):
    return b"".join(json.dumps(one).encode() + b"\n" for one in requests)


def kinesis_event(*payloads, shard="shardId-000000000000", first=1):
    """The event that Lambda's Kinesis source sends; each payload is bytes or a request."""
    return {
        "Records": [
            {
                "eventID": f"{shard}:{number}",
                "eventSource": "aws:kinesis",
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "s1",
                    "sequenceNumber": str(number),
                    "data": base64.b64encode(
                        payload if isinstance(payload, bytes) else json.dumps(payload).encode()
                    ).decode(),
                    "approximateArrivalTimestamp": NOW.timestamp(),
                },
            }
            for number, payload in enumerate(payloads, first)
        ]
    }


class Context:
    """Lambda's context object. ``seconds`` are left: a number that stands still, or a function that tells."""

    aws_request_id = "request-1"

    def __init__(self, seconds=60.0):
        self.seconds = seconds

    def get_remaining_time_in_millis(self):
        return int((self.seconds() if callable(self.seconds) else self.seconds) * 1000)
