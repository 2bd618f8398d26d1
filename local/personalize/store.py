"""What was put and recorded, in SQLite, which keeps it over restarts. The only module with SQL.

When a method that writes has returned, its data is on disk (write-ahead log, synchronous=FULL). There is one
connection, and no other program can open the database. The caller uses it from one thread at a time.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.personalize.action_requests import ActionInteraction, PutActionInteractionsRequest
from local.personalize.errors import StartError
from local.personalize.requests import Event, PutEventsRequest, Record
from ops.command_lines import shell_line

MAX_SESSION_IDS = 10_000
"""So many sessions one call of ``forget`` takes: SQLite has a limit for the parameters of a statement."""
_SCHEMAS = (
    """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    call_id TEXT NOT NULL,
    user_id TEXT,
    session_id TEXT NOT NULL,
    item_id TEXT,
    event_type TEXT NOT NULL,
    event_value REAL,
    sent_at REAL NOT NULL,
    received_at REAL NOT NULL,
    properties TEXT,
    recommendation_id TEXT,
    impression TEXT,
    attribution_source TEXT
);
CREATE TABLE records (
    kind TEXT NOT NULL,
    record_id TEXT NOT NULL,
    properties TEXT NOT NULL,
    PRIMARY KEY (kind, record_id)
);
""",
    """
CREATE TABLE action_interactions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    call_id TEXT NOT NULL,
    received_at REAL NOT NULL,
    action_id TEXT NOT NULL,
    user_id TEXT,
    session_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    timestamp REAL NOT NULL,
    properties TEXT,
    recommendation_id TEXT,
    impression TEXT
);
""",
    """
