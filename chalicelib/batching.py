"""Cutting a sequence into calls that a batch API takes: the limits differ, the cutting does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def pack(
    items: Iterable[T], size: Callable[[T], int], *, max_items: int, max_bytes: int
) -> Iterator[list[T]]:
    """Lists of at most ``max_items`` items and ``max_bytes`` bytes together, in order.

    An item larger than ``max_bytes`` gets a call of its own: the service says what it thinks of it.
    """
    call: list[T] = []
    total = 0
    for item in items:
        added = size(item)
        if call and (len(call) == max_items or total + added > max_bytes):
            yield call
            call, total = [], 0
        call.append(item)
        total += added
    if call:
        yield call
