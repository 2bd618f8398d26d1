"""The recommendation model: item-to-item similarity, fitted with `implicit`, and how it scores for one user.

Pure functions over numpy arrays. A Model is immutable, so a new one can be fitted in another thread while the
old one answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from implicit.nearest_neighbours import ItemItemRecommender
from scipy.sparse import csr_matrix, identity, vstack

from local.personalize.interactions import NOBODY, Floats, Ints, Snapshot

NEIGHBOURS = 100
"""Similar items kept for each item."""

MAX_ROWS_PER_USER = 500
"""Of one user, only the latest interactions are learnt from. What a user costs is the square of their number,
and one that touched everything (a crawler, a shared till) must not stall the fit."""

SHRINKAGE = 3.0
"""Two items that one person happened to like are not twins: as many imaginary readers of each item alone."""

PROFILE_ITEMS = 30
HALF_LIFE = 4.0
"""What a user did `HALF_LIFE` items ago counts half as much as the latest."""

POPULARITY_SHARE = 0.02
"""How much of every score is popularity: it orders the items about which similarity says nothing."""


@dataclass(frozen=True, eq=False)
class Model:
    """Neighbours of each item (rows of a sparse matrix) and each item's share of all the users' choices."""

    indptr: Ints
    neighbours: Ints
    similarity: Floats
    popularity: Floats

    @property
    def item_count(self) -> int:
        return len(self.popularity)


def empty_model() -> Model:
    """Knows nothing: every item scores zero."""
    return Model(np.zeros(1, np.int32), np.empty(0, np.int32), np.empty(0), np.empty(0))


def fit(snapshot: Snapshot) -> Model:
    """Learns from the interactions that have a user. About 0.5 s for a million of them."""
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
    # Only the rows of users with too many: to sort a million takes a quarter of the fit.
    rows = np.flatnonzero(excessive)
    rows = rows[np.lexsort((-times[rows], users[rows]))]
    rank = np.arange(len(rows)) - np.searchsorted(users[rows], users[rows], side="left")
    kept = ~excessive
    kept[rows[rank < MAX_ROWS_PER_USER]] = True
    return users[kept], items[kept]


def _distinct_pairs(users: Ints, items: Ints, item_count: int) -> tuple[Ints, Ints]:
    pairs = users.astype(np.int64) * item_count + items
    # Instead of np.unique, which keeps other threads from running for as long as a tenth of a second.
    pairs.sort()
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    return (pairs // item_count).astype(np.int32), (pairs % item_count).astype(np.int32)


def _unit_columns(users: Ints, items: Ints, item_count: int) -> csr_matrix:
    """Users × items with columns of length one, so that the product of two columns is their cosine.

    A user with many items says less by each. The imaginary readers (see SHRINKAGE) add to a column's length
    but to no product of two columns, which is the usual damping of a cosine that rests on little.
    """
    weight = 1.0 / np.sqrt(1.0 + np.log(np.bincount(users)[users]))
    real = csr_matrix((weight, (users, items)), shape=(int(users.max()) + 1, item_count))
    imaginary = identity(item_count, format="csr") * np.sqrt(SHRINKAGE)
    matrix = vstack((real, imaginary), format="csr")
    lengths = np.sqrt(np.bincount(matrix.indices, matrix.data**2, minlength=item_count))
    matrix.data /= lengths[matrix.indices]
    return matrix


def score_for_profile(model: Model, profile: Ints, item_count: int) -> Floats:
    """A share of certainty for each of `item_count` items, summing to one where anything is known.

    `profile` lists the user's items, latest first; an empty one gives plain popularity. The result may cover
    more items than the model: those that became known after it was fitted score zero.
    """
    weights = 0.5 ** (np.arange(min(len(profile), PROFILE_ITEMS)) / HALF_LIFE)
    return _blend(model, _similar_to(model, profile[:PROFILE_ITEMS], weights), item_count)


def score_for_item(model: Model, item: int, item_count: int) -> Floats:
    """The same, for the neighbours of one item."""
    return _blend(model, _similar_to(model, np.array([item], np.int32), np.ones(1)), item_count)


def _similar_to(model: Model, items: Ints, weights: Floats) -> Floats:
    scores = np.zeros(model.item_count)
    for item, weight in zip(items, weights, strict=True):
        if item < model.item_count:
            row = slice(model.indptr[item], model.indptr[item + 1])
            # An item is not its own recommendation, but is not removed either: ranking asks for it by name.
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


def best(scores: Floats, excluded: Ints, count: int) -> npt.NDArray[np.int64]:
    """Indices of the `count` best that are not excluded, best first; equals in catalogue order."""
    candidates = np.delete(np.arange(len(scores)), excluded)
    if count < len(candidates):
        # Sorting only what can be in the answer keeps this under a millisecond for 100,000 items.
        cut = np.partition(scores[candidates], len(candidates) - count)[len(candidates) - count]
        candidates = candidates[scores[candidates] >= cut]
    return candidates[np.argsort(-scores[candidates], kind="stable")][:count]
