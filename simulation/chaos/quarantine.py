"""The quarantine of a chaos run: a queue and a bucket in MiniStack, created for one run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3

from local.personalize import REGION

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}


@dataclass(frozen=True)
class QuarantineServices:
    """The queue and the bucket of one run: their names for the function, their messages for the report."""

    endpoint_url: str
    queue_url: str
    bucket_name: str

    def messages(self) -> Iterator[dict[str, Any]]:
        """Remove every message from the queue and yield its body."""
        sqs = _client("sqs", self.endpoint_url)
        while found := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            yield from (json.loads(message["Body"]) for message in found)
            sqs.delete_message_batch(
                QueueUrl=self.queue_url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(found)
                ],
            )


def create_quarantine(endpoint_url: str, name: str) -> QuarantineServices:
    """Create an empty queue and an empty bucket."""
    queue = _client("sqs", endpoint_url).create_queue(QueueName=name)
    _client("s3", endpoint_url).create_bucket(Bucket=name)
    return QuarantineServices(endpoint_url, queue["QueueUrl"], name)


def _client(service: str, endpoint_url: str) -> Any:
    session: Any = boto3.Session("test", "test", region_name=REGION)
    return session.client(service, endpoint_url=endpoint_url)
