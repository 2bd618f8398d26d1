"""The archive, asked for the lines of a test user. No line of anybody else is returned: they are counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ops.archive.days import Days
from ops.archive.engine import BoundQuery
from ops.archive.opening import open_engine
from ops.verify.play import Play

MAX_SCAN_BYTES = 80_000_000
"""Of one query: 0.0004 US dollars. A run makes at most a dozen."""

_ROWS = "SELECT eventid FROM events WHERE dt BETWEEN ? AND ? AND sessionid = ?"
_OBJECTS = """
WITH marked AS (
  SELECT
    "$path" AS object,
    -- A line of several joined events is no JSON: nobody's. No session of anybody else is returned.
    CASE WHEN TRY(json_parse(line)) IS NOT NULL
        AND regexp_like(json_extract_scalar(line, '$.SessionId'), '^verify-[0-9a-f]{12}$')
      THEN json_extract_scalar(line, '$.SessionId') ELSE '' END AS mark
  FROM event_lines
  WHERE dt BETWEEN ? AND ?
),
counted AS (
  SELECT object, mark, count(*) AS lines FROM marked GROUP BY 1, 2
)
SELECT object, mark, lines FROM counted WHERE object IN (SELECT object FROM counted WHERE mark = ?)
"""
"""The mark is the id of a test user (command.py). A line is a test user's when its session is a mark."""
FIREHOSE_BUFFER = timedelta(minutes=10)
"""An object is in the day of its oldest record, which came up to five minutes before the others."""


@dataclass(frozen=True)
class MarkedObject:
    """An object of the archive: how many lines it has, how many are any test user's, how many this one's."""

    key: str
    lines: int
    marked_lines: int
    own_lines: int


def days_since(play: Play, start: datetime) -> Days:
    """Return the days of the archive that may have what came from a moment until now."""
    return Days((start - FIREHOSE_BUFFER).date(), play.now().date())


def objects_of(play: Play, days: Days) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of some days as S3 lists them."""
    day = days.first
    while day <= days.last:
        pages = play.clients("s3").get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=play.bucket.name, Prefix=f"events/dt={day.isoformat()}/"):
            yield from page.get("Contents", [])
        day += timedelta(days=1)


def size_bytes(play: Play, days: Days) -> int:
    """Return the size of the objects of some days, which a query of these days reads."""
    return sum(found["Size"] for found in objects_of(play, days))


def event_ids(play: Play, days: Days) -> set[str]:
    """Return the ids of the test user's events, as the table shows them."""
    query = BoundQuery(_ROWS, [days.first.isoformat(), days.last.isoformat(), play.mark], days)
    with open_engine(play.deployment, play.session).run(query) as result:
        return {row[0] for row in result.rows}


def objects_with(play: Play, mark: str, marks: Sequence[str], days: Days) -> list[MarkedObject]:
    """Return the objects that hold lines of a test user. ``marks`` are all that may have lines beside it."""
    query = BoundQuery(_OBJECTS, [days.first.isoformat(), days.last.isoformat(), mark], days)
    lines: dict[str, Counter[str]] = defaultdict(Counter)
    with open_engine(play.deployment, play.session).run(query) as result:
        for path, found, count in result.rows:
            lines[path.removeprefix(f"s3://{play.bucket.name}/")][found] = int(count)
    return [
        MarkedObject(key, sum(counts.values()), sum(counts[each] for each in {*marks}), counts[mark])
        for key, counts in lines.items()
    ]
