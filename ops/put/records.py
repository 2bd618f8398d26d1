"""From a row of a file to a record of PutItems, PutUsers or PutActions, or to a rejected row. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops.put.csv_file import Row
from ops.put.kinds import Kind
from ops.put.rejected_rows import RejectedRow
from ops.put.schema import Field

MAX_ID_CHARACTERS = 256


@dataclass(frozen=True)
class Record:
    """A record to put. ``row`` counts the rows of the file from 0, and ``line`` is where the row begins.

    ``properties`` is JSON, as the call takes it: a map of texts. It is None where all values are empty.
    """

    row: int
    line: int
    record_id: str
    properties: str | None

    def entry(self, kind: Kind) -> dict[str, str]:
        """Return the record as an element of the call's list."""
        entry = {kind.id_member: self.record_id}
        return entry if self.properties is None else {**entry, "properties": self.properties}


def to_record(number: int, row: Row, columns: Sequence[Field], kind: Kind) -> Record | RejectedRow:
    """Return the record of a row, or why there is none. ``columns`` are the fields of the file's columns."""
    if len(row.values) != len(columns):
        return RejectedRow(
            row.line,
            None,
            f"has {len(row.values)} values where the first line has {len(columns)}; quote those with commas.",
        )
    if not row.is_utf_8:
        return RejectedRow(row.line, None, "is not encoded in UTF-8; save the file as UTF-8.")
    cells = dict(zip((field.name for field in columns), row.values, strict=True))
    record_id = cells.pop(kind.id_column)
    rejected_row = next(_problems(row.line, record_id, columns, cells, kind), None)
    if rejected_row:
        return rejected_row
    properties = {field.property_name: cells[field.name] for field in columns if cells.get(field.name)}
    text = json.dumps(properties, ensure_ascii=False, separators=(",", ":")) if properties else None
    if text is not None and len(text) > kind.max_properties_characters:
        problem = (
            f"is too long: its values take {len(text):,} characters as JSON, of which Personalize takes "
            f"{kind.max_properties_characters:,}."
        )
        return RejectedRow(row.line, None, problem)
    return Record(number, row.line, record_id, text)


def _problems(
    line: int, record_id: str, columns: Sequence[Field], cells: dict[str, str], kind: Kind
) -> Iterator[RejectedRow]:
    if not 1 <= len(record_id) <= MAX_ID_CHARACTERS:
        yield RejectedRow(line, kind.id_column, f"must have 1 to {MAX_ID_CHARACTERS} characters.")
    for field in columns:
        problem = field.problem_of(cells[field.name]) if field.name in cells else None
        if problem:
            yield RejectedRow(line, field.name, problem)
