"""Items or actions: their metadata, the interactions with them, and the recommender that learns from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from local.personalize.columns import Columns, Floats, Mask, column_key
from local.personalize.errors import InvalidInputError
from local.personalize.filters.evaluation import FilterData, allowed
from local.personalize.filters.tree import Filter, Target
from local.personalize.filters.values import parameter_values
from local.personalize.interactions import Interactions
from local.personalize.model import fit
from local.personalize.recommender import Recommender
from local.personalize.requests import Record

_NAMES = {Target.ITEMS: "items", Target.ACTIONS: "actions", Target.USERS: "users, as batch jobs do"}


class Users:
    """The metadata of users."""

    def __init__(self) -> None:
        self.columns = Columns()
        self._rows: dict[str, int] = {}

    def put(self, record: Record) -> None:
        """Add a user, or replace the metadata of a known one."""
        self.columns.put(self._rows.setdefault(record.record_id, len(self._rows)), record.properties)

    def row(self, user_id: str | None) -> int | None:
        """Return the row of a user, or None."""
        return self._rows.get(user_id) if user_id is not None else None


class Dataset:
    """What there is to recommend. ``target`` is what filters call it."""

    def __init__(self, target: Target, users: Users, interactions: Interactions | None = None) -> None:
        self.interactions = Interactions() if interactions is None else interactions
        self.recommender = Recommender(self.interactions)
        self.columns = Columns()
        self.fitted_interactions = 0
        self._target = target
        self._users = users

    def put(self, record: Record) -> None:
        """Add a record, or replace the metadata of a known one."""
        self.columns.put(self.interactions.add_item(record.record_id), record.properties)

    def refit(self) -> None:
        """Fit a new model to all interactions so far."""
        fitted_interactions = len(self.interactions)
        self.recommender.model = fit(self.interactions.snapshot())
        self.fitted_interactions = fitted_interactions

    def allowed(
        self, wanted: Filter, texts: Mapping[str, str], user_id: str | None, item_id: str | None = None
    ) -> Mask:
        """Return which rows a filter allows. The last row stands for everything that is not known.

        Raises InvalidInputError for a filter that the request cannot use.
        """
        if wanted.target is not self._target:
            raise InvalidInputError(
                f"The filter is for {_NAMES[wanted.target]}, not for {_NAMES[self._target]}"
            )
        if wanted.uses_current_item() and item_id is None:
            raise InvalidInputError(
                "The filter uses CurrentItem, which needs an itemId and a campaign for related items"
            )
        if wanted.uses_current_user() and user_id is None:
            raise InvalidInputError("The filter uses CurrentUser, which needs a userId")
        data = FilterData(
            count=len(self.interactions.item_ids) + 1,
            columns=self.columns,
            users=self._users.columns,
            user=self._users.row(user_id),
            current_item=self.interactions.item_index(item_id) if item_id is not None else None,
            rows_with_events=lambda types: self.interactions.items_with_events(user_id or "", types),
            values=parameter_values(wanted, texts),
        )
        return allowed(wanted, data)

    def numbers(self, column: str) -> Floats:
        """Return the numbers of all records in a column. What is not a number is NaN."""
        return self.columns.numbers(column, len(self.interactions.item_ids))

    def known(self, mask: Mask, ids: Iterable[str]) -> tuple[str, ...]:
        """Return the ids that a mask of ``allowed`` allows."""
        unknown = len(mask) - 1
        rows = ((each, self.interactions.item_index(each)) for each in ids)
        return tuple(each for each, row in rows if mask[unknown if row is None else row])

    def require(self, columns: Iterable[str]) -> None:
        """Raise InvalidInputError for a column that no record has."""
        for column in columns:
            if column_key(column) not in self.columns.names:
                raise InvalidInputError(
                    f"metadataColumns: the {_NAMES[self._target]} have no column {column}"
                )

    def pick(self, record_id: str, columns: Iterable[str]) -> dict[str, str]:
        """Return the requested columns that the record has, under the requested names."""
        row = self.interactions.item_index(record_id)
        values = ((column, self.columns.value(row, column)) for column in columns)
        return {column: value for column, value in values if value is not None}

    def record(self, record_id: str) -> Mapping[str, Any] | None:
        """Return the metadata of a known record under the names that were put, or None."""
        row = self.interactions.item_index(record_id)
        return dict(self.columns.record(row)) if row is not None else None
