"""Recommendations for a user, related items, and rankings, from the interactions and the latest model.

Pure: no I/O, no clock. The owner of a ``Recommender`` decides when to fit a new model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from local.personalize.columns import Mask
from local.personalize.interactions import Floats, Interactions, Ints
from local.personalize.model import Model, best_indices, empty_model, score_for_item, score_for_profile


@dataclass(frozen=True)
class ScoredItem:
    """An item and its score, from 0 to 1."""

    item_id: str
    score: float


class Recommender:
    """Interactions and a model of them.

    A new event changes its user's recommendations before the next fit.
    """

    def __init__(self, interactions: Interactions) -> None:
        self._interactions = interactions
        self.model: Model = empty_model()

    def recommend(
        self,
        user_id: str | None,
        item_id: str | None,
        count: int,
        allowed: Mask | None = None,
        *,
        again: bool = False,
        values: Floats | None = None,
    ) -> list[ScoredItem]:
        """Return the best items for a user or, with ``item_id``, the items related to that item.

        ``user_id`` may be the id of an anonymous session. Only items that ``allowed`` marks are in the
        result; without it, all may be. Items that the user already had are left out, except with ``again``.
        For an unknown user or item, the result is the popular items. Of equal scores, the one with the larger
        of ``values`` comes first.
        """
        profile = self._profile(user_id)
        item = self._interactions.item_index(item_id) if item_id is not None else None
        mask = self._everything() if allowed is None else allowed.copy()
        if not again:
            mask[profile] = False
        if item is not None:
            mask[item] = False
        if item_id is None:
            scores = self._scores(profile)
        elif item is None:
            scores = self._scores(self._profile(None))
        else:
            scores = score_for_item(self.model, item, len(self._interactions.item_ids))
        return [
            ScoredItem(self._interactions.item_ids[index], float(scores[index]))
            for index in best_indices(scores, mask, count, values)
        ]

    def rank(self, user_id: str, item_ids: Sequence[str]) -> list[ScoredItem]:
        """Return the given items, best first. Unknown items come last, in the given order, with score 0."""
        scores = self._scores(self._profile(user_id))
        known: list[ScoredItem] = []
        unknown: list[ScoredItem] = []
        for item_id in item_ids:
            index = self._interactions.item_index(item_id)
            if index is None:
                unknown.append(ScoredItem(item_id, 0.0))
            else:
                known.append(ScoredItem(item_id, float(scores[index])))
        known.sort(key=lambda scored: -scored.score)
        return known + unknown

    def _everything(self) -> Mask:
        return np.ones(len(self._interactions.item_ids), dtype=np.bool_)

    def _profile(self, user_id: str | None) -> Ints:
        return self._interactions.profile(user_id) if user_id is not None else np.empty(0, dtype=np.int32)

    def _scores(self, profile: Ints) -> Floats:
        return score_for_profile(self.model, profile, len(self._interactions.item_ids))
