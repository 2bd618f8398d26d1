"""The engine without HTTP and SQL: the interactions, the latest model, and the responses of the runtime API.

All methods but ``refit`` run in the server's thread. ``refit`` may run in another thread: it works on a
snapshot and replaces the model in one assignment. An engine that is ``unloaded`` belongs to another thread
until it is adopted.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

import numpy as np

from local.personalize.action_requests import TAKEN, VIEWED, ActionRecommendationsRequest, event_type_key
from local.personalize.columns import Mask
from local.personalize.dataset import Dataset, Users
from local.personalize.errors import ResourceNotFoundError
from local.personalize.filters.tree import Filter, Target
from local.personalize.imports import ImportFolder
from local.personalize.interactions import Interactions
from local.personalize.promotions import mix, promoted_count
from local.personalize.recommender import ScoredItem
from local.personalize.requests import (
    FilterUse,
    PutEventsRequest,
    RankingRequest,
    RecommendationsRequest,
    Record,
)
from local.personalize.store import Call, Stored, StoredEvent

PROMOTED_REASON = "Promoted item"
"""https://docs.aws.amazon.com/personalize/latest/dg/API_RS_PredictedItem.html"""
NEWEST_ACTION_INTERACTIONS = 300
"""So many latest interactions of a user and an event type count for a filter on actions."""

_DAY_SECONDS = 86_400
_EVENT_COUNTS = ("putEventsCalls", "eventsReceived", "eventsAccepted", "duplicatesIgnored")
_INTERACTION_COUNTS = (
    "putActionInteractionsCalls",
    "actionInteractionsReceived",
    "actionInteractionsAccepted",
    "actionDuplicatesIgnored",
)
_SERVED_COUNTS = ("recommendationsServed", "rankingsServed", "actionRecommendationsServed")


