"""Rows of the engine's store, as tests write and read them."""

from __future__ import annotations

import itertools
from pathlib import Path

from local.personalize.action_requests import ActionInteraction, PutActionInteractionsRequest
from local.personalize.requests import Event, PutEventsRequest
from local.personalize.store import Call, Store

SENT_AT = 1770000000
Sent = tuple[str, str | None, str, str]
"""An ``event`` or ``action`` interaction, whose it is, in which session, and with which item or action."""


def call(kind: str, user: str | None, session: str, item: str) -> Call:
    if kind == "event":
        event = Event(None, "view", SENT_AT, item)
        return Call("c", SENT_AT, PutEventsRequest(session, user, (event,)))
    interaction = ActionInteraction(None, item, user, session, "Taken", SENT_AT)
    return Call("c", SENT_AT, PutActionInteractionsRequest((interaction,)))


def new_store(path: Path) -> Store:
    numbers = itertools.count()
    return Store(path, lambda: f"generated-{next(numbers)}")


def left(store: Store) -> list[str | None]:
    """Return the items of the events and the actions of the interactions that are left."""
    actions = [each.interaction.action_id for each in store.action_interactions()]
    return [each.event.item_id for each in store.events()] + actions
