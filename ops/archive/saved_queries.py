"""The queries of ``queries/``: files in Athena's dialect whose first lines say what they answer.

    -- Which items have the most events.            the question
    -- An event counts once, however ...            more about it
    -- parameter FROM: first day of the archive     one for each question mark, in their order
    -- parameter LIMIT = 20: how many items         with a default, which may be empty

No comment has a question mark: Athena's console might take it for a parameter. A parameter may be there
twice. One whose default is a whole number takes whole numbers only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.archive.days import Days
from ops.archive.engine import BoundQuery
from ops.archive.literals import Value
from ops.errors import InputError
from ops.terminal import printable_line

FOLDER = Path(__file__).with_name("queries")
FROM, TO = "FROM", "TO"
_PARAMETER = re.compile(r"parameter ([A-Z_]+)(?: = (.*?))?: (.+)")
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_MAX_PRINTED_CHARACTERS = 100


@dataclass(frozen=True)
class Parameter:
    """A parameter of a query. Without a default it has to be given."""

    name: str
    default: str | None
    meaning: str

    def value(self, given: Mapping[str, str], query: str) -> Value:
        """Return the value to bind. Raises InputError for one that is missing or has the wrong form."""
        text = given.get(self.name, self.default)
        if text is None or not (text or self.default == ""):
            raise InputError(f"{query} needs {self.name} ({self.meaning}): {self.name}=...")
        if self.default is None or not _WHOLE.fullmatch(self.default):
            return text
        if not _WHOLE.fullmatch(text):
            raise InputError(f"{self.name} must be a whole number such as {self.default}.")
        return int(text)


@dataclass(frozen=True)
class SavedQuery:
    """A query of the folder. ``parameters`` has one for each question mark of ``sql``."""

    name: str
    question: str
    details: str
    parameters: Sequence[Parameter]
    sql: str

    def bind(self, days: Days, given: Mapping[str, str]) -> BoundQuery:
        """Return the query with its values. ``given`` has those of parameters other than FROM and TO.

        Raises InputError for a value that is missing, has the wrong form or is not asked for.
        """
        names = {parameter.name for parameter in self.parameters}
        for name in given:
            if name not in names - {FROM, TO}:
                raise InputError(f"{self.name} takes no {printable_line(name, max_characters=30)}.")
        known = {**given, FROM: days.first.isoformat(), TO: days.last.isoformat()}
        values = [parameter.value(known, self.name) for parameter in self.parameters]
        return BoundQuery(self.sql, values, days)


def read_queries(folder: Path = FOLDER) -> dict[str, SavedQuery]:
    """Return the queries of a folder by name, in the order of their names."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.sql"))}


def find_query(name: str) -> SavedQuery:
    """Return a query. Raises InputError for an unknown name."""
    queries = read_queries()
    if name not in queries:
        shown = printable_line(name, max_characters=_MAX_PRINTED_CHARACTERS)
        raise InputError(f"There is no query {shown}. There are: {', '.join(queries)}.")
    return queries[name]


def _read(path: Path) -> SavedQuery:
    sql = path.read_text(encoding="utf-8")
    comments = [line.removeprefix("--").strip() for line in _leading_comments(sql)]
    parameters = [
        Parameter(*found.groups()) for line in comments if (found := _PARAMETER.fullmatch(line)) is not None
    ]
    question, *details = [line for line in comments if not _PARAMETER.fullmatch(line)]
    return SavedQuery(path.stem, question, " ".join(details), parameters, sql)


def _leading_comments(sql: str) -> list[str]:
    lines = sql.splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    return lines[:end]
