"""What this sandbox has finished: records that need nothing more when Lambda delivers them again.

Where Lambda ignores the response, an error makes it deliver the whole batch again. A long chain would begin
anew each time and might never come to its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalicelib.delivery.kinesis import KinesisRecord

MAX_RECORDS = 20_000
"""Twice what a batch can hold. About 5 MB."""


class FinishedRecords:
    """The places of the last ``MAX_RECORDS`` records that were delivered or quarantined.

    Used by one invocation at a time, as Lambda has it.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], None] = {}

    def add(self, records: Iterable[KinesisRecord]) -> None:
        """Remember records, and forget the oldest ones above the limit."""
        for record in records:
            self._places[record.shard_id, record.sequence_number] = None
        for place in [*self._places][: max(0, len(self._places) - MAX_RECORDS)]:
            del self._places[place]

    def split(
        self, batch: Sequence[KinesisRecord]
    ) -> tuple[Sequence[KinesisRecord], Sequence[KinesisRecord]]:
        """Return the finished records of a batch, and the others."""
        if not self._places:
            return [], batch
        finished: list[KinesisRecord] = []
        others: list[KinesisRecord] = []
        for record in batch:
            place = (record.shard_id, record.sequence_number)
            (finished if place in self._places else others).append(record)
        return finished, others
