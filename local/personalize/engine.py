"""The engine without HTTP and SQL: the interactions, the latest model, and the responses of the runtime API.

All methods but ``refit`` run in the server's thread. ``refit`` may run in another thread: it works on a
snapshot and replaces the model in one assignment.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from local.personalize.imports import ImportFolder
from local.personalize.interactions import Interactions
from local.personalize.metadata import Metadata
from local.personalize.model import fit
from local.personalize.recommender import Recommender, ScoredItem
from local.personalize.requests import RankingRequest, RecommendationsRequest, Record
from local.personalize.store import Call, StoredEvent


class Engine:
    """What the engine knows, and what it returns for it.

    ``new_id`` makes recommendation ids unique. ``changed`` is called when there is data to learn from.
    """

    def __init__(self, new_id: Callable[[], str], changed: Callable[[], None] = lambda: None) -> None:
        self._new_id = new_id
        self._changed = changed
        self._interactions = Interactions()
        self._recommender = Recommender(self._interactions)
        self._metadata = Metadata()
        self._counts: Counter[str] = Counter()
        self._refits = 0
        self._last_refit_seconds = 0.0
        self._fitted_interactions = 0

    def load(self, folder: ImportFolder) -> None:
        """Add what the import files hold.

        Items are added first: items with equal scores are then in the order of items.csv.
        """
        for item_id, properties in folder.items.items():
            self._put_item(Record(item_id, properties))
        self._interactions.add_history(folder.interactions)

    def restore(self, items: Iterable[Record], events: Iterable[StoredEvent]) -> None:
        """Add what earlier runs stored."""
        for record in items:
            self._put_item(record)
        for event in events:
            self._apply(event)

    def put_items(self, records: Iterable[Record]) -> None:
        """Add items, or replace the metadata of known ones."""
        for record in records:
            self._put_item(record)
        self._changed()

    def accept(self, call: Call, stored: Sequence[StoredEvent]) -> None:
        """Add the events of one PutEvents call that were new. The caller has stored them."""
        sent = len(call.request.events)
        for event in stored:
            self._apply(event)
        self._counts["putEventsCalls"] += 1
        self._counts["eventsReceived"] += sent
        self._counts["eventsAccepted"] += len(stored)
        self._counts["duplicatesIgnored"] += sent - len(stored)
        if stored:
            self._changed()

    def recommend(self, request: RecommendationsRequest) -> dict[str, Any]:
        """Return the body of a GetRecommendations response."""
        self._metadata.require(request.columns)
        found = self._recommender.recommend(request.user_id, request.item_id, request.count)
        self._counts["recommendationsServed"] += 1
        return {
            "itemList": self._items(found, request.columns),
            "recommendationId": self._recommendation_id(),
        }

    def rank(self, request: RankingRequest) -> dict[str, Any]:
        """Return the body of a GetPersonalizedRanking response."""
        self._metadata.require(request.columns)
        found = self._recommender.rank(request.user_id, request.item_ids)
        self._counts["rankingsServed"] += 1
        return {
            "personalizedRanking": self._items(found, request.columns),
            "recommendationId": self._recommendation_id(),
        }

    def refit(self) -> None:
        """Fit a new model to all interactions so far."""
        started = time.perf_counter()
        snapshot = self._interactions.snapshot()
        self._recommender.model = fit(snapshot)
        self._fitted_interactions = len(snapshot.items)
        self._last_refit_seconds = time.perf_counter() - started
        self._refits += 1

    def item(self, item_id: str) -> dict[str, Any] | None:
        """Return a known item and its metadata, under the names that were put, or None."""
        if self._interactions.item_index(item_id) is None:
            return None
        return {"itemId": item_id, "metadata": dict(self._metadata.item(item_id) or {})}

    def sizes(self) -> dict[str, int]:
        """Return how many items, users and interactions the engine knows."""
        return {
            "items": len(self._interactions.item_ids),
            "users": self._interactions.user_count,
            "interactions": len(self._interactions),
        }

    def stats(self) -> dict[str, Any]:
        """Return the sizes, and the counts since the engine started."""
        names = (
            "putEventsCalls",
            "eventsReceived",
            "eventsAccepted",
            "duplicatesIgnored",
            "recommendationsServed",
            "rankingsServed",
        )
        return {
            **self.sizes(),
            **{name: self._counts[name] for name in names},
            "modelRefits": self._refits,
            "modelInteractions": self._fitted_interactions,
            "lastRefitSeconds": round(self._last_refit_seconds, 6),
        }

    def _put_item(self, record: Record) -> None:
        self._interactions.add_item(record.record_id)
        self._metadata.put(record.record_id, record.properties)

    def _apply(self, stored: StoredEvent) -> None:
        event = stored.event
        self._interactions.add_event(stored.session_id, stored.user_id, event.item_id, event.sent_at)

    def _items(self, found: Iterable[ScoredItem], columns: tuple[str, ...]) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        for scored in found:
            item: dict[str, Any] = {"itemId": scored.item_id, "score": round(scored.score, 7)}
            if columns:
                item["metadata"] = self._metadata.pick(scored.item_id, columns)
            items.append(item)
        return items

    def _recommendation_id(self) -> str:
        # 40 characters, the longest recommendationId that PutEvents accepts.
        return f"RID-{self._new_id()}"
