"""A client whose calls are paced: not more of them in a second than were asked for, whoever makes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Pace:
    """Spaces the calls of several threads evenly. ``clock`` and ``sleep`` are in seconds."""

    calls_per_second: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    calls: int = field(default=0, init=False)
    _next: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def wait(self) -> None:
        """Wait for the turn of a call."""
        with self._lock:
            now = self.clock()
            turn = max(now, self._next)
            self._next = turn + 1 / self.calls_per_second
            self.calls += 1
        if turn > now:
            self.sleep(turn - now)


@dataclass(frozen=True)
class PacedClient:
    """A client of boto3 whose methods wait for their turn. ``Clients`` of one client, too."""

    client: Any
    pace: Pace

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Return a method of the client that waits for its turn."""
        call = getattr(self.client, method)

        def paced(**arguments: Any) -> Any:
            self.pace.wait()
            return call(**arguments)

        return paced
