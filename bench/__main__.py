"""The command ``python -m bench [PART ...]``. It prints one table and notes. All parts take 35 minutes."""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version

from bench.measure import Row, markdown
from local.environment import remove_developer_settings

PARTS = (
    "request",
    "page",
    "outage",
    "delivery",
    "cold_start",
    "package_size",
    "local_stack",
    "engine",
    "memory",
    "archive",
)
"""Modules of this folder in the order of the table. Each has rows(), notes() or both."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the chosen parts and print the table and the notes."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        usage='make bench [PART="NAME ..."]',
        description="Measure this project beside alternatives.",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}")
    chosen = parser.parse_args(arguments).parts or PARTS
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        parser.error(f"There is no part {unknown[0]!r}. The parts are {', '.join(PARTS)}.")
    remove_developer_settings()
    rows: list[Row] = []
    notes: list[str] = []
    for part in chosen:
        module = importlib.import_module(f"bench.{part}")
        for row in module.rows() if hasattr(module, "rows") else ():
            _progress(row.what)
            rows.append(row)
        if hasattr(module, "notes"):
            _progress(part)
            notes.append(module.notes())
    print("\n\n".join([_where(), *([markdown(rows)] if rows else []), *notes]))
    return 0


def _progress(done: str) -> None:
    print(f"  measured {done}", file=sys.stderr, flush=True)


def _where() -> str:
    today = datetime.now(timezone.utc).date()
    return (
        f"{today}, Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"boto3 {version('boto3')}. Medians, and between brackets the quartiles of the rounds."
    )


if __name__ == "__main__":
    sys.exit(main())
