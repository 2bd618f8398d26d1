"""The metadata of items: the columns of items.csv and the properties of PutItems.

A column has two spellings, NUMBER_OF_PAGES in a file and numberOfPages in PutItems. Both find it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from local.personalize.errors import InvalidInputError


class Metadata:
    """Values by item and column. Values are text, as in the service's responses."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, str]] = {}
        self._names: dict[str, Mapping[str, Any]] = {}
        self._columns: set[str] = set()

    def put(self, item_id: str, properties: Mapping[str, Any]) -> None:
        """Replace all metadata of an item."""
        self._names[item_id] = properties
        self._values[item_id] = {_column(name): str(value) for name, value in properties.items()}
        self._columns.update(self._values[item_id])

    def item(self, item_id: str) -> Mapping[str, Any] | None:
        """Return all metadata of an item, under the names that were put."""
        return self._names.get(item_id)

    def require(self, columns: Iterable[str]) -> None:
        """Raise InvalidInputError for a column that no item has."""
        for column in columns:
            if _column(column) not in self._columns:
                raise InvalidInputError(f"metadataColumns: the items have no column {column}")

    def pick(self, item_id: str, columns: Iterable[str]) -> dict[str, str]:
        """Return the requested columns that the item has, under the requested names."""
        values = self._values.get(item_id, {})
        return {column: values[_column(column)] for column in columns if _column(column) in values}


def _column(name: str) -> str:
    return name.replace("_", "").casefold()
