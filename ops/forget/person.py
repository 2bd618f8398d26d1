"""Whose a piece of the archive is. Pure.

A piece is the person's when it has their user id, or no user id and a session of theirs. What has the user id
of somebody else is not, whatever its session is. A session is the person's when a piece with their user id
has it. Of what is no event, the first user id in its text decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from ops.archive.pieces import SESSION, USER, Piece, name_key
from ops.given_ids import MAX_CHARACTERS

_TOKEN = re.compile(
    r'"(user[_-]?id|session[_-]?id)"[ \t\r\n]*:[ \t\r\n]*("(?:[^"\\]|\\.)*"|[0-9.eE+-]+)', re.IGNORECASE
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Person:
    """A user id, and the sessions that are known to be this user's."""

    user_id: str
    sessions: frozenset[str] = frozenset()

    def knowing(self, sessions: frozenset[str]) -> Person:
        """Return the person with more known sessions."""
        return replace(self, sessions=self.sessions | sessions)

    def owns(self, piece: Piece) -> bool:
        """Return whether a piece is the person's."""
        if piece.is_unreadable:
            return False
        users, sessions = _ids_of(piece)
        return users[0] == self.user_id if users else not self.sessions.isdisjoint(sessions)

    def sessions_in(self, piece: Piece) -> frozenset[str]:
        """Return the sessions that a piece shows to be the person's."""
        users, sessions = _ids_of(piece)
        if not users or users[0] != self.user_id:
            return frozenset()
        return frozenset(filter(is_searchable, sessions))


def _ids_of(piece: Piece) -> tuple[Sequence[str], Sequence[str]]:
    """Return the user ids and the session ids of a piece, those first that count."""
    if piece.value is None:
        return _ids_in_text(piece.data)
    users = [*_texts(piece.value, "UserId", USER)]
    for member in ("Event", "Action"):
        # There the contract forbids this name, so the record was refused. Any other is a property.
        inner = piece.value.get(member)
        if not users and isinstance(inner, dict):
            users = [each for name, each in inner.items() if name.lower() == USER and _is_text(each)]
    return users, [*_texts(piece.value, "SessionId", SESSION)]


def _texts(value: Mapping[str, Any], name: str, key: str) -> Iterator[str]:
    """Yield the text of a member, then of those with the same name in another spelling. Empty is none."""
    for each in (name, *(other for other in value if other != name and name_key(other) == key)):
        text = value.get(each)
        if _is_text(text):
            yield text


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value)


def _ids_in_text(data: bytes) -> tuple[Sequence[str], Sequence[str]]:
    text = data.decode("utf-8", "surrogateescape")
    found = [(name_key(name), _text(token)) for name, token in _TOKEN.findall(text)]
    return [each for key, each in found if key == USER and each], [
        each for key, each in found if key == SESSION
    ]


def is_searchable(session: str) -> bool:
    """Return whether a session id is one that an accepted event can have: only such ones are searched."""
    return 0 < len(session) <= MAX_CHARACTERS and not _LONE_SURROGATE.search(session)


def _text(token: str) -> str:
    if not token.startswith('"'):
        return token
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return token[1:-1]