CREATE TABLE forgotten_users (
    user_hash TEXT NOT NULL PRIMARY KEY
);
""",
)
"""What each version of the schema adds to the one before. A database of an earlier version is brought up."""
_DAMAGED = "something in it is damaged"
_TABLES = ("events", "records", "action_interactions", "forgotten_users")
_OUTSIDE_CAUSES = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)
"""Primary result codes (sqlite.org/rescode.html) that say nothing against the database: it must not go."""

_FORGOTTEN = "SELECT user_hash FROM forgotten_users"
_SESSIONS_OF_USER = (
    "SELECT session_id FROM events WHERE user_id = ? UNION "
    "SELECT session_id FROM action_interactions WHERE user_id = ?"
)
_COLUMNS = (
    "event_id, call_id, user_id, session_id, item_id, event_type, event_value, sent_at, received_at, "
    "properties, recommendation_id, impression, attribution_source"
)
_ACTION_COLUMNS = (
    "event_id, call_id, received_at, action_id, user_id, session_id, event_type, timestamp, properties, "
    "recommendation_id, impression"
)


@dataclass(frozen=True)
class Call:
    """One PutEvents or PutActionInteractions call to store. ``received_at`` is in seconds since 1970."""

    call_id: str
    received_at: float
    request: PutEventsRequest | PutActionInteractionsRequest


@dataclass(frozen=True)
class StoredEvent:
    """An accepted event: the first one with its id. ``seq`` is its number in order of arrival."""

    seq: int
    event: Event
    call_id: str
    user_id: str | None
    session_id: str
    received_at: float


@dataclass(frozen=True)
class StoredActionInteraction:
    """An accepted action interaction: the first one with its id."""

    seq: int
    interaction: ActionInteraction
    call_id: str
    received_at: float


Stored = StoredEvent | StoredActionInteraction


@dataclass(frozen=True)
class Contents:
    """Everything that is stored. Events and action interactions are each in order of arrival.

    ``forgotten_users`` has the ``user_hash`` of everybody who was forgotten.
    """

    items: Sequence[Record]
    users: Sequence[Record]
    actions: Sequence[Record]
    events: Sequence[Stored]
    forgotten_users: frozenset[str]


@dataclass(frozen=True)
class RemovedRows:
    """How many rows of a person were removed. ``is_first`` says that the person was not forgotten before."""

    events: int
    action_interactions: int
    users: int
    is_first: bool


class Store:
    """The database at ``path``, created when it is missing. Raises StartError when it cannot be used."""

    def __init__(self, path: Path, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._path = path
        with _usable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _open(path)

    def contents(self) -> Contents:
        """Return everything that is stored. Raises StartError for a database with a row that is damaged."""
        with _usable(self._path):
            for table in _TABLES:
                _check_types(self._connection, table)
            return Contents(
                list(self.records("item")),
                list(self.records("user")),
                list(self.records("action")),
                [*self.events(), *self.action_interactions()],
                frozenset(each for (each,) in self._connection.execute(_FORGOTTEN)),
            )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Store everything that the body of the with statement writes, or nothing when it fails."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # some errors, such as a full disk, end it themselves
                connection.execute("ROLLBACK")
            raise

    def append(self, calls: Sequence[Call]) -> list[list[Stored]]:
        """Store all calls with one flush to disk. Return for each call what of it was new."""
        with self.transaction():
            return [list(self._append_call(call)) for call in calls]

    def _append_call(self, call: Call) -> Iterator[Stored]:
        if isinstance(call.request, PutEventsRequest):
            yield from self._append_events(call, call.request)
        else:
            yield from self._append_action_interactions(call, call.request)

    def _append_events(self, call: Call, request: PutEventsRequest) -> Iterator[StoredEvent]:
        for event in request.events:
            values = (
                event.event_id or self._new_id(),
                call.call_id,
                request.user_id,
                request.session_id,
                event.item_id,
                event.event_type,
                event.event_value,
                event.sent_at,
                call.received_at,
                event.properties,
                event.recommendation_id,
                json.dumps(event.impression) if event.impression is not None else None,
                event.attribution_source,
            )
            yield from map(_stored_event, self._insert("events", _COLUMNS, values))

    def _append_action_interactions(
        self, call: Call, request: PutActionInteractionsRequest
    ) -> Iterator[StoredActionInteraction]:
        for each in request.interactions:
            values = (
                each.event_id or self._new_id(),
                call.call_id,
                call.received_at,
                each.action_id,
                each.user_id,
                each.session_id,
                each.event_type,
                each.timestamp,
                each.properties,
                each.recommendation_id,
                json.dumps(each.impression) if each.impression is not None else None,
            )
            rows = self._insert("action_interactions", _ACTION_COLUMNS, values)
            yield from map(_stored_action_interaction, rows)

    def _insert(self, table: str, columns: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Insert a row. Return it with its ``seq``, or nothing when its event id is there already."""
        places = ", ".join("?" * len(values))
        return self._connection.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({places}) "  # noqa: S608 # nosec B608
            f"ON CONFLICT (event_id) DO NOTHING RETURNING seq, {columns}",
            values,
        ).fetchall()

    def events(self, after: int = 0, limit: int = -1) -> Iterator[StoredEvent]:
        """Return the events with a ``seq`` above ``after``, in order of arrival. A negative limit: all."""
        query = f"SELECT seq, {_COLUMNS} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 # nosec B608
        for row in self._connection.execute(query, (after, limit)):
            yield _stored_event(row)

    def action_interactions(self, after: int = 0, limit: int = -1) -> Iterator[StoredActionInteraction]:
        """Return the action interactions in the way of ``events``."""
        query = f"SELECT seq, {_ACTION_COLUMNS} FROM action_interactions WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 # nosec B608
        for row in self._connection.execute(query, (after, limit)):
            yield _stored_action_interaction(row)

    def last_event(self) -> int:
        """Return the ``seq`` of the last event; 0 without any."""
        return self._last("events")

    def last_action_interaction(self) -> int:
        """Return the ``seq`` of the last action interaction; 0 without any."""
        return self._last("action_interactions")

    def _last(self, table: str) -> int:
        (last,) = self._connection.execute(f"SELECT COALESCE(MAX(seq), 0) FROM {table}").fetchone()  # noqa: S608 # nosec B608
        return int(last)

    def put_records(self, kind: str, records: Iterable[Record]) -> None:
        """Store items, users or actions. A later record with the same id replaces the earlier one."""
        rows = [(kind, record.record_id, json.dumps(record.properties)) for record in records]
        with self.transaction():
            self._connection.executemany(
                "INSERT INTO records VALUES (?, ?, ?) "
                "ON CONFLICT (kind, record_id) DO UPDATE SET properties = excluded.properties",
                rows,
            )

    def records(self, kind: str) -> Iterator[Record]:
        """Return the stored records of a kind, ``item``, ``user`` or ``action``."""
        query = "SELECT record_id, properties FROM records WHERE kind = ? ORDER BY rowid"
        for record_id, properties in self._connection.execute(query, (kind,)):
            yield Record(record_id, _properties(properties))

    def forget(self, user_id: str, session_ids: Sequence[str]) -> RemovedRows:
        """Remove a person within a transaction, and remember the hash. Call ``erase`` after its end.

        ``session_ids`` are further sessions of the person, at most MAX_SESSION_IDS. In a session of the
        person, rows without a user go and rows of another user stay.
        """
        places = ", ".join("?" * len(session_ids))
        without_user = (
            f"user_id IS NULL AND (session_id IN ({places}) OR session_id IN ({_SESSIONS_OF_USER}))"
        )
        removed: Counter[str] = Counter()
        # Rows without a user go first: the others say which sessions are the person's.
        for condition, values in (
            (without_user, [*session_ids, user_id, user_id]),
            ("user_id = ?", [user_id]),
        ):
            for table in ("events", "action_interactions"):
                removed[table] += self._delete(table, condition, values)
        removed["records"] = self._delete("records", "kind = 'user' AND record_id = ?", [user_id])
        is_new = self._connection.execute(
            "INSERT INTO forgotten_users VALUES (?) ON CONFLICT DO NOTHING", [user_hash(user_id)]
        ).rowcount
        return RemovedRows(
            removed["events"], removed["action_interactions"], removed["records"], is_first=bool(is_new)
        )

    def _delete(self, table: str, condition: str, values: Sequence[str]) -> int:
        """Return the number of deleted rows."""
        return self._connection.execute(f"DELETE FROM {table} WHERE {condition}", values).rowcount  # noqa: S608 # nosec B608

    def erase(self) -> None:
        """Remove the bytes of what was deleted and replaced from the database and its log.

        SQLite keeps them in free space, some even with ``PRAGMA secure_delete``: a page that was split keeps
        copies of rows that moved to the other half. So the database is written anew.
        """
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


