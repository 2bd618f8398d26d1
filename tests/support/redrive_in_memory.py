"""Queue, stream and bucket in memory, with as much of boto3's clients as redrive calls."""

import io
from collections import deque

from botocore.exceptions import ClientError


class Queue:
    """A message that was received is hidden. ``bodies`` are what the queue still has."""

    def __init__(self, bodies):
        self.messages = {str(number): body for number, body in enumerate(bodies)}
        self.visible = deque(self.messages)

    @property
    def bodies(self):
        return [*self.messages.values()]

    def receive_message(self, *, MaxNumberOfMessages, **_):
        ids = [self.visible.popleft() for _ in range(min(MaxNumberOfMessages, len(self.visible)))]
        return {"Messages": [{"MessageId": id, "ReceiptHandle": id, "Body": self.messages[id]} for id in ids]}

    def delete_message_batch(self, *, Entries, **_):
        for entry in Entries:
            del self.messages[entry["ReceiptHandle"]]
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def change_message_visibility_batch(self, *, Entries, **_):
        self.visible.extend(entry["ReceiptHandle"] for entry in Entries)


class ReshowingQueue(Queue):
    """Shows again at once what was received, as SQS does when the time of hiding has passed."""

    def receive_message(self, **options):
        received = super().receive_message(**options)
        self.visible.extend(message["MessageId"] for message in received["Messages"])
        return received

    def delete_message_batch(self, *, Entries, **options):
        for entry in Entries:
            self.visible.remove(entry["ReceiptHandle"])
        return super().delete_message_batch(Entries=Entries, **options)


class Stream:
    """Takes ``capacity`` records, all by default, and throttles the rest."""

    def __init__(self, capacity=None):
        self.records = []
        self.capacity = capacity

    def put_records(self, *, Records, **_):
        results = []
        for record in Records:
            if self.capacity is not None and len(self.records) >= self.capacity:
                results.append({"ErrorCode": "ProvisionedThroughputExceededException"})
                continue
            self.records.append(record["Data"])
            results.append({"SequenceNumber": str(len(self.records))})
        return {"Records": results}


class Objects:
    """Buckets with objects by (bucket, key). ``read`` lists what was asked for."""

    def __init__(self, objects=()):
        self.objects = dict(objects)
        self.read = []

    def get_paginator(self, _name):
        return self

    def paginate(self, *, Bucket, Prefix):
        keys = sorted(key for bucket, key in self.objects if bucket == Bucket and key.startswith(Prefix))
        # Pages of one key, the first of them empty.
        yield {}
        yield from ({"Contents": [{"Key": key}]} for key in keys)

    def get_object(self, *, Bucket, Key):
        self.read.append((Bucket, Key))
        if (Bucket, Key) not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        content = self.objects[Bucket, Key]
        return {"ContentLength": len(content), "Body": io.BytesIO(content)}

    def delete_object(self, *, Bucket, Key):
        del self.objects[Bucket, Key]
