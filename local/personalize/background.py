"""Work in threads of its own, so that it does not delay requests: storing events and fitting the model.

``GroupCommit`` stores all waiting calls with one flush to disk. ``Refitter`` fits the model soon after a
change and then pauses, so that many changes need few fits.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from local.personalize.store import Call, Store, Stored

Result = TypeVar("Result")

MIN_PAUSE_SECONDS = 0.2
"""The shortest pause between two fits. When a fit takes milliseconds, a change is learnt within a second."""

PAUSE_PER_FIT_SECOND = 4.0
"""The pause for each second of the last fit. So the fits take at most a fifth of one core."""


class GroupCommit:
    """The only user of the store. It has one thread, so that calls are stored in order of arrival."""

    def __init__(self, store: Store, stored: Callable[[Call, list[Stored]], None]) -> None:
        """Take over the store. ``stored`` receives each call in order, even when its client disconnected."""
        self._store = store
        self._stored = stored
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._waiting: list[tuple[Call, asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def append(self, call: Call) -> None:
        """Store a call. Returns when its new events are on disk and ``stored`` has received them."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, done))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        await done

    async def run(self, task: Callable[[Store], Result]) -> Result:
        """Run any other task on the store, in its turn, and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, task, self._store)

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            calls = [call for call, _ in batch]
            try:
                new_events = await self.run(lambda store, calls=calls: store.append(calls))  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001 - raised in the requests that wait
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
                continue
            for (call, done), events in zip(batch, new_events, strict=True):
                self._stored(call, events)
                if not done.done():
                    done.set_result(None)

    def close(self) -> None:
        """Finish the waiting tasks and close the store."""
        self._thread.shutdown()
        self._store.close()


class Refitter:
    """A thread that calls a function after ``request``. Many requests make one call."""

    def __init__(self, timer: Callable[[], float] = time.perf_counter) -> None:
        self._timer = timer
        self._wanted = threading.Event()
        self._stopping = threading.Event()

    def request(self) -> None:
        """Ask for a fit. Returns at once."""
        self._wanted.set()

    @contextmanager
    def running(self, refit: Callable[[], None]) -> Iterator[None]:
        """Call ``refit`` as requested for the length of a with statement."""
        # A daemon, so that the end does not wait for a long fit whose result nobody uses.
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
    """Return the seconds to pause after a fit of ``fit_seconds``."""
    return max(MIN_PAUSE_SECONDS, PAUSE_PER_FIT_SECOND * fit_seconds)
