"""The least that makes a model of interactions.csv: ``csv`` to read it, ``implicit``'s plainest model to fit.

python -m bench.scratch FOLDER does that once: what the engine's start is measured against.
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
    """Users and items of the interactions, as numbers from 0."""
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
    """As many neighbours and threads as the engine's own model has."""
    recommender = ItemItemRecommender(K=NEIGHBOURS, num_threads=1)
    recommender.fit(csr_matrix((np.ones(len(users)), (users, items))), show_progress=False)


if __name__ == "__main__":
    fit(*read(Path(sys.argv[1])))
