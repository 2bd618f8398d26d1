"""SQL in files that are not saved queries: a module puts parts into it. Athena has no macros."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_ARRIVED = "/* arrived */"
"""Stands for the time at which an event arrived, where ``receivedat``, ``"$path"`` and ``dt`` are known."""


@cache
def read_statement(path: Path) -> str:
    """Return the SQL of a file, with the expression of the time of arrival where it is asked for."""
    arrived = Path(__file__).with_name("arrived.sql").read_text(encoding="utf-8")
    return path.read_text(encoding="utf-8").replace(_ARRIVED, arrived)
