"""The objects of the archive that may hold lines of a person: found by queries, on Athena or on DuckDB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from chalicelib.batching import batches
from ops.archive.days import Days
from ops.archive.engine import BoundQuery, QueryEngine
from ops.archive.statements import read_statement
from ops.forget.person import is_searchable

PREFIX = "events/"
FIRST_DAY = date(2025, 1, 1)
"""Of the partitions that the tables of pipeline.yaml know."""
SESSIONS_PER_QUERY, SESSION_BYTES_PER_QUERY = 200, 50_000
"""Each is there twice. Athena takes 256 KB (docs.aws.amazon.com/athena/latest/ug/service-limits.html)."""
_OF_USER = "(NOT is_odd AND userid = ?) OR (is_odd AND (strpos(line, ?) > 0 OR strpos(line, '\\') > 0))"
_OF_SESSIONS = (
    "(NOT is_odd AND coalesce(userid, '') = '' AND sessionid IN ({places})) OR (is_odd AND ({texts}))"
)


@dataclass(frozen=True)
class FoundObjects:
    """Objects that hold lines of a person, or may hold some.

    ``lines`` has the keys of objects with how many events of the person they hold. ``odd_keys`` are those of
    objects with lines that no query can judge. ``sessions`` are the person's. ``scanned_bytes`` has what each
    query has scanned.
    """

    lines: Counter[str] = field(default_factory=Counter)
    odd_keys: frozenset[str] = frozenset()
    sessions: frozenset[str] = frozenset()
    scanned_bytes: tuple[int, ...] = ()

    def __add__(self, other: FoundObjects) -> FoundObjects:
        return FoundObjects(
            self.lines + other.lines,
            self.odd_keys | other.odd_keys,
            self.sessions | other.sessions,
            self.scanned_bytes + other.scanned_bytes,
        )


@dataclass(frozen=True)
class ArchiveSearch:
    """Queries over the archive of one deployment, over all its days until ``today``."""

    engine: QueryEngine
    bucket_name: str
    today: date

    def of_user(self, user_id: str) -> FoundObjects:
        """Return the objects that have a user id, and the sessions of its events."""
        return self._run(user_query(user_id, self._days))

    def of_sessions(self, sessions: Iterable[str]) -> FoundObjects:
        """Return the objects that have events of some sessions without a user id."""
        parts = batches(
            sorted(sessions),
            max_items=SESSIONS_PER_QUERY,
            size_bytes=lambda session: len(session.encode()),
            max_bytes=SESSION_BYTES_PER_QUERY,
        )
        return sum((self._run(sessions_query(part, self._days)) for part in parts), FoundObjects())

    @property
    def _days(self) -> Days:
        # One more day: the archive may be in tomorrow's by the end of a run.
        return Days(FIRST_DAY, self.today + timedelta(days=1))

    def _run(self, query: BoundQuery) -> FoundObjects:
        lines: Counter[str] = Counter()
        odd_keys: set[str] = set()
        sessions: set[str] = set()
        with self.engine.run(query) as result:
            for address, session, count in result.rows:
                key = address.removeprefix(f"s3://{self.bucket_name}/")
                if session:
                    lines[key] += int(count)
                    sessions.update(filter(is_searchable, [session]))
                else:
                    odd_keys.add(key)
            return FoundObjects(lines, frozenset(odd_keys), frozenset(sessions), (result.scanned_bytes,))


def user_query(user_id: str, days: Days) -> BoundQuery:
    """Return the query of the objects that have a user id, by session. A line without a session is odd."""
    return _query(_OF_USER, [user_id, user_id], days)


def sessions_query(sessions: Sequence[str], days: Days) -> BoundQuery:
    """Return the query of the objects that have events of some sessions without a user id."""
    condition = _OF_SESSIONS.format(
        places=", ".join("?" * len(sessions)), texts=" OR ".join(["strpos(line, ?) > 0"] * len(sessions))
    )
    return _query(condition, [*sessions, *sessions], days)


def _query(condition: str, values: Sequence[str], days: Days) -> BoundQuery:
    sql = read_statement(Path(__file__).with_suffix(".sql")).replace("/* condition */", condition)
    return BoundQuery(sql, [days.first.isoformat(), days.last.isoformat(), *values], days)
