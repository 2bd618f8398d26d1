"""What an engine knows after a start: the database, and the data folder without forgotten users."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from local.personalize.engine import Engine
from local.personalize.imports import ImportFolder
from local.personalize.store import Contents, user_hash


def load(engine: Engine, folder: ImportFolder, stored: Contents) -> None:
    """Load everything into an engine that knows nothing."""
    engine.load(_without_users(folder, stored.forgotten_users))
    engine.restore(stored.items, stored.users, stored.actions, stored.events)


def _without_users(folder: ImportFolder, hashes: Collection[str]) -> ImportFolder:
    if not hashes:
        return folder
    user_ids = {row[0] for row in folder.interactions} | folder.users.keys()
    forgotten = {user_id for user_id in user_ids if user_hash(user_id) in hashes}
    return replace(
        folder,
        interactions=[row for row in folder.interactions if row[0] not in forgotten],
        users={user_id: row for user_id, row in folder.users.items() if user_id not in forgotten},
    )


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Switch garbage collection off while data is loaded, and exempt that data from it afterwards.

    Loading creates millions of objects and no reference cycles. A search for cycles would take a third of
    the time to load, and later it would delay responses.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
