"""Pauses between the tries of a call. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def pauses(first_seconds: float, longest_seconds: float, chance: Callable[[], float]) -> Iterator[float]:
    """Yield pauses in seconds that double from the first to the longest. They never end.

    Half of each pause is drawn with ``chance``, so that callers that failed together do not return together.
    """
    pause = first_seconds
    while True:
        yield pause * (0.5 + chance() / 2)
        pause = min(2 * pause, longest_seconds)
