"""What a sandbox keeps from one invocation to the next. Lambda runs one invocation at a time in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Protocol, TypeVar

MAX_FINISHED_RECORDS = 20_000
"""Twice what a batch can hold. About 5 MB."""


class Placed(Protocol):
    """A record with its shard and its sequence number."""

    @property
    def place(self) -> tuple[str, str]: ...


AnyRecord = TypeVar("AnyRecord", bound=Placed)


class WorkerThreads:
    """Threads that stay: to start them is a tenth of a small batch's CPU time."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._pool: ThreadPoolExecutor | None = None

    def pool(self) -> ThreadPoolExecutor:
        """Return the pool of ``number`` threads."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=self.number)
        return self._pool

    def abandon(self) -> None:
        """Leave the threads to the calls that they wait for. The next invocation gets new ones."""
        self.pool().shutdown(wait=False, cancel_futures=True)
        self._pool = None


class FinishedRecords:
    """The places of the last MAX_FINISHED_RECORDS records that were delivered or quarantined.

    Where Lambda ignores the response, an error makes it deliver the whole batch again. A long chain of calls
    would begin anew each time and might never come to its end.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], None] = {}

    def add(self, records: Iterable[Placed]) -> None:
        """Keep the places of records, and drop the oldest ones above the limit."""
        self._places |= dict.fromkeys(record.place for record in records)
        surplus = max(0, len(self._places) - MAX_FINISHED_RECORDS)
        for place in [*islice(self._places, surplus)]:
            del self._places[place]

    def split(self, batch: Sequence[AnyRecord]) -> tuple[Sequence[AnyRecord], Sequence[AnyRecord]]:
        """Return the records of a batch that are finished, and the others."""
        if not self._places:
            return [], batch
        finished = [record for record in batch if record.place in self._places]
        return finished, [record for record in batch if record.place not in self._places]
