"""The interactions of users and sessions with items, in memory. Pure: no I/O, no clock.

The columns only grow, by doubling. An index leads from each user and each session to its rows. A million
interactions take a few tens of megabytes.

A session is anonymous until one of its events has a user. From then on its events belong to that user, the
earlier ones too. The events of an anonymous session count for that session only and are not trained on.
https://docs.aws.amazon.com/personalize/latest/dg/recording-item-interaction-events.html
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

NOBODY = -1
NEWEST_EVENTS = 100
"""So many latest events of a user and an event type count for a filter on items."""
_FIRST_ROWS = 1024


@dataclass(frozen=True)
class Snapshot:
    """The columns at one moment, for a fit in another thread."""

    users: Ints
    items: Ints
    times: Floats
    item_count: int


class Interactions:
    """Interactions by user, session and item. Callers use ids; the columns hold numbers for them.

    ``newest_events`` is how many events of a user and a type count for a filter. ``learnt_types`` are the
    event types that make a profile and train the model; None: all. ``type_key`` returns a type in the one
    spelling by which types are compared.
    """

    def __init__(
        self,
        newest_events: int = NEWEST_EVENTS,
        learnt_types: frozenset[str] | None = None,
        type_key: Callable[[str], str] = str.casefold,
    ) -> None:
        self._newest_events = newest_events
        self._learnt_types = learnt_types
        self._type_key = type_key
        self._users: dict[str, int] = {}
        self._sessions: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self.item_ids: list[str] = []
        self._rows_of_user: list[array[int]] = []
        self._rows_of_session: list[array[int]] = []
        self._owner_of_session: list[int] = []
        self._user_column = np.empty(0, dtype=np.int32)
        self._item_column = np.empty(0, dtype=np.int32)
        self._time_column = np.empty(0, dtype=np.float64)
        self._types: dict[str, int] = {}
        self._type_column = np.empty(0, dtype=np.int32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def user_count(self) -> int:
        """The number of known users."""
        return len(self._users)

    def add_item(self, item_id: str) -> int:
        """Make an item known, with or without interactions, and return its index."""
        index = self._items.get(item_id)
        if index is None:
            index = self._items[item_id] = len(self.item_ids)
            self.item_ids.append(item_id)
        return index

    def item_index(self, item_id: str) -> int | None:
        """Return the index of an item, or None for an unknown one."""
        return self._items.get(item_id)

    def add_history(self, rows: Iterable[tuple[str, str, float, str]]) -> None:
        """Add imported interactions: (user id, item id, time in seconds, type). They belong to no session."""
        users, items, times, types = array("i"), array("i"), array("d"), array("i")
        for user_id, item_id, at, event_type in rows:
            user = self._user(user_id)
            self._rows_of_user[user].append(self._count + len(users))
            users.append(user)
            items.append(self.add_item(item_id))
            times.append(at)
            types.append(self._type(event_type))
        self._user_column = np.concatenate((self._user_column[: self._count], np.array(users, np.int32)))
        self._item_column = np.concatenate((self._item_column[: self._count], np.array(items, np.int32)))
        self._time_column = np.concatenate((self._time_column[: self._count], np.array(times, np.float64)))
        self._type_column = np.concatenate((self._type_column[: self._count], np.array(types, np.int32)))
        self._count += len(users)

    def add_event(
        self, session_id: str, user_id: str | None, item_id: str | None, at: float, event_type: str = ""
    ) -> None:
        """Add one event, in order of arrival. An event without an item can still give a session its user."""
        session = self._session(session_id)
        if user_id is not None:
            self._claim(session, self._user(user_id))
        if item_id is None:
            return
        owner = self._owner_of_session[session]
        row = self._append(owner, self.add_item(item_id), at, self._type(event_type))
        self._rows_of_session[session].append(row)
        if owner != NOBODY:
            self._rows_of_user[owner].append(row)

    def profile(self, user_or_session_id: str) -> Ints:
        """Return the items of a user, or of a session when there is no such user: each once, latest first."""
        rows = self._rows(user_or_session_id)
        return self._latest_first(rows[self._learnt(rows)])

    def items_with_events(self, user_or_session_id: str, event_types: frozenset[str] | None) -> Ints:
        """Return the items with which a user, or a session, had events of some types, or of any (None).

        Only the latest of each type count.
        """
        return self.events_of(user_or_session_id, event_types)[0]

    def events_of(self, user_or_session_id: str, event_types: frozenset[str] | None) -> tuple[Ints, Floats]:
        """Return the items of the same events, and their times in seconds."""
        rows = self._rows(user_or_session_id)
        types = self._type_column[rows]
        wanted = np.unique(types) if event_types is None else self._known_types(event_types)
        found = [self._newest(rows[types == each]) for each in wanted]
        rows = np.concatenate(found) if found else rows[:0]
        return self._item_column[rows], self._time_column[rows]

    def _rows(self, user_or_session_id: str) -> Rows:
        user = self._users.get(user_or_session_id)
        session = self._sessions.get(user_or_session_id)
        if user is not None:
            return np.array(self._rows_of_user[user], dtype=np.int64)
        return np.array(self._rows_of_session[session] if session is not None else (), dtype=np.int64)

    def _newest(self, rows: Rows) -> Rows:
        if len(rows) <= self._newest_events:
            return rows
        return rows[np.lexsort((rows, self._time_column[rows]))[-self._newest_events :]]

    def _learnt(self, rows: Rows | slice) -> Mask | slice:
        """Return which of some rows count for a profile and the model."""
        if self._learnt_types is None:
            return slice(None)
        return np.isin(self._type_column[rows], self._known_types(self._learnt_types))

    def _known_types(self, names: Iterable[str]) -> list[int]:
        return [self._types[key] for key in {self._type_key(name) for name in names} if key in self._types]

    def snapshot(self) -> Snapshot:
        """Return the current columns. Another thread may append: rows below the count keep their item."""
        rows = slice(self._count)
        learnt = self._learnt(rows)
        return Snapshot(
            users=self._user_column[rows][learnt],
            items=self._item_column[rows][learnt],
            times=self._time_column[rows][learnt],
            item_count=len(self.item_ids),
        )

    def _latest_first(self, rows: Rows) -> Ints:
        # Of two interactions with the same time, the one that arrived later counts as the later one.
        order = np.lexsort((rows, self._time_column[rows]))[::-1]
        items = self._item_column[rows[order]]
        _, first = np.unique(items, return_index=True)
        return items[np.sort(first)]

    def _claim(self, session: int, user: int) -> None:
        if self._owner_of_session[session] == NOBODY:
            for row in self._rows_of_session[session]:
                self._user_column[row] = user
                self._rows_of_user[user].append(row)
        # On a shared device, the last user who signed in owns the events from then on, not the earlier ones.
        self._owner_of_session[session] = user

    def _user(self, user_id: str) -> int:
        index = self._users.get(user_id)
        if index is None:
            index = self._users[user_id] = len(self._rows_of_user)
            self._rows_of_user.append(array("q"))
        return index

    def _session(self, session_id: str) -> int:
        index = self._sessions.get(session_id)
        if index is None:
            index = self._sessions[session_id] = len(self._rows_of_session)
            self._rows_of_session.append(array("q"))
            self._owner_of_session.append(NOBODY)
        return index

    def _type(self, name: str) -> int:
        return self._types.setdefault(self._type_key(name), len(self._types))

    def _append(self, user: int, item: int, at: float, event_type: int) -> int:
        row = self._count
        if row == len(self._user_column):
            more = max(row, _FIRST_ROWS)
            self._user_column = np.concatenate((self._user_column, np.empty(more, np.int32)))
            self._item_column = np.concatenate((self._item_column, np.empty(more, np.int32)))
            self._time_column = np.concatenate((self._time_column, np.empty(more, np.float64)))
            self._type_column = np.concatenate((self._type_column, np.empty(more, np.int32)))
        self._user_column[row] = user
        self._item_column[row] = item
        self._time_column[row] = at
        self._type_column[row] = event_type
        # The count changes last, because a snapshot in another thread reads it first.
        self._count = row + 1
        return row
