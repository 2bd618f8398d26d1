"""The event of Lambda's Kinesis source as typed records (docs: lambda/latest/dg/with-kinesis). Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""Of the event, the records in base64 (docs: lambda/latest/dg/gettingstarted-limits)."""
RECORD_OVERHEAD_BYTES = 600
"""What the event says about a record beside its data, at most. The capacity calculator and the simulation of
Lambda cut batches by these two limits."""


@dataclass(frozen=True)
class KinesisRecord:
    """One record of the stream. ``data`` is the decoded payload."""

    shard_id: str
    sequence_number: str
    arrived_at: datetime
    data: bytes

    @property
    def place(self) -> tuple[str, str]:
        """Shard and sequence number: what identifies a record."""
        return self.shard_id, self.sequence_number

    @property
    def derived_id(self) -> str:
        """The event id of a record that has none: the same at every delivery."""
        return f"{self.shard_id}:{self.sequence_number}"


def decode_records(event: Mapping[str, Any]) -> list[KinesisRecord]:
    """Return the records of a batch in the order of their shard."""
    return [
        KinesisRecord(
            shard_id=record["eventID"].partition(":")[0],
            sequence_number=record["kinesis"]["sequenceNumber"],
            arrived_at=datetime.fromtimestamp(record["kinesis"]["approximateArrivalTimestamp"], timezone.utc),
            data=base64.b64decode(record["kinesis"]["data"]),
        )
        for record in event["Records"]
    ]
