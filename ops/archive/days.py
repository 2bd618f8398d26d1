"""The days of the archive that a query reads. Every query has a first and a last one. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from ops.errors import InputError

DEFAULT_DAYS = 7
"""Read when no day is given: today and those before it."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True)
class Days:
    """Days in UTC, both ends included: partitions ``dt``, the days on which Firehose had the events."""

    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"

    def contains(self, day: str) -> bool:
        """Return whether a partition, such as ``2026-01-31``, is one of the days."""
        return self.first.isoformat() <= day <= self.last.isoformat()


def to_days(first: str | None, last: str | None, today: date) -> Days:
    """Return the days of FROM and TO. Raises InputError, which names the parameter."""
    last_day = _to_day("TO", last) if last else today
    first_day = _to_day("FROM", first) if first else last_day - timedelta(days=DEFAULT_DAYS - 1)
    if first_day > last_day:
        raise InputError(f"FROM ({first_day}) must not be after TO ({last_day}).")
    return Days(first_day, last_day)


def _to_day(name: str, text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise InputError(f"{name} must be a day such as 2026-01-31.")
