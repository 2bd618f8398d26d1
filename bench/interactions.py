"""Interactions for the measurements of the engine: any number, the same at every run. They are no real data.

Items follow Zipf's law, as those of shops and video services roughly do. The interactions of a user follow a
log-normal distribution. Pairs of user and item are random, so there are more different pairs of items than
with real users, which is more work for the engine.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

SEED = 1
INTERACTIONS_PER_USER = 20
FIRST_SECOND = 1_735_689_600  # 2025-01-01
SECONDS = 365 * 24 * 3600
FILTERS = {
    "by-genre": 'INCLUDE ItemID WHERE Items.GENRE IN ("genre-3")',
    "by-price": "EXCLUDE ItemID WHERE Items.PRICE < 50",
    "by-events": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")',
}
"""Filters with one condition each."""


def write_interactions(folder: Path, count: int) -> None:
    """Write ``folder/interactions.csv`` in Personalize's import format, in order of time.

    Items are ten times the square root of ``count``, because a catalogue grows slower than its use. Users are
    a twentieth of ``count``.
    """
    generator = np.random.default_rng(SEED)
    ids = user_ids(count)
    users = _draw(generator, generator.lognormal(sigma=1.0, size=len(ids)), count)
    items = _draw(generator, 1.0 / np.arange(1, 10 * math.isqrt(count) + 1), count)
    times = np.sort(generator.integers(FIRST_SECOND, FIRST_SECOND + SECONDS, count))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "interactions.csv").open("w", encoding="utf-8") as file:
        file.write("USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n")
        file.writelines(
            f"{ids[user]},item-{item:06},{time},watch\n"
            for user, item, time in zip(users.tolist(), items.tolist(), times.tolist(), strict=True)
        )


def write_catalogue(folder: Path, count: int) -> None:
    """Write the items of ``count`` interactions with a price and a genre, and filters about them."""
    items = range(10 * math.isqrt(count))
    with (folder / "items.csv").open("w", encoding="utf-8") as file:
        file.write("ITEM_ID,GENRE,PRICE\n")
        file.writelines(f"item-{item:06},genre-{item % 10}|genre-{item % 7},{item % 100}\n" for item in items)
    filters = [{"name": name, "filterExpression": expression} for name, expression in FILTERS.items()]
    (folder / "filters.json").write_text(json.dumps(filters), encoding="utf-8")


def user_ids(count: int) -> list[str]:
    """Return the users of ``count`` interactions. A few of them have none."""
    return [f"user-{number:06}" for number in range(count // INTERACTIONS_PER_USER)]


def _draw(
    generator: np.random.Generator, weights: npt.NDArray[np.float64], count: int
) -> npt.NDArray[np.int64]:
    return generator.choice(len(weights), size=count, p=weights / weights.sum())
