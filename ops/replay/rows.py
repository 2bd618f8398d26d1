"""The events of a day of the archive in the order in which they arrived, as records of the stream.

Events that arrived at one moment are in the order of their SentAt: Athena does not say where in its object a
line is. Those of another producer without a time of their own arrived when their object began. Each has a
time of its own then, as the events of one record of the stream have it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path

from chalicelib import timestamps
from chalicelib.delivery.kinesis import KinesisRecord
from chalicelib.errors import InvalidRequestError
from chalicelib.records import content_of
from ops.archive.days import Days
from ops.archive.engine import BoundQuery, QueryEngine
from ops.archive.pieces import Piece, pieces_of
from ops.archive.statements import read_statement

_UNKNOWN_TIME = datetime.fromtimestamp(0, timezone.utc)


@dataclass(frozen=True)
class ArchivedLine:
    """A line of the archive, which one of equal lines of the day it is, and its events.

    ``has_others``: something else is in it that is no event.
    """

    text: str
    number: int
    records: Sequence[KinesisRecord]
    has_others: bool


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


def read_lines(rows: Iterable[Sequence[str]], day: str) -> Iterator[ArchivedLine]:
    """Yield the lines of the query's rows: by arrival, and those of one moment by the time of the event.

    ``rows`` have the text of a line, when it arrived, and its number among the equal lines of the day.
    """
    for arrived, moment in groupby(rows, lambda row: row[1]):
        at = _time(arrived)
        lines = [_read(text, int(number), day, at) for text, _, number in moment]
        yield from lines if len(lines) == 1 == len(lines[0].records) else _spaced(lines, at)


def _read(text: str, number: int, day: str, at: datetime) -> ArchivedLine:
    """Return a line with its events. Two records that were joined are two events.

    An event that has no EventId is given one: the day, a hash of its line, and which of equal lines it is.
    """
    events: list[Piece] = []
    has_others = False
    for piece in (piece for found in pieces_of([text.encode()]) for piece in found):
        if piece.value is not None or _is_object(piece):
            events.append(piece)
        else:
            has_others = has_others or bool(piece.data.strip())
    place = f"archive-{day}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    records = [
        KinesisRecord(place, str(number), at, event.data, index if len(events) > 1 else None)
        for index, event in enumerate(events)
    ]
    return ArchivedLine(text, number, records, has_others)


def _is_object(piece: Piece) -> bool:
    """Return whether a piece is a JSON object, which delivery can say what is wrong with."""
    try:
        return isinstance(json.loads(piece.data), dict)
    except (ValueError, RecursionError):
        return False


def _spaced(lines: Sequence[ArchivedLine], at: datetime) -> Iterator[ArchivedLine]:
    """Yield the lines of a moment in their order, and give each event a time of its own.

    Only an event without ReceivedAt and SentAt takes it. Personalize keeps one of two events with the same
    time and the same content.
    """
    ordered = sorted(lines, key=lambda line: (_happened(line, at), line.text, line.number))
    contents = [content_of(record.data) for line in ordered for record in line.records]
    times = iter(timestamps.spaced(contents, at))
    for line in ordered:
        yield replace(line, records=[replace(record, arrived_at=next(times)) for record in line.records])


def _query(name: str, days: Days) -> BoundQuery:
    sql = read_statement(Path(__file__).with_name(name))
    return BoundQuery(sql, [days.first.isoformat(), days.last.isoformat()], days)


def _happened(line: ArchivedLine, at: datetime) -> datetime:
    try:
        return timestamps.parse(json.loads(line.text)["SentAt"], "SentAt")
    except (LookupError, TypeError, ValueError, RecursionError, InvalidRequestError):
        return at


def _time(arrived: str) -> datetime:
    """Return a time of arrival. ReceivedAt of another producer may be any text of that form."""
    try:
        return timestamps.parse(arrived, "ReceivedAt")
    except InvalidRequestError:
        return _UNKNOWN_TIME
