"""Reader of Personalize's import files in a folder: interactions.csv and optional files beside it.

https://docs.aws.amazon.com/personalize/latest/dg/data-prep-formatting.html: comma separated, UTF-8, column
names in capitals as in the schema, in any order. Only the interactions are required, as with Personalize.
Of their other columns only EVENT_TYPE is used. items.csv, users.csv and actions.csv have an id and metadata;
filters.json has filters.

Any content either loads or raises ImportFileError: one sentence with the file, the line, what is wrong and
what to do. No message of Python and no control character of a file is in it.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.personalize.errors import ImportFileError
from local.personalize.filters.file import read_filters
from local.personalize.filters.tree import Filter

MAX_ID_CHARACTERS = 256
# The year 5138 in seconds, 1973 in milliseconds. A timestamp from this number on must be in milliseconds.
_MIN_MILLISECONDS = 100_000_000_000
# The year 5138 in milliseconds. No timestamp of this many digits is in seconds or milliseconds.
_MAX_TIMESTAMP_DIGITS = 14
_MAX_PRINTED_CHARACTERS = 60
# Control characters, and what "surrogateescape" makes of bytes that are not UTF-8. Tabs and line
# ends are not among them: a quoted text may have them.
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_CHARACTER = re.compile("[\t\r\n]")
_WHOLE_NUMBER = re.compile("-?[0-9]+")

Interaction = tuple[str, str, float, str]
"""User, item, time in seconds and event type. Without the column EVENT_TYPE, the type is an empty text."""


@dataclass(frozen=True)
class ImportFolder:
    """The content of the files: interactions in order of time, metadata by id, and filters by name.

    Metadata has no empty cells.
    """

    interactions: Sequence[Interaction]
    items: Mapping[str, Mapping[str, str]]
    users: Mapping[str, Mapping[str, str]]
    actions: Mapping[str, Mapping[str, str]]
    filters: Mapping[str, Filter]


def read_folder(folder: Path) -> ImportFolder:
    """Return the content of the import files. Raises ImportFileError for the first problem."""
    if not folder.is_dir():
        raise ImportFileError(folder, "is not a folder", "name a folder that holds interactions.csv")
    return ImportFolder(
        interactions=_read_interactions(folder / "interactions.csv"),
        items=_read_metadata(folder / "items.csv", "ITEM_ID"),
        users=_read_metadata(folder / "users.csv", "USER_ID"),
        actions=_read_metadata(folder / "actions.csv", "ACTION_ID"),
        filters=read_filters(folder / "filters.json"),
    )


def _read_interactions(path: Path) -> list[Interaction]:
    if not path.is_file():
        raise ImportFileError(path, "is missing", "add it with the columns USER_ID, ITEM_ID and TIMESTAMP")
    rows = _rows(path)
    header = _header(path, rows, ("USER_ID", "ITEM_ID", "TIMESTAMP"))
    user, item, timestamp = (header.index(name) for name in ("USER_ID", "ITEM_ID", "TIMESTAMP"))
    event_type = header.index("EVENT_TYPE") if "EVENT_TYPE" in header else None
    found: list[Interaction] = []
    for line, row in _data(path, rows, len(header)):
        _check_id(path, line, "USER_ID", row[user])
        _check_id(path, line, "ITEM_ID", row[item])
        kind = sys.intern(row[event_type]) if event_type is not None else ""
        found.append((row[user], row[item], _seconds(path, line, row[timestamp]), kind))
    # The sort is stable: interactions of the same second keep the order of the file.
    found.sort(key=lambda interaction: interaction[2])
    return found


def _read_metadata(path: Path, id_column: str) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    rows = _rows(path)
    header = _header(path, rows, (id_column,))
    id_index = header.index(id_column)
    found: dict[str, dict[str, str]] = {}
    for line, row in _data(path, rows, len(header)):
        record_id = row[id_index]
        _check_id(path, line, id_column, record_id)
        if record_id in found:
            problem = f"{id_column} '{_printable(record_id)}' is there twice"
            raise ImportFileError(path, problem, "keep one of them", line)
        found[record_id] = {
            name: value for name, value in zip(header, row, strict=True) if value and name != id_column
        }
    return found


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the number of its first line. Raises ImportFileError for what cannot be read."""
    line = 1
    try:
        # utf-8-sig: without it, the byte order mark of a spreadsheet becomes part of the first name.
        # surrogateescape: the decoder reads ahead of the lines, so its own error would not know the line.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(_checked_lines(path, file), strict=True)
            for row in reader:
                yield line, row
                line = reader.line_num + 1
    except csv.Error as error:
        raise ImportFileError(path, *_csv_problem(str(error)), line) from error
    except OSError as error:
        raise ImportFileError(path, f"cannot be read ({error.strerror})", "make it readable") from error


