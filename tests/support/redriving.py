"""A queue, a stream and a bucket of the emulator that nothing delivers, and redrive run against them."""

import json
import uuid
from contextlib import contextmanager
from datetime import datetime, timezone

from ops import redrive


@contextmanager
def running_pipeline(stack, eventually, *, bucket_name=None):
    """A queue and a stream of their own; the bucket is the stack's unless one is named."""
    name = f"redrive-{uuid.uuid4().hex[:8]}"
    kinesis, sqs = stack.client("kinesis"), stack.client("sqs")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    eventually(lambda: _status(kinesis, name) == "ACTIVE")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    yield redrive.Pipeline(
        queue, name, bucket_name or stack.stack.bucket, sqs, kinesis, stack.client("s3"), wait_seconds=0
    )
    kinesis.delete_stream(StreamName=name)
    sqs.delete_queue(QueueUrl=queue)


def _status(kinesis, name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"]


def run(pipeline, *, repair=None, dry_run=False, progress=lambda report: None):
    return redrive.redrive(
        pipeline, repair=repair, dry_run=dry_run, progress=progress, started=datetime.now(timezone.utc)
    )


def run_given_up(pipeline, *, repair=None, dry_run=False, progress=lambda report: None):
    return redrive.redrive_given_up(pipeline, repair=repair, dry_run=dry_run, progress=progress)


def streamed(pipeline):
    """Every record of the stream, in order, as JSON."""
    shard = pipeline.kinesis.list_shards(StreamName=pipeline.stream_name)["Shards"][0]["ShardId"]
    iterator = pipeline.kinesis.get_shard_iterator(
        StreamName=pipeline.stream_name, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = pipeline.kinesis.get_records(ShardIterator=iterator, Limit=10_000)["Records"]
    return [json.loads(record["Data"]) for record in records]


def waiting(pipeline):
    """Messages in the queue, visible or held."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = pipeline.sqs.get_queue_attributes(QueueUrl=pipeline.queue_url, AttributeNames=names)[
        "Attributes"
    ]
    return [int(counts[name]) for name in names]


class Interruption:
    """Raises KeyboardInterrupt once, before or after the n-th call to AWS."""

    def __init__(self, clients, step):
        self.countdown = step
        self.clients = clients
        for client in clients:
            for moment in ("before-call", "after-call"):
                client.meta.events.register(moment, self.strike, unique_id=(self, moment))

    def strike(self, **_):
        self.countdown -= 1
        if self.countdown == 0:
            raise KeyboardInterrupt

    def end(self):
        for client in self.clients:
            for moment in ("before-call", "after-call"):
                client.meta.events.unregister(moment, self.strike, unique_id=(self, moment))
