"""The events in the lines of the archive, whatever else is in a line. Pure.

Firehose joins what it is given. So a line may hold several events (a record without a newline, and the record
after it), half of one, or none, and an event may be printed over several lines. A piece is one event, or what
stands between events. The pieces of some lines, joined, are these lines byte for byte.

An event is a JSON object with a user id or a session id, and another member of an event. It need not keep the
contract: names are compared without case, as in ``user_id``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from json import JSONDecodeError, JSONDecoder
from typing import Any

MAX_RUN_BYTES = 16 * 1024 * 1024
"""Of neighbouring lines that are read together. A record of the stream has at most 10 MiB."""
MAX_COST = 32
"""Characters that are tried for each character of a run. What is left then cannot be read."""
_RECURSION_COST = 10_000
_FIRST_EXCERPT_CHARACTERS = 4096
_LONGEST_LITERAL = 20
"""Characters before the end of an excerpt that are read differently when more follows."""
USER, SESSION = "userid", "sessionid"
_PERSONAL = frozenset({USER, SESSION})
_EVENT_NAMES = _PERSONAL | {
    *("eventtype", "event", "action", "eventid", "eventlist", "sentat", "receivedat"),
    *("properties", "recommendationid", "impression"),
}
_BEGINNING = re.compile(
    r'\{\s*"([A-Za-z_-]{1,30})"\s*:\s*(?:"(?:[^"\\]|\\.){0,1024}"|[0-9.eE+-]{1,40}|null|true|false)\s*,'
    r'\s*"([A-Za-z_-]{1,30})"'
)
_BLANK = b" \t\r\n"
_GOES_ON = (b"{", b"[", b",")
"""Ends of a line of an object that is printed over several lines."""

# Numbers as they are written: an id may be one, and no number is too long.
_decoder = JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


@dataclass(frozen=True)
class Piece:
    """A part of some lines. ``value`` is the event that it is; None for what is none.

    What is no event is one line, or the lines of an object that cannot be read. ``is_unreadable``: it was not
    looked into to its end, because that would take too long.
    """

    data: bytes
    value: dict[str, Any] | None = None
    is_unreadable: bool = False


def pieces_of(lines: Iterable[bytes]) -> Iterator[list[Piece]]:
    """Yield the pieces of lines, each of which ends with a newline, or is the last one.

    The pieces of one list have to be kept or removed together with their line ends: ``without`` does it.
    Takes linear time, and the memory of MAX_RUN_BYTES or of the longest line.
    """
    run: list[bytes] = []
    size_bytes = 0
    for line in lines:
        value = _event(line)
        if run and (value is not None or size_bytes + len(line) > MAX_RUN_BYTES):
            yield _pieces_of_run(b"".join(run))
            run, size_bytes = [], 0
        if value is not None:
            yield [Piece(line, value)]
        else:
            run.append(line)
            size_bytes += len(line)
    if run:
        yield _pieces_of_run(b"".join(run))


def without(pieces: Sequence[Piece], is_removed: Callable[[Piece], bool]) -> bytes:
    """Return the bytes of the pieces that stay. A piece that stays ends its line as before."""
    kept = bytearray()
    has_removed = False
    for piece in pieces:
        if not is_removed(piece):
            kept += piece.data
            continue
        has_removed = True
        if piece.data.endswith(b"\n") and kept and not kept.endswith(b"\n"):
            kept += b"\n"
    return b"" if has_removed and not kept.strip(_BLANK) else bytes(kept)


def name_key(name: str) -> str:
    """Return the name of a member in the one spelling by which names are compared: user_id is UserId."""
    return name.replace("_", "").replace("-", "").lower()


def is_event(value: object) -> bool:
    """Return whether a JSON value is an event, also one that breaks the contract."""
    if not isinstance(value, dict):
        return False
    found = _EVENT_NAMES.intersection(map(name_key, value))
    return len(found) > 1 and not _PERSONAL.isdisjoint(found)


def _has_event(value: object) -> bool:
    """Return whether an event is inside of a JSON value."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        children = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        if any(map(is_event, children)):
            return True
        waiting += children
    return False


def _event(line: bytes) -> dict[str, Any] | None:
    """Return the event that a line is, or None."""
    try:
        value = _decoder.decode(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return value if is_event(value) else None


def _pieces_of_run(data: bytes) -> list[Piece]:
    """Return the pieces of lines none of which is an event by itself."""
    text = data.decode("utf-8", "surrogateescape")
    cuts: list[tuple[int, dict[str, Any] | None]] = [(0, None)]
    position, cost_left = 0, MAX_COST * len(text)
    while cost_left > 0 and (start := text.find("{", position)) >= 0:
        value, end, cost = _try(text, start)
        cost_left -= cost
        position = max(start + 1, end)
        if value is not None:
            position = _end_of_line(text, end)
            cuts += [(start, value), (position, None)]
        elif _is_beginning(text, start):
            cuts.append((start, None))
    rest = len(text) if cost_left > 0 else max(position, cuts[-1][0])
    pieces = [
        piece
        for (start, value), (end, _) in pairwise([*cuts, (rest, None)])
        for piece in _pieces_between(text[start:end], value)
    ]
    if rest < len(text):
        pieces.append(Piece(text[rest:].encode("utf-8", "surrogateescape"), is_unreadable=True))
    return pieces


def _try(text: str, start: int) -> tuple[dict[str, Any] | None, int, int]:
    """Return the event that begins at ``start`` or None, where to go on, and the characters looked at.

    A mistake is found in a short excerpt mostly. JSONDecodeError counts the lines before it, which takes long
    at the end of a long text.
    """
    cost, length = 0, _FIRST_EXCERPT_CHARACTERS
    while True:
        excerpt = text[start : start + length]
        try:
            value, end = _decoder.raw_decode(excerpt)
        except JSONDecodeError as error:
            cost += error.pos + 1
            is_cut = error.pos > length - _LONGEST_LITERAL or error.msg.startswith("Unterminated")
            if not is_cut or start + length >= len(text):
                return None, start, cost
            length *= 4
        except RecursionError:
            return None, start, cost + _RECURSION_COST
        else:
            if is_event(value):
                return value, start + end, cost
            return None, start if _has_event(value) else start + end, cost + end


def _is_beginning(text: str, start: int) -> bool:
    """Return whether an event that is cut off seems to begin here."""
    found = _BEGINNING.match(text, start)
    return found is not None and is_event(dict.fromkeys(found.groups()))


def _end_of_line(text: str, position: int) -> int:
    """Return where the line ends, newline included, if only blanks follow; else the position."""
    end = position
    while end < len(text) and text[end] in " \t\r":
        end += 1
    return end + 1 if end < len(text) and text[end] == "\n" else position


def _pieces_between(text: str, value: dict[str, Any] | None) -> Iterator[Piece]:
    """Yield an event as one piece, and of anything else each line, or the lines of one object."""
    data = text.encode("utf-8", "surrogateescape")
    if value is not None:
        yield Piece(data, value)
        return
    group: list[bytes] = []
    for line in lines_in(data):
        group.append(line)
        if not line.rstrip(_BLANK).endswith(_GOES_ON):
            yield Piece(b"".join(group))
            group = []
    if group:
        yield Piece(b"".join(group))


def lines_in(data: bytes) -> list[bytes]:
    """Return the lines of data. Only a newline ends one."""
    parts = data.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines
