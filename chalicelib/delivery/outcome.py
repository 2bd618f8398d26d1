"""What becomes of the records of a batch. Values only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from chalicelib.delivery.kinesis import KinesisRecord
from chalicelib.errors import PersonalizeApiError

UNREADABLE = "unreadable"
"""The record breaks the contract."""
REFUSED = "refused"
"""Personalize refused the event, or its call could not be made."""
TOO_MANY_EVENTS = "too many events"
"""The record holds more than MAX_EVENTS_PER_RECORD. It is quarantined whole."""


@dataclass(frozen=True)
class RejectedRecord:
    """A record that no retry will help. ``reason`` is UNREADABLE, REFUSED or TOO_MANY_EVENTS."""

    record: KinesisRecord
    reason: str
    error: str


@dataclass(frozen=True)
class Outcome:
    """What became of the events of a batch, each a KinesisRecord. At the end of a delivery each of them that
    was not finished before is in exactly one of the lists.

    ``rejected`` events are still to be quarantined; at the end there are none. ``finished`` counts events
    that needed nothing: this sandbox had delivered or quarantined them before. A record of which nothing was
    read is deferred as one. ``calls`` counts the calls to Personalize. ``spoiled_rows`` counts records that
    the archive cannot show as rows, whatever became of their events.
    """

    delivered: Sequence[KinesisRecord] = ()
    quarantined: Sequence[KinesisRecord] = ()
    rejected: Sequence[RejectedRecord] = ()
    deferred: Sequence[tuple[KinesisRecord, PersonalizeApiError]] = ()
    finished: int = 0
    calls: int = 0
    spoiled_rows: int = 0

    @classmethod
    def deferring(
        cls, records: Iterable[KinesisRecord], error: PersonalizeApiError, *, calls: int = 0
    ) -> Outcome:
        """Return the outcome of records that Lambda has to deliver again because of one error."""
        return cls(deferred=[(record, error) for record in records], calls=calls)

    @classmethod
    def joined(cls, parts: Sequence[Outcome]) -> Outcome:
        """Return the outcome of several parts of a batch, in their order."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            delivered=[*chain.from_iterable(part.delivered for part in parts)],
            quarantined=[*chain.from_iterable(part.quarantined for part in parts)],
            rejected=[*chain.from_iterable(part.rejected for part in parts)],
            deferred=[*chain.from_iterable(part.deferred for part in parts)],
            calls=sum(part.calls for part in parts),
        )

    @property
    def records(self) -> list[KinesisRecord]:
        """The records that have an outcome."""
        return [
            *self.delivered,
            *self.quarantined,
            *(rejected.record for rejected in self.rejected),
            *(record for record, _ in self.deferred),
        ]

    @property
    def first_deferred(self) -> str | None:
        """The lowest sequence number that has to be delivered again, or None."""
        return min((record.sequence_number for record, _ in self.deferred), key=int, default=None)

    @property
    def counts(self) -> dict[str, int]:
        """Metrics by name."""
        return {
            "Delivered": len(self.delivered),
            "Quarantined": len(self.quarantined),
            "Retried": len(self.deferred),
            "PutEventsCalls": self.calls,
            "SpoiledRows": self.spoiled_rows,
        }

    @property
    def reasons(self) -> dict[str, int]:
        """Why records were deferred, counted. The sentences hold nothing of the events."""
        return Counter(str(error) for _, error in self.deferred)