def user_hash(user_id: str) -> str:
    """Return what the database remembers of a user who was forgotten: the SHA-256 of the id, in hex."""
    return hashlib.sha256(user_id.encode()).hexdigest()


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    """Raise StartError for everything that a damaged database makes the body of the with statement raise."""
    try:
        yield
    except (OSError, sqlite3.Error, ValueError, TypeError, RecursionError) as error:
        raise StartError(_open_problem(path, _without_data(error))) from error


def _without_data(error: Exception) -> Exception:
    """Return the error, or another one for an error of Python's: its message may quote an event."""
    of_python = not isinstance(error, (OSError, sqlite3.DatabaseError))
    is_decoding = type(error) is sqlite3.OperationalError and not hasattr(error, "sqlite_errorcode")
    return sqlite3.DatabaseError(_DAMAGED) if of_python or is_decoding else error


def _open(path: Path) -> sqlite3.Connection:
    is_new = not path.exists()
    if not is_new and not path.stat().st_size:
        raise sqlite3.DatabaseError("it is empty")
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        # Exclusive: a second engine on the same file would not know the events of the first one.
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}")
        _check_pages(connection)
        _prepare_schema(connection)
    except BaseException:
        connection.close()
        if is_new:  # such as on a full disk: the next start would find an empty file
            path.unlink(missing_ok=True)
        raise
    return connection


