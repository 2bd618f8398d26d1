"""Whose a piece of the archive is. Pure.

A piece is the person's when it has their user id, or no user id and a session of theirs. What has the user id
of somebody else is not, whatever its session is. A session is the person's when a piece with their user id
has it. A record that breaks the contract counts too: names are compared without case, as in ``user_id``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.contract import to_json
from chalicelib.delivery.kinesis import KinesisRecord, all_events_of
from ops.archive.pieces import Piece, lines_in, name_key, pieces_of, without
from ops.given_ids import MAX_CHARACTERS

_USER, _SESSION = "userid", "sessionid"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_TOKEN = re.compile(
    r'"(user[_-]?id|session[_-]?id)"[ \t\r]*:[ \t\r]*("(?:[^"\\]|\\.)*"|[0-9.eE+-]+)', re.IGNORECASE
)


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
        if piece.value is None:
            return self._is_named(*_ids_in_text(piece.data))
        # An event has its ids on top. What is none may have them further down.
        return any(self._is_named(*_ids_of(each)) for each in _top_or_all(piece.value))

    def owns_some_of(self, data: bytes) -> bool:
        """Return whether a piece of some lines is the person's."""
        return any(self.owns(piece) for pieces in pieces_of(lines_in(data)) for piece in pieces)

    def sessions_in(self, piece: Piece) -> frozenset[str]:
        """Return the sessions that a piece shows to be the person's."""
        found = (
            [_ids_in_text(piece.data)]
            if piece.value is None
            else [_ids_of(each) for each in _top_or_all(piece.value)]
        )
        sessions = (each for users, sessions in found if self.user_id in users for each in sessions)
        return frozenset(filter(_may_be_asked_for, sessions))

    def _is_named(self, users: set[str], sessions: set[str]) -> bool:
        return self.user_id in users if users else not self.sessions.isdisjoint(sessions)


def remaining(record: KinesisRecord, person: Person) -> bytes:
    """Return what is left of a record of the stream without the person's events; nothing when all are.

    Of several events, each that stays is given the EventId that delivery derives from its position, which
    would be another one when those before it are gone.
    """
    events = [record] if record.index is not None else [*all_events_of(record)]
    if len(events) == 1:
        lines = pieces_of(lines_in(events[0].data))
        return b"".join(without(pieces, person.owns) for pieces in lines)
    kept = [event for event in events if not person.owns_some_of(event.data)]
    if len(kept) == len(events):
        return record.data
    return b"".join(_with_id(event).rstrip(b"\n") + b"\n" for event in kept)


def _with_id(event: KinesisRecord) -> bytes:
    try:
        value = json.loads(event.data)
    except (ValueError, RecursionError):
        return event.data
    if not isinstance(value, dict) or value.get("EventId") is not None:
        return event.data
    return to_json({**value, "EventId": event.derived_id}).encode()


def _top_or_all(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the object that has ids: itself, or those inside of one that has no user id."""
    yield value
    if _ids_of(value)[0]:
        return
    waiting: list[Any] = [*value.values()]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _ids_of(value: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return the user ids and the session ids of an object. Empty ones are none."""
    texts = [(name_key(name), each) for name, each in value.items() if isinstance(each, str) and each]
    return {each for key, each in texts if key == _USER}, {each for key, each in texts if key == _SESSION}


def _ids_in_text(data: bytes) -> tuple[set[str], set[str]]:
    """Return the same of text that is no JSON."""
    found = [
        (name_key(name), _text(token))
        for name, token in _TOKEN.findall(data.decode("utf-8", "surrogateescape"))
    ]
    return {each for key, each in found if key == _USER}, {each for key, each in found if key == _SESSION}


def _may_be_asked_for(session: str) -> bool:
    """Return whether a session id is one that an accepted event can have: only such ones are searched."""
    return len(session) <= MAX_CHARACTERS and not _LONE_SURROGATE.search(session)


def _text(token: str) -> str:
    if not token.startswith('"'):
        return token
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return token[1:-1]
