"""The events and action interactions that the local engine was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

EVENTS_PER_PAGE = 10_000
"""Most events that the engine lists in one response."""


def trained_actions(get: Callable[[str], Any], after: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the action interactions after the number ``after``, as ``trained_events`` does."""
    path = "/_engine/action-interactions"
    while found := get(f"{path}?after={after}&limit={EVENTS_PER_PAGE}")["actionInteractions"]:
        yield from found
        after = found[-1]["seq"]


def trained_events(get: Callable[[str], Any], after: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the events after the number ``after``, in order of arrival.

    ``get`` returns the JSON of a control endpoint of the engine.
    """
    while events := get(f"/_engine/events?after={after}&limit={EVENTS_PER_PAGE}")["events"]:
        yield from events
        after = events[-1]["seq"]