def _checked_lines(path: Path, lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines. Raises ImportFileError for one that is not UTF-8 or has a control character."""
    for number, line in enumerate(lines, start=1):
        found = _UNREADABLE.search(line)
        if found and found[0] >= "\ud800":
            raise ImportFileError(path, "is not encoded in UTF-8", "save it as UTF-8", number)
        if found:
            problem = f"there is the control character U+{ord(found[0]):04X}"
            raise ImportFileError(path, problem, "remove it", number)
        yield line


def _csv_problem(of_python: str) -> tuple[str, str]:
    """Return the problem and its remedy for a message of the csv module, which has one error class only."""
    if of_python.startswith("field larger than"):
        return (
            f"a field is longer than {csv.field_size_limit():,} characters",
            "shorten it, or close its quotation mark",
        )
    if of_python.startswith("unexpected end of data"):
        return (
            "a quotation mark is never closed",
            "close it; a quotation mark inside a field is written twice",
        )
    return "is not well-formed CSV", "check its quotation marks"


def _header(path: Path, rows: Iterator[tuple[int, list[str]]], required: tuple[str, ...]) -> list[str]:
    _, header = next(rows, (1, []))
    for name in required:
        if name not in header:
            found = _printable(", ".join(header)) or "nothing"
            remedy = f"add it to the first line, in capitals; found there: {found}"
            raise ImportFileError(path, f"the column {name} is missing", remedy, 1)
    for name, count in Counter(header).items():
        if count > 1:
            problem = f"the column {_printable(name) or 'without a name'} is there twice"
            raise ImportFileError(path, problem, "rename or remove one", 1)
    return header


def _data(path: Path, rows: Iterator[tuple[int, list[str]]], width: int) -> Iterator[tuple[int, list[str]]]:
    for line, row in rows:
        if len(row) == width:
            yield line, row
        elif row:  # an empty line is not an error
            problem = f"{len(row)} field{'s' * (len(row) != 1)} where the first line has {width}"
            raise ImportFileError(path, problem, "quote fields that contain commas", line)


def _check_id(path: Path, line: int, column: str, value: str) -> None:
    if not value:
        raise ImportFileError(path, f"{column} is empty", "give every row one", line)
    if len(value) > MAX_ID_CHARACTERS:
        problem = f"{column} is longer than {MAX_ID_CHARACTERS} characters"
        raise ImportFileError(path, problem, "shorten it", line)
    if not value.isprintable() and _LINE_CHARACTER.search(value):
        raise ImportFileError(path, f"{column} contains a tab or a line end", "remove it", line)


def _seconds(path: Path, line: int, value: str) -> float:
    if not _WHOLE_NUMBER.fullmatch(value):
        problem = f"TIMESTAMP is not a whole number: '{_printable(value)}'" if value else "TIMESTAMP is empty"
    elif value.startswith("-"):
        problem = f"TIMESTAMP is negative: {_printable(value)}"
    elif len(digits := value.lstrip("0")) > _MAX_TIMESTAMP_DIGITS:
        problem = f"TIMESTAMP is too large: {_printable(digits)}"
    elif int(value) >= _MIN_MILLISECONDS:
        raise ImportFileError(path, "TIMESTAMP is in milliseconds", "divide it by 1000", line)
    else:
        return float(value)
    raise ImportFileError(path, problem, "write seconds since 1970-01-01, such as 1735689600", line)


def _printable(text: str) -> str:
    """Return a text of a file as it may be printed: short, and without what moves a terminal's cursor."""
    shown = text[:_MAX_PRINTED_CHARACTERS] + "..." * (len(text) > _MAX_PRINTED_CHARACTERS)
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in shown
    )
