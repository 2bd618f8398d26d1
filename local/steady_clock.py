"""A wall clock that is never set back. Pure but for the clock that it is given."""

from __future__ import annotations

from collections.abc import Callable


class SteadyClock:
    """Returns the seconds of ``wall``, and goes on from the latest of them while ``wall`` is behind it.

    ``not_before`` is a moment that has passed for sure. Several threads may call it.
    """

    def __init__(self, wall: Callable[[], float], not_before: float = 0.0) -> None:
        self._wall = wall
        self._latest = not_before
        self._ahead = 0.0

    def __call__(self) -> float:
        now = self._wall()
        if now >= self._latest:
            self._ahead = 0.0
        elif now + self._ahead < self._latest:
            self._ahead = self._latest - now
        self._latest = max(self._latest, now + self._ahead)
        return self._latest
