"""A Kinesis data stream in memory: records in shards, in order, as an event source reads them.

It has no limits on throughput and no retention. simulation.event_source reads it.
"""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

STREAM_ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/local"

# Sequence numbers of the service are decimal strings of 56 digits. They grow within a shard and have gaps
# (docs.aws.amazon.com/streams/latest/dev/key-concepts.html, "Sequence Number").
FIRST_SEQUENCE_NUMBER = 49_600_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000
LARGEST_GAP = 10**20


@dataclass(frozen=True)
class Record:
    """One record of a shard. ``arrived_at`` is in seconds since 1970."""

    shard_id: str
    sequence_number: str
    partition_key: str
    data: bytes
    arrived_at: float

    @property
    def place(self) -> tuple[str, str]:
        """The shard and the sequence number, which identify a record."""
        return self.shard_id, self.sequence_number

    def as_event(self) -> dict[str, Any]:
        """Return the record as a member of Lambda's event.

        The page is docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html.
        """
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": self.partition_key,
                "sequenceNumber": self.sequence_number,
                "data": base64.b64encode(self.data).decode(),
                "approximateArrivalTimestamp": round(self.arrived_at, 3),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{self.shard_id}:{self.sequence_number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/local",
            "awsRegion": "us-east-1",
            "eventSourceARN": STREAM_ARN,
        }


class Stream:
    """Shards with equal ranges of hash keys. Each is a list to which records are appended.

    ``now`` returns seconds since 1970. ``random`` draws the gaps between sequence numbers.
    """

    def __init__(
        self,
        shard_count: int,
        *,
        now: Callable[[], float],
        random: Random,
        first_sequence_number: int = FIRST_SEQUENCE_NUMBER,
    ) -> None:
        self.shards: list[list[Record]] = [[] for _ in range(shard_count)]
        self._last = [first_sequence_number] * shard_count
        self._starts = [2**128 * shard // shard_count for shard in range(shard_count)]
        self._now = now
        self._random = random

    def shard_of(self, partition_key: str) -> int:
        """Return the number of the shard that takes the records of a partition key."""
        return bisect_right(self._starts, hash_key(partition_key)) - 1

    def put(self, data: bytes, partition_key: str) -> Record:
        """Append a record to the shard whose range holds the MD5 hash of its partition key.

        The rule is in docs.aws.amazon.com/streams/latest/dev/key-concepts.html, "Partition Key".
        """
        shard = self.shard_of(partition_key)
        self._last[shard] += self._random.randint(1, LARGEST_GAP)
        record = Record(
            f"shardId-{shard:012}", str(self._last[shard]), partition_key, data, round(self._now(), 3)
        )
        self.shards[shard].append(record)
        return record

    def __len__(self) -> int:
        return sum(map(len, self.shards))


def hash_key(partition_key: str) -> int:
    """Return the 128-bit number that the service computes from a partition key."""
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")