class Engine:
    """What the engine knows, and what it returns for it.

    ``new_id`` makes recommendation ids unique. ``changed`` is called when there is data to learn from.
    ``random`` places promoted items. ``clock`` returns seconds since 1970: actions expire.
    """

    def __init__(
        self,
        new_id: Callable[[], str],
        changed: Callable[[], None] = lambda: None,
        random: Random | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._new_id = new_id
        self._changed = changed
        self._random = random or Random()  # noqa: S311 - not for security
        self._users = Users()
        self._items = Dataset(Target.ITEMS, self._users)
        interactions = Interactions(NEWEST_ACTION_INTERACTIONS, frozenset((TAKEN, VIEWED)), event_type_key)
        self._actions = Dataset(Target.ACTIONS, self._users, interactions)
        self._clock = clock
        self._filters: Mapping[str, Filter] = {}
        self._counts: Counter[str] = Counter()
        self._refits = 0
        self._last_refit_seconds = 0.0

    def load(self, folder: ImportFolder) -> None:
        """Add what the import files hold.

        Items are added first: items with equal scores are then in the order of items.csv.
        """
        for item_id, properties in folder.items.items():
            self._items.put(Record(item_id, properties))
        for user_id, properties in folder.users.items():
            self._users.put(Record(user_id, properties))
        for action_id, properties in folder.actions.items():
            self._actions.put(Record(action_id, properties))
        self._items.interactions.add_history(folder.interactions)
        self._filters = folder.filters

    def restore(
        self,
        items: Iterable[Record],
        users: Iterable[Record],
        actions: Iterable[Record],
        events: Iterable[Stored],
    ) -> None:
        """Add what earlier runs stored: records, and events of both kinds."""
        for record in items:
            self._items.put(record)
        for record in users:
            self._users.put(record)
        for record in actions:
            self._actions.put(record)
        for event in events:
            self._apply(event)

    def unloaded(self) -> Engine:
        """Return an engine that knows nothing yet, for ``adopt``."""
        return Engine(self._new_id)

    def adopt(self, other: Engine) -> None:
        """Replace all that the engine knows, and its models, by those of another engine. The counts go on."""
        self._users, self._items, self._actions = other._users, other._items, other._actions
        self._filters = other._filters

    def put_items(self, records: Iterable[Record]) -> None:
        """Add items, or replace the metadata of known ones."""
        for record in records:
            self._items.put(record)
        self._changed()

    def put_users(self, records: Iterable[Record]) -> None:
        """Add users, or replace the metadata of known ones."""
        for record in records:
            self._users.put(record)

    def put_actions(self, records: Iterable[Record]) -> None:
        """Add actions, or replace the metadata of known ones."""
        for record in records:
            self._actions.put(record)
        self._changed()

    def accept(self, call: Call, stored: Sequence[Stored]) -> None:
        """Add what was new in a PutEvents or PutActionInteractions call. The caller has stored it."""
        request = call.request
        names, sent = (
            (_EVENT_COUNTS, len(request.events))
            if isinstance(request, PutEventsRequest)
            else (_INTERACTION_COUNTS, len(request.interactions))
        )
        for event in stored:
            self._apply(event)
        self._counts.update(dict(zip(names, (1, sent, len(stored), sent - len(stored)), strict=True)))
        if stored:
            self._changed()

    def recommend(self, request: RecommendationsRequest) -> dict[str, Any]:
        """Return the body of a GetRecommendations response."""
        self._items.require(request.columns)
        promoted: list[dict[str, Any]] = []
        if request.promotion is not None:
            share = promoted_count(request.count, request.promotion.percent)
            chosen = self._best(request, request.promotion.filter, share)
            marks: dict[str, Any] = {"promotionName": request.promotion.name}
            if request.campaign.reasons:
                marks["reason"] = [PROMOTED_REASON]
            promoted = [item | marks for item in self._as_json(chosen, request.columns)]
        taken = {item["itemId"] for item in promoted}
        best = self._best(request, request.filter, request.count)
        others = [scored for scored in best if scored.item_id not in taken][: request.count - len(taken)]
        self._counts["recommendationsServed"] += 1
        return {
            "itemList": mix(promoted, self._as_json(others, request.columns), self._random),
            "recommendationId": self._recommendation_id(),
        }

    def _best(self, request: RecommendationsRequest, use: FilterUse | None, count: int) -> list[ScoredItem]:
        """Return the best items for a request that one filter allows."""
        campaign = request.campaign
        item_id = request.item_id if campaign.by_item else None
        again = not campaign.by_user
        allowed = None
        if use is not None:
            wanted = self._filter(use)
            allowed = self._items.allowed(wanted, use.texts, request.user_id, item_id)[:-1]
            # A filter on events says itself which of the items that the user had may come again.
            again = again or wanted.uses_events()
        user_id = request.user_id if campaign.by_user else None
        return self._items.recommender.recommend(user_id, item_id, count, allowed, again=again)

    def rank(self, request: RankingRequest) -> dict[str, Any]:
        """Return the body of a GetPersonalizedRanking response."""
        self._items.require(request.columns)
        item_ids = request.item_ids
        if request.filter is not None:
            wanted = self._filter(request.filter)
            mask = self._items.allowed(wanted, request.filter.texts, request.user_id)
            item_ids = self._items.known(mask, item_ids)
        found = self._items.recommender.rank(request.user_id, item_ids)
        self._counts["rankingsServed"] += 1
        return {
            "personalizedRanking": self._as_json(found, request.columns),
            "recommendationId": self._recommendation_id(),
        }

    def recommend_actions(self, request: ActionRecommendationsRequest) -> dict[str, Any]:
        """Return the body of a GetActionRecommendations response."""
        user_id = request.user_id
        mask, by_events = self._timely_actions(user_id), False
        if request.filter is not None:
            wanted = self._filter(request.filter)
            mask &= self._actions.allowed(wanted, request.filter.texts, user_id)[:-1]
            by_events = wanted.uses_events()
        # A filter on action interactions says itself which of the actions that were taken may come again.
        if not by_events:
            taken = self._actions.interactions.items_with_events(user_id, frozenset((TAKEN,)))
            mask[taken] &= ~np.isnan(self._actions.numbers("REPEAT_FREQUENCY")[taken])
        found = self._actions.recommender.recommend(
            user_id, None, request.count, mask, again=True, values=self._actions.numbers("VALUE")
        )
        self._counts["actionRecommendationsServed"] += 1
        return {
            "actionList": [{"actionId": each.item_id, "score": round(each.score, 7)} for each in found],
            "recommendationId": self._recommendation_id(),
        }

    def _timely_actions(self, user_id: str) -> Mask:
        """Return which actions have not expired, and may be repeated by now if the user knows them."""
        now = self._clock()
        timely: Mask = ~(self._actions.numbers("ACTION_EXPIRATION_TIMESTAMP") <= now)
        known, times = self._actions.interactions.events_of(user_id, None)
        wait = self._actions.numbers("REPEAT_FREQUENCY")[known] * _DAY_SECONDS
        timely[known[times + wait > now]] = False
        return timely

    def refit(self) -> None:
        """Fit new models to all interactions so far."""
        started = time.perf_counter()
        self._items.refit()
        self._actions.refit()
        self._last_refit_seconds = time.perf_counter() - started
        self._refits += 1

    def item(self, item_id: str) -> dict[str, Any] | None:
        """Return a known item and its metadata, under the names that were put, or None."""
        metadata = self._items.record(item_id)
        return {"itemId": item_id, "metadata": metadata} if metadata is not None else None

    def sizes(self) -> dict[str, int]:
        """Return how many items, users, interactions and actions the engine knows."""
        return {
            "items": len(self._items.interactions.item_ids),
            "users": self._items.interactions.user_count,
            "interactions": len(self._items.interactions),
            "actions": len(self._actions.interactions.item_ids),
            "actionInteractions": len(self._actions.interactions),
        }

    def stats(self) -> dict[str, Any]:
        """Return the sizes, and the counts since the engine started."""
        names = (*_EVENT_COUNTS, *_INTERACTION_COUNTS, *_SERVED_COUNTS)
        return {
            **self.sizes(),
            **{name: self._counts[name] for name in names},
            "modelRefits": self._refits,
            "modelInteractions": self._items.fitted_interactions,
            "modelActionInteractions": self._actions.fitted_interactions,
            "lastRefitSeconds": round(self._last_refit_seconds, 6),
        }

    def _filter(self, use: FilterUse) -> Filter:
        found = self._filters.get(use.name)
        if found is None:
            known = ", ".join(self._filters) or "none"
            raise ResourceNotFoundError(
                f"There is no filter {use.name}. The filters of the local engine: {known}"
            )
        return found

    def _apply(self, stored: Stored) -> None:
        if isinstance(stored, StoredEvent):
            event = stored.event
            self._items.interactions.add_event(
                stored.session_id, stored.user_id, event.item_id, event.sent_at, event.event_type
            )
        else:
            each = stored.interaction
            self._actions.interactions.add_event(
                each.session_id, each.user_id, each.action_id, each.timestamp, each.event_type
            )

    def _as_json(self, found: Iterable[ScoredItem], columns: tuple[str, ...]) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        for scored in found:
            item: dict[str, Any] = {"itemId": scored.item_id, "score": round(scored.score, 7)}
            if columns:
                item["metadata"] = self._items.pick(scored.item_id, columns)
            items.append(item)
        return items

    def _recommendation_id(self) -> str:
        # 40 characters, the longest recommendationId that PutEvents accepts.
        return f"RID-{self._new_id()}"
