"""A result as a table, as CSV or as JSON, row by row as it is read."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from ops.archive.engine import Column, Result
from ops.terminal import print_line, printable_line

MAX_TABLE_ROWS = 1000
"""A table needs the widths of all its rows before it prints the first one."""
MAX_CELL_CHARACTERS = 60
USD_PER_TB = 5.0
"""Of what a query scans, in most regions (aws.amazon.com/athena/pricing, 2025). A TB is 10¹² bytes here."""
MIN_BILLED_BYTES = 10_000_000
"""Of each query."""


def price(scanned_bytes: int) -> float:
    """Return US dollars for a query."""
    return max(scanned_bytes, MIN_BILLED_BYTES) * USD_PER_TB / 1e12


def cost_line(*scanned_bytes: int, is_local: bool) -> str:
    """Return what one or more queries scanned, and what they cost, or would cost on AWS."""
    costs = "This would cost" if is_local else "This costs"
    return (
        f"{sum(scanned_bytes):,} bytes scanned. {costs} {sum(map(price, scanned_bytes)):.6f} USD on Athena "
        f"({USD_PER_TB:.0f} USD per TB, at least {MIN_BILLED_BYTES // 1_000_000} MB a query)."
    )


def _table(result: Result) -> None:
    rows = [[_cell(value) for value in row] for row in islice(result.rows, MAX_TABLE_ROWS)]
    names = [column.name for column in result.columns]
    widths = [max(map(len, cells)) for cells in zip(names, *rows, strict=True)]
    print_line(_line(names, widths, result.columns))
    print_line("  ".join("-" * width for width in widths))
    for row in rows:
        print_line(_line(row, widths, result.columns))
    if not rows:
        print_line("(no rows)")
    if next(result.rows, None) is not None:
        print_line(f"(The first {MAX_TABLE_ROWS:,} rows. FORMAT=csv and FORMAT=json print all.)")


def _cell(value: str) -> str:
    return printable_line(value, max_characters=MAX_CELL_CHARACTERS)


def _line(cells: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    return "  ".join(
        cell.rjust(width) if column.is_number else cell.ljust(width)
        for cell, width, column in zip(cells, widths, columns, strict=True)
    ).rstrip()


def _in_utf_8() -> None:
    """Let a file have every character, whatever the terminal can show."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")


def _csv(result: Result) -> None:
    _in_utf_8()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([column.name for column in result.columns])
    writer.writerows(result.rows)


def _json(result: Result) -> None:
    """Print a list with an object on each line. Numbers are numbers, and what is empty is null."""
    _in_utf_8()
    separator = "["
    for row in result.rows:
        sys.stdout.write(f"{separator}\n  {json.dumps(_object(result.columns, row), ensure_ascii=False)}")
        separator = ","
    print("[]" if separator == "[" else "\n]")


def _object(columns: Sequence[Column], row: Sequence[str]) -> Mapping[str, object]:
    return {column.name: _value(column, text) for column, text in zip(columns, row, strict=True)}


def _value(column: Column, text: str) -> object:
    if not text:
        return None
    return json.loads(text) if column.is_number else text


FORMATS: Mapping[str, Callable[[Result], None]] = {"table": _table, "csv": _csv, "json": _json}
