"""Everything outside of the application, in one object: settings, clients, clock, pauses, ids and chance.

Made once per sandbox. What a sandbox keeps between invocations (clients, threads, circuits, last responses,
finished records) is here.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.clients import Clients
from chalicelib.config import Config

if TYPE_CHECKING:
    from chalicelib.circuits import Circuits
    from chalicelib.last_responses import LastResponses
    from chalicelib.sandbox import FinishedRecords, WorkerThreads

DELIVERY_CONCURRENCY = 16
"""Chains that one invocation delivers at a time: the knee of the curve in docs/performance.md. More of them
wait for the processor, which makes about a thousand calls a second, and 500 at 1024 MB."""
PAGE_CONCURRENCY = 10
"""Requests of one page that are made at a time: all of them."""


@dataclass(frozen=True)
class Services:
    """``sleep`` takes seconds. ``chance`` returns a number from 0 to below 1.

    ``monotonic`` returns seconds on the clock of ``time.monotonic``.
    """

    config: Config
    clients: Clients
    now: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex
    chance: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic
    delivery_concurrency: int = DELIVERY_CONCURRENCY

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Services:
        """Read the settings. Opens nothing: a client is made when it is first used. Raises ConfigError."""
        return cls(
            Config.from_environ(environ),
            Clients(delivery_concurrency=DELIVERY_CONCURRENCY, page_concurrency=PAGE_CONCURRENCY),
            now=lambda: datetime.now(timezone.utc),
        )

    @cached_property
    def finished_records(self) -> FinishedRecords:
        """What this sandbox has delivered or quarantined."""
        from chalicelib.sandbox import FinishedRecords  # noqa: PLC0415

        return FinishedRecords()

    @cached_property
    def worker_threads(self) -> WorkerThreads:
        """The threads of the delivery. Imported here: the functions that deliver nothing do without."""
        from chalicelib.sandbox import WorkerThreads  # noqa: PLC0415

        return WorkerThreads(self.delivery_concurrency)

    @cached_property
    def page_threads(self) -> WorkerThreads:
        """The threads that make the requests of a page. A single request needs none."""
        from chalicelib.sandbox import WorkerThreads  # noqa: PLC0415

        return WorkerThreads(PAGE_CONCURRENCY)

    @cached_property
    def circuits(self) -> Circuits:
        """Which campaigns are worth a call."""
        from chalicelib.circuits import Circuits  # noqa: PLC0415

        return Circuits()

    @cached_property
    def last_responses(self) -> LastResponses:
        """The last good responses of Personalize."""
        from chalicelib.last_responses import LastResponses  # noqa: PLC0415

        return LastResponses()
