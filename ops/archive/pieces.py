"""The JSON objects in the lines of the archive, whatever else is in a line. Pure.

Firehose joins what it is given. So a line may hold several events (a record without a newline, and the record
after it), half of one, or none, and an event may be printed over several lines. A piece is one event, or a
part of a line that cannot be read. The pieces of some lines, joined, are these lines byte for byte.
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
MAX_COST = 8
"""Characters that are tried for each character of a run. What is left then cannot be read."""
_RECURSION_COST = 10_000
_FIRST_EXCERPT_CHARACTERS = 4096
_LONGEST_LITERAL = 20
"""Characters before the end of an excerpt that are read differently when more follows."""
_EVENT_NAMES = frozenset(
    {"userid", "sessionid", "eventtype", "event", "action", "eventid", "eventlist", "sentat", "receivedat"}
)
_BEGINNING = re.compile(r'\{\s*"([A-Za-z_-]{1,20})"')
_BLANK = b" \t\r\n"

# Numbers as they are written: an id may be one, and no number is too long.
_decoder = JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


@dataclass(frozen=True)
class Piece:
    """A part of some lines. ``value`` is the JSON object that it is; None for what cannot be read."""

    data: bytes
    value: dict[str, Any] | None = None


def pieces_of(lines: Iterable[bytes]) -> Iterator[list[Piece]]:
    """Yield the pieces of lines, each of which ends with a newline, or is the last one.

    The pieces of one list have to be kept or removed together with their line ends: ``without`` does it.
    Takes linear time, and the memory of MAX_RUN_BYTES or of the longest line.
    """
    run: list[bytes] = []
    size_bytes = 0
    for line in lines:
        value = _object(line)
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


def _object(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a line is, or None."""
    try:
        value = _decoder.decode(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _pieces_of_run(data: bytes) -> list[Piece]:
    """Return the pieces of lines none of which is an object by itself."""
    text = data.decode("utf-8", "surrogateescape")
    cuts: list[tuple[int, dict[str, Any] | None]] = [(0, None)]
    position, cost_left = 0, MAX_COST * len(text)
    while cost_left > 0 and (start := text.find("{", position)) >= 0:
        value, end, cost = _try(text, start)
        cost_left -= cost
        position = start + 1
        if value is not None:
            position = _end_of_line(text, end)
            cuts += [(start, value), (position, None)]
        elif _is_beginning(text, start):
            cuts.append((start, None))
    return [
        piece
        for (start, value), (end, _) in pairwise([*cuts, (len(text), None)])
        for piece in _pieces_between(text[start:end], value)
    ]


def _try(text: str, start: int) -> tuple[dict[str, Any] | None, int, int]:
    """Return the event that begins at ``start`` or None, its end, and the characters that were looked at.

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
            cost += length
            length *= 4
        except RecursionError:
            return None, start, cost + _RECURSION_COST
        else:
            is_event = any(name_key(name) in _EVENT_NAMES for name in value)
            return (value, start + end, cost) if is_event else (None, start, cost + end)


def _is_beginning(text: str, start: int) -> bool:
    """Return whether an event that is cut off seems to begin here."""
    found = _BEGINNING.match(text, start)
    return found is not None and name_key(found[1]) in _EVENT_NAMES


def _end_of_line(text: str, position: int) -> int:
    """Return where the line ends, newline included, if only blanks follow; else the position."""
    end = position
    while end < len(text) and text[end] in " \t\r":
        end += 1
    return end + 1 if end < len(text) and text[end] == "\n" else position


def _pieces_between(text: str, value: dict[str, Any] | None) -> Iterator[Piece]:
    """Yield an event as one piece, and of anything else each line."""
    data = text.encode("utf-8", "surrogateescape")
    if value is not None:
        yield Piece(data, value)
    elif data:
        yield from map(Piece, lines_in(data))


def lines_in(data: bytes) -> list[bytes]:
    """Return the lines of data. Only a newline ends one."""
    parts = data.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines
