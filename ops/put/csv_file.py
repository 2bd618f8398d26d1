"""Reader of an import file of Personalize: rows with the number of their first line, one at a time.

https://docs.aws.amazon.com/personalize/latest/dg/data-prep-formatting.html: comma separated (RFC 4180), UTF-8
with or without a byte order mark, the names of the columns in the first line. What follows a misplaced
quotation mark cannot be trusted, so that is an error of the whole file.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ops.errors import InputError

MAX_ROW_CHARACTERS = 1_000_000
"""Of a row. Properties have at most 32,000. A quotation mark that nobody closes must not fill the memory."""
_CHUNK_BYTES = 1024 * 1024
_NOT_UTF_8 = re.compile("[\ud800-\udfff]")
"""What ``surrogateescape`` makes of bytes that are not UTF-8."""


@dataclass(frozen=True)
class Row:
    """A row of the file as it is, without regard to its header."""

    line: int
    values: list[str]

    @property
    def is_utf_8(self) -> bool:
        """Whether every value is text."""
        return not any(_NOT_UTF_8.search(value) for value in self.values if not value.isascii())


@dataclass
class CsvFile:
    """An import file. Its rows may be read any number of times."""

    path: Path
    header: list[str] = field(init=False)

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise InputError(f"There is no file {self.path}. Name one: make put FILE=items.csv")
        first = next(self._all_rows(), Row(1, []))
        if not first.is_utf_8:
            raise self._problem(
                1, "The names of the columns are not encoded in UTF-8; save the file as UTF-8."
            )
        self.header = first.values

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the header. An empty line is none. Raises InputError for malformed CSV."""
        rows = self._all_rows()
        next(rows, None)
        return (row for row in rows if row.values)

    def content_hash(self) -> str:
        """Return what tells this content from any other."""
        content = hashlib.sha256()
        with self.path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                content.update(chunk)
        return content.hexdigest()

    def _all_rows(self) -> Iterator[Row]:
        line = 1
        # utf-8-sig: a spreadsheet's byte order mark must not become part of the first name.
        with self.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = _Lines(file)
            reader = csv.reader(lines, strict=True)
            try:
                for values in reader:
                    yield Row(line, values)
                    line = reader.line_num + 1
                    lines.characters_left = MAX_ROW_CHARACTERS
            except csv.Error as error:
                raise self._problem(line, _sentence(str(error))) from error

    def _problem(self, line: int, sentence: str) -> InputError:
        return InputError(f"{self.path}, line {line}: {sentence} Nothing was put.")


class _Lines:
    """The lines of a file. Raises csv.Error for a row that is longer than rows are."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.characters_left = MAX_ROW_CHARACTERS

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(self.characters_left + 1)
        self.characters_left -= len(line)
        if self.characters_left < 0:
            raise csv.Error("field larger than a row may be")
        if not line:
            raise StopIteration
        return line


def _sentence(of_python: str) -> str:
    """Return the sentence for a message of the csv module, which has one error class only."""
    if of_python.startswith("field larger than"):
        return "A row is too long. Shorten it, or close its quotation mark."
    if of_python.startswith("unexpected end of data"):
        return "A quotation mark is never closed. Close it; inside a value it is written twice."
    return "This is not well-formed CSV. Check its quotation marks; inside a value one is written twice."
