"""Promotions: how many items of a response are promoted, and where they stand.

https://docs.aws.amazon.com/personalize/latest/dg/promoting-items.html
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")


def promoted_count(count: int, percent: int) -> int:
    """Return how many of ``count`` items are promoted, to the nearest whole number."""
    return (count * percent + 50) // 100


def mix(promoted: Sequence[Item], others: Sequence[Item], random: Random) -> list[Item]:
    """Return both lists in one. Promoted items are at random positions; each list keeps its own order."""
    total = len(promoted) + len(others)
    positions = set(random.sample(range(total), len(promoted)))
    next_promoted, next_other = iter(promoted), iter(others)
    return [next(next_promoted if position in positions else next_other) for position in range(total)]
