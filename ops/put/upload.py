"""One file on its way into one dataset: every row is checked, then those that are fine are put.

The file is read twice, a row at a time: once before the first call, to check it, and once to put it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ops.errors import InputError
from ops.put.csv_file import CsvFile
from ops.put.kinds import Kind
from ops.put.position import Position, PositionFile
from ops.put.records import Record, to_record
from ops.put.rejected_rows import RejectedRow, RejectedRows
from ops.put.schema import Field
from ops.put.sender import Sender, calls_of

MAX_REFUSED_AT_FIRST = 20
"""Rows that are refused before any is taken: then it is not the rows that are wrong."""
ROWS_BETWEEN_REPORTS = 10_000

Report: TypeAlias = Callable[[Position, Sequence[RejectedRow]], None]


@dataclass(frozen=True)
class Upload:
    """A file, what its rows are, and the fields of its columns."""

    file: CsvFile
    kind: Kind
    columns: Sequence[Field]

    def outcomes(self) -> Iterator[Record | RejectedRow]:
        """Yield the record of each row, or why there is none."""
        for number, row in enumerate(self.file.rows()):
            yield to_record(number, row, self.columns, self.kind)

    def check(self, report: Callable[[int], None]) -> tuple[int, RejectedRows]:
        """Return the number of rows, and what is wrong with which. ``report`` gets the rows so far."""
        rejected_rows, rows = RejectedRows(), 0
        for outcome in self.outcomes():
            rows += 1
            if isinstance(outcome, RejectedRow):
                rejected_rows.add(outcome)
            if rows % ROWS_BETWEEN_REPORTS == 0:
                report(rows)
        return rows, rejected_rows

    def send(self, sender: Sender, kept: PositionFile, position: Position, report: Report) -> Position:
        """Put the records behind a position, keep the position after each call, and return the last one.

        ``report`` gets each position, and the rejected rows of the call before it.
        """
        records = (each for each in self.outcomes() if isinstance(each, Record) and each.row >= position.rows)
        for call in calls_of(records):
            rejected_rows = sender.put(call)
            put = len(call) - len(rejected_rows)
            position = position.after(call[-1].row + 1, put=put, refused=len(rejected_rows))
            report(position, rejected_rows)
            if position.put == 0 and position.refused >= MAX_REFUSED_AT_FIRST:
                kept.remove()
                raise InputError(
                    f"Personalize refused the first {position.refused} rows, so it is hardly the rows. Is "
                    f"{sender.dataset_arn} the right dataset? Nothing was put."
                )
            kept.write(position)
        kept.remove()
        return position
