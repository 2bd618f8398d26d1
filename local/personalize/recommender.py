"""Answers the three questions the runtime API can ask, from what is remembered and the latest model.

Pure: no I/O, no clock. Whoever holds it decides when to fit a new model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from local.personalize.interactions import Floats, Interactions, Ints
from local.personalize.model import Model, best, empty_model, score_for_item, score_for_profile


@dataclass(frozen=True)
class Scored:
    item_id: str
    score: float


class Recommender:
    """Interactions and a model of them. A new event shows in its user's answers before the next fit."""

    def __init__(self, interactions: Interactions) -> None:
        self._interactions = interactions
        self.model: Model = empty_model()

    def recommend(self, user_id: str | None, item_id: str | None, count: int) -> list[Scored]:
        """What that user may want next; with an item, what goes with it. Never what the user already had.

        An unknown user (who may be an anonymous session), or an unknown item, gets what is popular.
        """
        profile = self._profile(user_id)
        item = self._interactions.item_index(item_id) if item_id is not None else None
        excluded = profile if item is None else np.append(profile, np.int32(item))
        if item_id is None:
            scores = self._scores(profile)
        elif item is None:
            scores = self._scores(self._profile(None))
        else:
            scores = score_for_item(self.model, item, len(self._interactions.item_ids))
        return [
            Scored(self._interactions.item_ids[index], float(scores[index]))
            for index in best(scores, excluded, count)
        ]

    def rank(self, user_id: str, item_ids: Sequence[str]) -> list[Scored]:
        """The same items, most likely first; those never heard of come last, in the order given, scored 0."""
        scores = self._scores(self._profile(user_id))
        known: list[Scored] = []
        unknown: list[Scored] = []
        for item_id in item_ids:
            index = self._interactions.item_index(item_id)
            if index is None:
                unknown.append(Scored(item_id, 0.0))
            else:
                known.append(Scored(item_id, float(scores[index])))
        known.sort(key=lambda scored: -scored.score)
        return known + unknown

    def _profile(self, user_id: str | None) -> Ints:
        return self._interactions.profile(user_id) if user_id is not None else np.empty(0, dtype=np.int32)

    def _scores(self, profile: Ints) -> Floats:
        return score_for_profile(self.model, profile, len(self._interactions.item_ids))
