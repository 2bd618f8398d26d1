"""What a query is and what runs it, whichever engine it is: Athena, or DuckDB for the local archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ops.archive.days import Days
from ops.archive.literals import Value

_NUMBERS = ("tinyint", "smallint", "integer", "bigint", "hugeint", "real", "float", "double", "decimal")


@dataclass(frozen=True)
class BoundQuery:
    """SQL in Athena's dialect, a value for each of its question marks, and the days that it reads."""

    sql: str
    values: Sequence[Value]
    days: Days


@dataclass(frozen=True)
class Column:
    """A column of a result. ``type`` is the engine's name of it, in small letters."""

    name: str
    type: str

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.type.startswith(_NUMBERS)


@dataclass(frozen=True)
class Result:
    """The result of a query. ``rows`` are texts in the order of the columns, read as they are needed.

    An empty text stands for null too. ``scanned_bytes`` is what the engine has read of the archive.
    """

    columns: Sequence[Column]
    rows: Iterator[Sequence[str]]
    scanned_bytes: int


class QueryEngine(Protocol):
    """Something that runs queries over the archive of one stage."""

    def run(self, query: BoundQuery) -> AbstractContextManager[Result]:
        """Run a query. The rows can be read inside of the with statement. Raises OpsError."""
