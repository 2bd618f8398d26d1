"""What a sandbox keeps from one invocation to the next. Lambda runs one invocation at a time in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Protocol, TypeVar

MAX_FINISHED_RECORDS = 20_000
"""Records of the stream, each with any number of events: twice what a batch can hold. About 10 MB at most."""


class Placed(Protocol):
    """A record with its shard and its sequence number, and its index where it is one event of several."""

    @property
    def place(self) -> tuple[str, str]: ...

    @property
    def index(self) -> int | None: ...


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
    """What was delivered or quarantined of the last MAX_FINISHED_RECORDS records of the stream.

    Where Lambda ignores the response, an error makes it deliver the whole batch again. A long chain of calls
    would begin anew each time and might never come to its end.
    """

    def __init__(self) -> None:
        # The finished events of a record are bits: that takes no more memory for a thousand than for ten.
        self._finished: dict[tuple[str, str], int] = {}

    def add(self, records: Iterable[Placed]) -> None:
        """Keep which records are finished, and drop the oldest ones above the limit."""
        for record in records:
            place = record.place
            self._finished[place] = self._finished.get(place, 0) | 1 << (record.index or 0)
        surplus = max(0, len(self._finished) - MAX_FINISHED_RECORDS)
        for place in [*islice(self._finished, surplus)]:
            del self._finished[place]

    def split(self, batch: Sequence[AnyRecord]) -> tuple[Sequence[AnyRecord], Sequence[AnyRecord]]:
        """Return the records of a batch that are finished, and the others."""
        if not self._finished:
            return [], batch
        finished: list[AnyRecord] = []
        others: list[AnyRecord] = []
        for record in batch:
            is_finished = self._finished.get(record.place, 0) >> (record.index or 0) & 1
            (finished if is_finished else others).append(record)
        return finished, others