def _check_pages(connection: sqlite3.Connection) -> None:
    (problem,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if problem != "ok":
        raise sqlite3.DatabaseError(problem)


def _check_types(connection: sqlite3.Connection, table: str) -> None:
    """Raise DatabaseError for a table with a value of another type than its column: SQLite takes any."""
    columns = connection.execute(
        'SELECT name, lower(type), "notnull" OR pk FROM pragma_table_info(?)', [table]
    )
    wrong = " OR ".join(
        f"typeof({name}) <> '{kind}'" + ("" if is_required else f" AND {name} IS NOT NULL")
        for name, kind, is_required in columns
    )
    if connection.execute(f"SELECT 1 FROM {table} WHERE {wrong or 1} LIMIT 1").fetchone():  # noqa: S608 # nosec B608
        raise sqlite3.DatabaseError(_DAMAGED)


def _prepare_schema(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not 0 <= version <= len(_SCHEMAS):
        raise sqlite3.DatabaseError("another version of the engine created it")
    for number, addition in enumerate(_SCHEMAS[version:], start=version + 1):
        connection.executescript(f"BEGIN; {addition} PRAGMA user_version = {number}; COMMIT;")


def _open_problem(path: Path, error: Exception) -> str:
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return f"{path} is in use by another program; stop it, or name another file with --database."
    if isinstance(error, OSError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _OUTSIDE_CAUSES:
        return (
            f"{path} cannot be used as the database ({error}). Free some space, make it a file that you may "
            "write, or name another file with --database."
        )
    return (
        f"{path} cannot be used as the database ({error}). Remove it, or name another file with --database, "
        f"then start again: {shell_line('rm', str(path))}\n"
        "The engine forgets the events that it was sent then. Nothing else is lost."
    )


def _properties(text: str) -> dict[str, Any]:
    properties = json.loads(text)
    if not isinstance(properties, dict):
        raise TypeError("properties are a JSON object")
    return properties


def _ids(text: str | None) -> tuple[str, ...] | None:
    ids = json.loads(text) if text is not None else None
    if ids is not None and not (isinstance(ids, list) and all(isinstance(each, str) for each in ids)):
        raise TypeError("an impression is a JSON list of ids")
    return None if ids is None else tuple(ids)


def _stored_event(row: tuple[Any, ...]) -> StoredEvent:
    (seq, event_id, call_id, user_id, session_id, item_id, event_type, event_value, sent_at, received_at) = (
        row[:10]
    )
    properties, recommendation_id, impression, attribution_source = row[10:]
    return StoredEvent(
        seq=seq,
        event=Event(
            event_id=event_id,
            event_type=event_type,
            sent_at=sent_at,
            item_id=item_id,
            event_value=event_value,
            properties=properties,
            recommendation_id=recommendation_id,
            impression=_ids(impression),
            attribution_source=attribution_source,
        ),
        call_id=call_id,
        user_id=user_id,
        session_id=session_id,
        received_at=received_at,
    )


def _stored_action_interaction(row: tuple[Any, ...]) -> StoredActionInteraction:
    seq, event_id, call_id, received_at, *values, impression = row
    action_id, user_id, session_id, event_type, timestamp, properties, recommendation_id = values
    return StoredActionInteraction(
        seq=seq,
        interaction=ActionInteraction(
            event_id=event_id,
            action_id=action_id,
            user_id=user_id,
            session_id=session_id,
            event_type=event_type,
            timestamp=timestamp,
            properties=properties,
            recommendation_id=recommendation_id,
            impression=_ids(impression),
        ),
        call_id=call_id,
        received_at=received_at,
    )
