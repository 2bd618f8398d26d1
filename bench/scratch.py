"""The smallest program that fits a model to interactions.csv, with ``csv`` and ``implicit``'s simplest model.

The command ``python -m bench.scratch FOLDER`` does it once. It is the alternative to the engine's start.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from implicit.nearest_neighbours import ItemItemRecommender
from scipy.sparse import csr_matrix

from local.personalize.model import NEIGHBOURS

Ints = npt.NDArray[np.int32]


def read(folder: Path) -> tuple[Ints, Ints]:
    """Return users and items of the interactions, as numbers from 0."""
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    user_column, item_column = [], []
    with (folder / "interactions.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for user, item, *_ in rows:
            user_column.append(users.setdefault(user, len(users)))
            item_column.append(items.setdefault(item, len(items)))
    return np.array(user_column, np.int32), np.array(item_column, np.int32)


def fit(users: Ints, items: Ints) -> None:
    """Fit a model with the engine's number of neighbours and threads."""
    recommender = ItemItemRecommender(K=NEIGHBOURS, num_threads=1)
    recommender.fit(csr_matrix((np.ones(len(users)), (users, items))), show_progress=False)


if __name__ == "__main__":
    fit(*read(Path(sys.argv[1])))
