"""The events of a day of the archive in the order in which they arrived, as records of the stream.

Events that arrived at one moment are in the order of their SentAt: Athena does not say where in its object a
line is. An event of another producer without SentAt has the time at which its object began.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from chalicelib import timestamps
from chalicelib.delivery.kinesis import KinesisRecord
from chalicelib.errors import InvalidRequestError
from ops.archive.days import Days
from ops.archive.engine import BoundQuery, QueryEngine
from ops.archive.pieces import pieces_of
from ops.archive.statements import read_statement

_BETWEEN_EQUAL_EVENTS = timedelta(seconds=1)
"""Personalize keeps one of two events with the same time and the same content."""


@dataclass(frozen=True)
class ArchivedLine:
    """A line of the archive. ``arrived`` is when its first event did, ``number`` which one of equal lines."""

    text: str
    arrived: str
    number: int


@dataclass(frozen=True)
class DayCount:
    """How many lines a day has, and how many of them have no EventId."""

    day: str
    lines: int
    without_id: int


def count_days(engine: QueryEngine, days: Days) -> tuple[list[DayCount], int]:
    """Return the days that have lines, in order, and the bytes that were scanned."""
    with engine.run(counts_query(days)) as result:
        found = [DayCount(day, int(lines), int(without_id)) for day, lines, without_id in result.rows]
        return found, result.scanned_bytes


def counts_query(days: Days) -> BoundQuery:
    """Return the query that counts the lines of each day."""
    return _query("counts.sql", days)


def lines_query(day: str) -> BoundQuery:
    """Return the query of the lines of a day."""
    date = datetime.fromisoformat(day).date()
    return _query("lines.sql", Days(date, date))


def in_order(rows: Iterable[Sequence[str]]) -> Iterator[ArchivedLine]:
    """Yield the lines of the query's rows: by arrival, and those of one moment by the time of the event."""
    for _, moment in groupby((ArchivedLine(text, arrived, int(n)) for text, arrived, n in rows), _arrived):
        lines = [*moment]
        yield from lines if len(lines) == 1 else sorted(lines, key=_order)


def records_of(line: ArchivedLine) -> tuple[list[KinesisRecord], bool]:
    """Return the events of a line, and whether something else is in it that cannot be read.

    An event that has no EventId is given one: a hash of its line, and which one of equal lines it is. Two
    records that were joined are two events.
    """
    pieces = [piece for found in pieces_of([line.text.encode()]) for piece in found]
    events = [piece for piece in pieces if piece.value is not None]
    place = f"archive-{hashlib.sha256(line.text.encode()).hexdigest()[:32]}"
    at = _time(line.arrived) + (line.number - 1) * _BETWEEN_EQUAL_EVENTS
    records = [
        KinesisRecord(place, str(line.number), at, event.data, index if len(events) > 1 else None)
        for index, event in enumerate(events)
    ]
    return records, any(piece.value is None and piece.data.strip() for piece in pieces)


def _query(name: str, days: Days) -> BoundQuery:
    sql = read_statement(Path(__file__).with_name(name))
    return BoundQuery(sql, [days.first.isoformat(), days.last.isoformat()], days)


def _arrived(line: ArchivedLine) -> str:
    return line.arrived


def _order(line: ArchivedLine) -> tuple[datetime, str, int]:
    return _happened(line), line.text, line.number


def _happened(line: ArchivedLine) -> datetime:
    try:
        return timestamps.parse(json.loads(line.text)["SentAt"], "SentAt")
    except (LookupError, TypeError, ValueError, RecursionError, InvalidRequestError):
        return _time(line.arrived)


def _time(arrived: str) -> datetime:
    """Return a time of arrival. ReceivedAt of another producer may be any text of that form."""
    try:
        return timestamps.parse(arrived, "ReceivedAt")
    except InvalidRequestError:
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00")
