"""The recommendation model: item-to-item similarity, fitted with ``implicit``, and the scores for one user.

Pure functions over numpy arrays. A ``Model`` is immutable: a new one can be fitted in another thread while
the old one is in use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from implicit.nearest_neighbours import ItemItemRecommender
from scipy.sparse import csr_matrix, identity, vstack

from local.personalize.interactions import NOBODY, Floats, Ints, Snapshot

NEIGHBOURS = 100
"""How many similar items the model keeps for each item."""

MAX_ROWS_PER_USER = 500
"""The model learns only from this many latest interactions of a user. The cost of a user is the square of the
number, and a user with very many interactions (a crawler, a shared device) must not delay the fit."""

SHRINKAGE = 3.0
"""Each item gets this many imaginary users, who have no other item. Without them, two items that share their
only user would be entirely similar."""

PROFILE_ITEMS = 30
"""Only this many latest items of a user count for a score."""

HALF_LIFE_ITEMS = 4.0
"""The item that a user had ``HALF_LIFE_ITEMS`` items ago counts half as much as the latest one."""

POPULARITY_SHARE = 0.02
"""The share of popularity in every score. It orders the items for which there is no similarity."""


@dataclass(frozen=True, eq=False)
class Model:
    """The neighbours of each item (rows of a sparse matrix) and the popularity of each item.

    Popularity is the item's share of all pairs of user and item.
    """

    indptr: Ints
    neighbours: Ints
    similarity: Floats
    popularity: Floats

    @property
    def item_count(self) -> int:
        """The number of items at the time of the fit."""
        return len(self.popularity)


def empty_model() -> Model:
    """Return a model without items: every item scores zero."""
    return Model(np.zeros(1, np.int32), np.empty(0, np.int32), np.empty(0), np.empty(0))


def fit(snapshot: Snapshot) -> Model:
    """Return a model of the interactions that have a user. A million of them take about 0.5 s."""
    users, items = _latest_of_each_user(snapshot)
    if not len(users):
        return Model(
            np.zeros(snapshot.item_count + 1, np.int32),
            np.empty(0, np.int32),
            np.empty(0),
            np.zeros(snapshot.item_count),
        )
    users, items = _distinct_pairs(users, items, snapshot.item_count)
    popularity = np.bincount(items, minlength=snapshot.item_count).astype(np.float64)
    recommender = ItemItemRecommender(K=NEIGHBOURS, num_threads=1)
    recommender.fit(_unit_columns(users, items, snapshot.item_count), show_progress=False)
    return Model(
        indptr=recommender.similarity.indptr,
        neighbours=recommender.similarity.indices,
        similarity=recommender.similarity.data,
        popularity=popularity / popularity.sum(),
    )


def _latest_of_each_user(snapshot: Snapshot) -> tuple[Ints, Ints]:
    known = snapshot.users != NOBODY
    users, items, times = snapshot.users[known], snapshot.items[known], snapshot.times[known]
    excessive = np.bincount(users)[users] > MAX_ROWS_PER_USER
    # Sort only the rows of users that have too many: to sort a million rows takes a quarter of the fit.
    rows = np.flatnonzero(excessive)
    rows = rows[np.lexsort((-times[rows], users[rows]))]
    rank = np.arange(len(rows)) - np.searchsorted(users[rows], users[rows], side="left")
    kept = ~excessive
    kept[rows[rank < MAX_ROWS_PER_USER]] = True
    return users[kept], items[kept]


def _distinct_pairs(users: Ints, items: Ints, item_count: int) -> tuple[Ints, Ints]:
    pairs = users.astype(np.int64) * item_count + items
    # Not np.unique: it blocks other threads for up to a tenth of a second.
    pairs.sort()
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    return (pairs // item_count).astype(np.int32), (pairs % item_count).astype(np.int32)


def _unit_columns(users: Ints, items: Ints, item_count: int) -> csr_matrix:
    """Return users × items with columns of length one: the product of two columns is their cosine.

    The more items a user has, the less each of them weighs. The imaginary users (see ``SHRINKAGE``) add to
    the length of a column but to no product of two columns. This lowers the cosine of items with few users.
    """
    weight = 1.0 / np.sqrt(1.0 + np.log(np.bincount(users)[users]))
    real = csr_matrix((weight, (users, items)), shape=(int(users.max()) + 1, item_count))
    imaginary = identity(item_count, format="csr") * np.sqrt(SHRINKAGE)
    matrix = vstack((real, imaginary), format="csr")
    lengths = np.sqrt(np.bincount(matrix.indices, matrix.data**2, minlength=item_count))
    matrix.data /= lengths[matrix.indices]
    return matrix


def score_for_profile(model: Model, profile: Ints, item_count: int) -> Floats:
    """Return a score for each of ``item_count`` items. The scores sum to one, or to zero without any data.

    ``profile`` lists the user's items, latest first. With an empty profile the scores are the popularity.
    Items that became known after the fit score zero.
    """
    weights = 0.5 ** (np.arange(min(len(profile), PROFILE_ITEMS)) / HALF_LIFE_ITEMS)
    return _blend(model, _similar_to(model, profile[:PROFILE_ITEMS], weights), item_count)


def score_for_item(model: Model, item: int, item_count: int) -> Floats:
    """Return a score for each of ``item_count`` items by their similarity to one item."""
    return _blend(model, _similar_to(model, np.array([item], np.int32), np.ones(1)), item_count)


def _similar_to(model: Model, items: Ints, weights: Floats) -> Floats:
    scores = np.zeros(model.item_count)
    for item, weight in zip(items, weights, strict=True):
        if item < model.item_count:
            row = slice(model.indptr[item], model.indptr[item + 1])
            # The item itself stays in: a ranking may ask for its score.
            scores[model.neighbours[row]] += weight * model.similarity[row]
    return scores


def _blend(model: Model, similar: Floats, item_count: int) -> Floats:
    total = similar.sum()
    known = (
        (1.0 - POPULARITY_SHARE) * similar / total + POPULARITY_SHARE * model.popularity
        if total > 0
        else model.popularity
    )
    return np.concatenate((known, np.zeros(max(item_count - model.item_count, 0))))


def best_indices(
    scores: Floats, allowed: npt.NDArray[np.bool_], count: int, values: Floats | None = None
) -> npt.NDArray[np.int64]:
    """Return the indices of the ``count`` best scores that are allowed, best first.

    Of equal scores, the one with the larger value comes first, then the one with the smaller index.
    """
    candidates = np.flatnonzero(allowed)
    if count < 1:
        return candidates[:0]
    if count < len(candidates):
        # Sort only what can be in the result: this takes less than a millisecond for 100,000 items.
        cut = np.partition(scores[candidates], len(candidates) - count)[len(candidates) - count]
        candidates = candidates[scores[candidates] >= cut]
    keys = [-scores[candidates]] if values is None else [-values[candidates], -scores[candidates]]
    return candidates[np.lexsort(keys)][:count]
