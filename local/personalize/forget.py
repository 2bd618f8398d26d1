"""Removing a person: the request, and the work on the database and the data folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from local.personalize.engine import Engine
from local.personalize.errors import InvalidInputError
from local.personalize.imports import MAX_ID_CHARACTERS, read_folder
from local.personalize.loading import load, without_garbage_collection
from local.personalize.store import MAX_SESSION_IDS, Store

# So many ids of 256 characters, each of which takes up to 12 bytes in JSON.
MAX_BODY_BYTES = 32 * 1024 * 1024
# Half of a surrogate pair is valid JSON but cannot be encoded in UTF-8, so it cannot be an id.
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class ForgetRequest:
    """A person to remove, and sessions of the person in addition to those that the database knows."""

    user_id: str
    session_ids: tuple[str, ...] = ()


def parse_forget(body: Mapping[str, Any]) -> ForgetRequest:
    """Return the request in a body. Raises InvalidInputError, whose message repeats no id."""
    if body.keys() - {"userId", "sessionIds"}:
        raise InvalidInputError("The members are userId and, optionally, sessionIds")
    user_id, session_ids = body.get("userId"), body.get("sessionIds", [])
    if not _is_text(user_id) or not 1 <= len(user_id) <= MAX_ID_CHARACTERS:
        raise InvalidInputError(f"userId must be a text of 1 to {MAX_ID_CHARACTERS} characters")
    if not isinstance(session_ids, list) or not all(map(_is_text, session_ids)):
        raise InvalidInputError("sessionIds must be a list of texts")
    if len(session_ids) > MAX_SESSION_IDS:
        raise InvalidInputError(
            f"sessionIds must have at most {MAX_SESSION_IDS} members: send the others in another call"
        )
    return ForgetRequest(user_id, tuple(session_ids))


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and not _LONE_SURROGATE.search(value)


def forget(store: Store, data: Path, request: ForgetRequest, engine: Engine) -> dict[str, int]:
    """Remove a person from the database, and load what is left into an engine that knows nothing.

    Returns the counts of the response. Raises StartError or OSError when the folder or the database cannot
    be read. After any error, nothing was removed.
    """
    with without_garbage_collection():
        folder = read_folder(data)
        with store.transaction():
            rows = store.forget(request.user_id, request.session_ids)
            load(engine, folder, store.contents())
            engine.refit()
    imported = [row for row in folder.interactions if row[0] == request.user_id]
    return {
        "events": rows.events,
        "actionInteractions": rows.action_interactions,
        "users": rows.users + (rows.is_first and request.user_id in folder.users),
        "importedInteractions": len(imported) if rows.is_first else 0,
    }
