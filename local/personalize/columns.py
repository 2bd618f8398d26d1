"""The values of one dataset (items, users or actions), by row and column, and indices over them.

Values are kept as text, as in the import files and in the responses of the service. A column has two
spellings, NUMBER_OF_PAGES in a file and numberOfPages in PutItems. Both find it. The index of a column is
made when a filter first asks for it, and kept up to date afterwards.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")

SEPARATOR = "|"
"""It stands between the categories of a field that has several."""


class Columns:
    """The values of a dataset. Rows are numbers that the caller gives out."""

    def __init__(self) -> None:
        self._records: dict[int, Mapping[str, Any]] = {}
        self._values: dict[int, dict[str, str]] = {}
        self._names: set[str] = set()
        self._categories: dict[str, _Categories] = {}
        self._numbers: dict[str, _Numbers] = {}

    def put(self, row: int, record: Mapping[str, Any]) -> None:
        """Replace all values of a row."""
        before = self._values.get(row, {})
        after = {column_key(name): as_text(value) for name, value in record.items() if value is not None}
        self._records[row], self._values[row] = record, after
        self._names.update(after)
        for name, categories in self._categories.items():
            categories.replace(row, before.get(name), after.get(name))
        for name, numbers in self._numbers.items():
            numbers.put(row, after.get(name))

    def record(self, row: int) -> Mapping[str, Any]:
        """Return what was put for a row, under the names that were put."""
        return self._records.get(row, {})

    @property
    def names(self) -> Set[str]:
        """The columns in which a row has or had a value, as ``column_key`` writes them."""
        return self._names

    def value(self, row: int | None, column: str) -> str | None:
        """Return the value of a row as text, or None."""
        return self._values.get(row, {}).get(column_key(column)) if row is not None else None

    def rows_with(self, column: str, category: str) -> Rows:
        """Return the rows that have a category in a column."""
        name = column_key(column)
        if name not in self._categories:
            self._categories[name] = _Categories(self._column(name))
        return self._categories[name].rows(category)

    def numbers(self, column: str, count: int) -> Floats:
        """Return the numbers of the first ``count`` rows in a column. What is not a number is NaN."""
        name = column_key(column)
        if name not in self._numbers:
            self._numbers[name] = _Numbers(self._column(name))
        return self._numbers[name].first(count)

    def _column(self, name: str) -> Iterable[tuple[int, str]]:
        return ((row, values[name]) for row, values in self._values.items() if name in values)


class _Categories:
    """The rows of each category of a column."""

    def __init__(self, values: Iterable[tuple[int, str]]) -> None:
        self._rows: dict[str, set[int]] = {}
        self._arrays: dict[str, Rows] = {}
        for row, text in values:
            self.replace(row, None, text)

    def replace(self, row: int, before: str | None, after: str | None) -> None:
        for category in categories_of(before):
            self._rows[category].discard(row)
            self._arrays.pop(category, None)
        for category in categories_of(after):
            self._rows.setdefault(category, set()).add(row)
            self._arrays.pop(category, None)

    def rows(self, category: str) -> Rows:
        if category not in self._rows:
            return np.empty(0, dtype=np.int64)
        if category not in self._arrays:
            rows = self._rows[category]
            self._arrays[category] = np.fromiter(rows, dtype=np.int64, count=len(rows))
        return self._arrays[category]


class _Numbers:
    """The numbers of a column by row. The array grows by doubling."""

    def __init__(self, values: Iterable[tuple[int, str]]) -> None:
        self._array = np.full(1024, np.nan)
        for row, text in values:
            self.put(row, text)

    def put(self, row: int, text: str | None) -> None:
        self._reach(row + 1)
        self._array[row] = as_number(text)

    def first(self, count: int) -> Floats:
        self._reach(count)
        return self._array[:count]

    def _reach(self, count: int) -> None:
        if count > len(self._array):
            more = np.full(max(count - len(self._array), len(self._array)), np.nan)
            self._array = np.concatenate((self._array, more))


def column_key(name: str) -> str:
    """Return what the two spellings of a column have in common."""
    return name.replace("_", "").casefold()


def categories_of(text: str | None) -> Iterable[str]:
    """Return the categories of a field."""
    return text.split(SEPARATOR) if text is not None else ()


def as_number(text: str | None) -> float:
    """Return the number that a text is, or NaN."""
    return float(text) if text is not None and _NUMBER.fullmatch(text) else math.nan


def as_text(value: Any) -> str:
    """Return a JSON value as the text that stands in a file: 7, 4.5, true."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
