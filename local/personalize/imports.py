"""Reader of Personalize's import files in a folder: interactions.csv, items.csv and users.csv.

https://docs.aws.amazon.com/personalize/latest/dg/data-prep-formatting.html: comma separated, UTF-8, column
names in capitals as in the schema, in any order. Only the interactions are required, as with Personalize.
Their extra columns are ignored. The extra columns of items and users are metadata.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.personalize.errors import ImportFileError

MAX_ID_CHARACTERS = 256
# The year 5138 in seconds, 1973 in milliseconds. A timestamp from this number on must be in milliseconds.
_MIN_MILLISECONDS = 100_000_000_000

Interaction = tuple[str, str, float]


@dataclass(frozen=True)
class ImportFolder:
    """The content of the files: interactions in order of time, and metadata by id without empty cells."""

    interactions: Sequence[Interaction]
    items: Mapping[str, Mapping[str, str]]
    users: Mapping[str, Mapping[str, str]]


def read_folder(folder: Path) -> ImportFolder:
    """Return the content of the import files. Raises ImportFileError for the first problem."""
    if not folder.is_dir():
        raise ImportFileError(folder, "is not a folder", "name a folder that holds interactions.csv")
    return ImportFolder(
        interactions=_read_interactions(folder / "interactions.csv"),
        items=_read_metadata(folder / "items.csv", "ITEM_ID"),
        users=_read_metadata(folder / "users.csv", "USER_ID"),
    )


def _read_interactions(path: Path) -> list[Interaction]:
    if not path.is_file():
        raise ImportFileError(path, "is missing", "add it with the columns USER_ID, ITEM_ID and TIMESTAMP")
    rows = _rows(path)
    header = _header(path, rows, ("USER_ID", "ITEM_ID", "TIMESTAMP"))
    user, item, timestamp = (header.index(name) for name in ("USER_ID", "ITEM_ID", "TIMESTAMP"))
    found: list[Interaction] = []
    for line, row in _data(path, rows, len(header)):
        _check_id(path, line, "USER_ID", row[user])
        _check_id(path, line, "ITEM_ID", row[item])
        found.append((row[user], row[item], _seconds(path, line, row[timestamp])))
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
            raise ImportFileError(path, f"{id_column} '{record_id}' is there twice", "keep one of them", line)
        found[record_id] = {
            name: value for name, value in zip(header, row, strict=True) if value and name != id_column
        }
    return found


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Return each row with the number of its last line. Raises ImportFileError for what cannot be read."""
    try:
        # utf-8-sig: without it, the byte order mark of a spreadsheet becomes part of the first name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise ImportFileError(path, "is not encoded in UTF-8", "save it as UTF-8") from error
    except csv.Error as error:
        problem = f"is not well-formed CSV ({error})"
        raise ImportFileError(path, problem, "check its quotation marks", reader.line_num) from error
    except OSError as error:
        raise ImportFileError(path, f"cannot be read ({error.strerror})", "make it readable") from error


def _header(path: Path, rows: Iterator[tuple[int, list[str]]], required: tuple[str, ...]) -> list[str]:
    _, header = next(rows, (1, []))
    for name in required:
        if name not in header:
            found = ", ".join(header) or "nothing"
            remedy = f"add it to the first line, in capitals; found there: {found}"
            raise ImportFileError(path, f"the column {name} is missing", remedy, 1)
    for name in header:
        if header.count(name) > 1:
            raise ImportFileError(path, f"the column {name} is there twice", "rename or remove one", 1)
    return header


def _data(path: Path, rows: Iterator[tuple[int, list[str]]], width: int) -> Iterator[tuple[int, list[str]]]:
    for line, row in rows:
        if len(row) == width:
            yield line, row
        elif row:  # an empty line is not an error
            problem = f"{len(row)} fields where the first line has {width}"
            raise ImportFileError(path, problem, "quote fields that contain commas", line)


def _check_id(path: Path, line: int, column: str, value: str) -> None:
    if not value:
        raise ImportFileError(path, f"{column} is empty", "give every row one", line)
    if len(value) > MAX_ID_CHARACTERS:
        problem = f"{column} is longer than {MAX_ID_CHARACTERS} characters"
        raise ImportFileError(path, problem, "shorten it", line)


def _seconds(path: Path, line: int, value: str) -> float:
    try:
        seconds = int(value)
    except ValueError:
        problem, remedy = (
            "TIMESTAMP is not a whole number",
            "write seconds since 1970-01-01, such as 1735689600",
        )
        raise ImportFileError(path, problem, remedy, line) from None
    if seconds >= _MIN_MILLISECONDS:
        raise ImportFileError(path, "TIMESTAMP is in milliseconds", "divide it by 1000", line)
    return float(seconds)
