"""Interactions to measure with: as many as wanted, the same at every run, a few items with most of them.

Items follow Zipf's law, as those of shops and video services roughly do; how much a user does is spread
log-normally. Who likes what is chance, which spreads the pairs of items wider than people do: that is harder,
if anything.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

SEED = 1
INTERACTIONS_PER_USER = 20
FIRST_SECOND = 1_735_689_600  # 2025-01-01
SECONDS = 365 * 24 * 3600


def write_interactions(folder: Path, count: int) -> None:
    """``folder/interactions.csv`` in Personalize's import format, in order of time.

    A catalogue grows slower than its use: ten times the root of ``count`` items, a twentieth as many users.
    """
    drawn = np.random.default_rng(SEED)
    ids = user_ids(count)
    users = _draw(drawn, drawn.lognormal(sigma=1.0, size=len(ids)), count)
    items = _draw(drawn, 1.0 / np.arange(1, 10 * math.isqrt(count) + 1), count)
    times = np.sort(drawn.integers(FIRST_SECOND, FIRST_SECOND + SECONDS, count))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "interactions.csv").open("w", encoding="utf-8") as file:
        file.write("USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n")
        file.writelines(
            f"{ids[user]},item-{item:06},{time},watch\n"
            for user, item, time in zip(users.tolist(), items.tolist(), times.tolist(), strict=True)
        )


def user_ids(count: int) -> list[str]:
    """Whose so many interactions are, but for a few who got none."""
    return [f"user-{number:06}" for number in range(count // INTERACTIONS_PER_USER)]


def _draw(drawn: np.random.Generator, weights: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    return drawn.choice(len(weights), size=count, p=weights / weights.sum())
