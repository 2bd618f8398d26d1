"""What the page shows of a data folder: items, filters, some users, event types. The engine checked it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from local.personalize.filters.parser import FilterSyntaxError, parse
from local.personalize.filters.tree import Comparison, CurrentItem, Filter, Parameter

MAX_ITEMS = 1000
"""Of one response that names no item."""
MAX_USERS = 24
_FIRST_ROWS = 20_000
"""Of interactions.csv, which may have millions."""
# The first of these columns that the file has. Personalize reserves none of these names.
_TITLE = ("TITLE", "NAME", "ITEM_NAME", "PRODUCT_NAME")
_AUTHOR = ("AUTHOR", "AUTHORS", "CREATOR", "ARTIST", "DIRECTOR", "BRAND")
_GENRES = ("GENRES", "GENRE", "CATEGORIES", "CATEGORY", "CATEGORY_L1")
_YEAR = ("YEAR", "RELEASE_YEAR")
_ITEM_ID = "ITEM_ID"


class Catalogue:
    """The content of one data folder, read once."""

    def __init__(self, data: Path) -> None:
        self.columns = tuple(_header(data / "items.csv"))
        self.items = {row[_ITEM_ID]: item_of(row) for row in _rows(data / "items.csv")}
        self.filters = [*_filters(data / "filters.json")]
        interactions = [*islice(_rows(data / "interactions.csv"), _FIRST_ROWS)]
        users = (row["USER_ID"] for row in (*_rows(data / "users.csv"), *interactions))
        self.users = [*islice(dict.fromkeys(users), MAX_USERS)]
        types = (row.get("EVENT_TYPE", "") for row in interactions)
        self.event_types = sorted({each for each in types if each})

    def settings(self) -> dict[str, Any]:
        """Return the members of ``/api/config`` that come from the data."""
        return {
            "filters": self.filters,
            "users": self.users,
            "eventTypes": self.event_types,
            "metadataColumns": [name for name in self.columns if name != _ITEM_ID],
        }

    def some(self, ids: Iterable[str]) -> dict[str, Any]:
        """Return the members of ``/api/items``: the items with these ids, or the first ones without any."""
        wanted = [*dict.fromkeys(ids)]
        named = (self.items[each] for each in wanted if each in self.items)
        found = named if wanted else islice(self.items.values(), MAX_ITEMS)
        return {"items": [*found], "total": len(self.items)}


def item_of(row: Mapping[str, str]) -> dict[str, Any]:
    """Return an item of items.csv. ``metadata`` has the columns that are nothing else."""
    named = {name.upper(): name for name in row}
    columns = {
        member: next((named[name] for name in names if name in named), None)
        for member, names in (("title", _TITLE), ("author", _AUTHOR), ("genres", _GENRES), ("year", _YEAR))
    }
    values = {member: row[column] if column else "" for member, column in columns.items()}
    others = {name for name in row if name != _ITEM_ID} - {*columns.values()}
    return {
        "id": row[_ITEM_ID],
        "title": values["title"] or row[_ITEM_ID],
        "author": values["author"] or None,
        "genres": [genre for genre in values["genres"].split("|") if genre],
        "year": _whole_number(values["year"]),
        "metadata": {name: row[name] for name in row if name in others and row[name]},
    }


def filter_of(name: str, expression: str) -> dict[str, Any]:
    """Return a filter as the page offers it. Raises FilterSyntaxError.

    ``target`` is ``items``, ``actions`` or ``users``. A parameter's ``field`` is the column that it is
    compared with; ``type`` is ``number`` where only a number can be.
    """
    read = parse(expression)
    return {
        "name": name,
        "expression": expression,
        "target": read.target.name.lower(),
        "parameters": [*_parameters(read)],
        "needsItem": read.uses_current_item(),
        "needsUser": read.uses_current_user(),
    }


def _parameters(read: Filter) -> Iterator[dict[str, Any]]:
    required = read.required_parameters()
    seen: set[str] = set()
    for expression in read.expressions:
        for condition in expression.conditions():
            if isinstance(condition.operands, CurrentItem):
                continue
            for operand in condition.operands:
                if isinstance(operand, Parameter) and operand.name not in seen:
                    seen.add(operand.name)
                    is_number = isinstance(condition, Comparison) and condition.operator not in ("=", "!=")
                    yield {
                        "name": operand.name,
                        "field": condition.column.upper(),
                        "type": "number" if is_number else "text",
                        "isRequired": operand.name in required,
                    }


def _filters(path: Path) -> Iterator[dict[str, Any]]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
        for entry in entries:
            yield filter_of(entry["name"], entry["filterExpression"])
    except (OSError, ValueError, KeyError, TypeError, FilterSyntaxError):
        return  # the engine loaded another version of the file


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [*(csv.DictReader(file).fieldnames or ())]
    except OSError:
        return []


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows; none of a file that is not there, which is allowed for all but interactions.csv."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)
    except OSError:
        return


def _whole_number(text: str) -> int | None:
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None
