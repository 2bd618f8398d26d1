"""Cutting a sequence into batches that an AWS call takes. The limits differ, the cutting does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import TypeVar

T = TypeVar("T")


def batches(
    items: Iterable[T],
    *,
    max_items: int,
    size_bytes: Callable[[T], int] = lambda item: 0,
    max_bytes: float = inf,
) -> Iterator[list[T]]:
    """Yield lists of at most ``max_items`` items and ``max_bytes`` bytes together, in order.

    An item larger than ``max_bytes`` gets a batch of its own: the service says what it thinks of it.
    """
    batch: list[T] = []
    total_bytes = 0
    for item in items:
        added_bytes = size_bytes(item)
        if batch and (len(batch) == max_items or total_bytes + added_bytes > max_bytes):
            yield batch
            batch, total_bytes = [], 0
        batch.append(item)
        total_bytes += added_bytes
    if batch:
        yield batch
