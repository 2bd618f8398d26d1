"""What must not hold up a request: flushing events to disk, and fitting the model.

`GroupCommit` lets one flush serve every call that waits for one; `Refitter` fits in a thread of its own, soon
after a change and not much more often than needed.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from local.personalize.store import Call, Store, StoredEvent

Answer = TypeVar("Answer")

MIN_PAUSE_SECONDS = 0.2
"""Rest between two fits; with a fit of milliseconds, a change is in the model well within a second."""

PAUSE_PER_FIT_SECOND = 4.0
"""Rest in proportion to the last fit, so that learning takes at most a fifth of one core."""


class GroupCommit:
    """The store's only user: one thread, so that calls are stored in order of arrival."""

    def __init__(self, store: Store, stored: Callable[[Call, list[StoredEvent]], None]) -> None:
        """`stored` is told of each call, in order, also when the client has hung up meanwhile."""
        self._store = store
        self._stored = stored
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._waiting: list[tuple[Call, asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def append(self, call: Call) -> None:
        """Returns once the call's new events are on disk and told of."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, done))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        await done

    async def run(self, task: Callable[[Store], Answer]) -> Answer:
        """Anything else that is wanted of the store, in turn."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, task, self._store)

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            calls = [call for call, _ in batch]
            try:
                answers = await self.run(lambda store, calls=calls: store.append(calls))  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001 - handed to the requests that wait for it
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
                continue
            for (call, done), events in zip(batch, answers, strict=True):
                self._stored(call, events)
                if not done.done():
                    done.set_result(None)

    def close(self) -> None:
        self._thread.shutdown()
        self._store.close()


class Refitter:
    """Calls a function in a thread of its own after `request`; many requests make one call."""

    def __init__(self, timer: Callable[[], float] = time.perf_counter) -> None:
        self._timer = timer
        self._wanted = threading.Event()
        self._stopping = threading.Event()

    def request(self) -> None:
        self._wanted.set()

    @contextmanager
    def running(self, refit: Callable[[], None]) -> Iterator[None]:
        # A daemon, so that stopping does not wait for a long fit whose result nobody will see.
        threading.Thread(target=self._loop, args=(refit,), name="refit", daemon=True).start()
        try:
            yield
        finally:
            self._stopping.set()
            self._wanted.set()

    def _loop(self, refit: Callable[[], None]) -> None:
        while self._wanted.wait() and not self._stopping.is_set():
            self._wanted.clear()
            started = self._timer()
            refit()
            self._stopping.wait(pause_after(self._timer() - started))


def pause_after(fit_seconds: float) -> float:
    """How long to rest after a fit that took so long."""
    return max(MIN_PAUSE_SECONDS, PAUSE_PER_FIT_SECOND * fit_seconds)
