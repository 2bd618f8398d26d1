"""The processor time and the memory of a program with everything that it has started (Linux only)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
available = _PROC.joinpath("self", "stat").exists()


def cpu_share(process_id: int, seconds: float) -> float:
    """Return the share of one processor, in percent, that the tree uses in the next ``seconds``."""
    before, started = _cpu_seconds(process_id), time.monotonic()
    time.sleep(seconds)
    after = _cpu_seconds(process_id)
    # A process that has ended in between would count as negative.
    used = sum(spent - before.get(each, 0.0) for each, spent in after.items())
    return 100 * used / (time.monotonic() - started)


def resident_mb(process_id: int) -> float:
    """Return the resident memory of the tree in MB. Pages that processes share count several times."""
    pages = sum(int(_fields(each)[21]) for each in _tree(process_id))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _cpu_seconds(process_id: int) -> dict[int, float]:
    ticks = os.sysconf("SC_CLK_TCK")
    return {each: (int(fields[11]) + int(fields[12])) / ticks for each, fields in _stats(process_id)}


def _stats(process_id: int) -> Iterator[tuple[int, list[str]]]:
    for each in _tree(process_id):
        yield each, _fields(each)


def _tree(root: int) -> list[int]:
    parents = {int(path.name): int(_fields(int(path.name))[1]) for path in _PROC.glob("[0-9]*")}
    tree = [root]
    for parent in tree:
        tree += [child for child, its_parent in parents.items() if its_parent == parent]
    return tree


def _fields(process_id: int) -> list[str]:
    """Return the fields of /proc/PID/stat (proc(5)) from the third on. Zeros when the process has ended."""
    try:
        text = (_PROC / str(process_id) / "stat").read_text()
    except OSError:
        return ["0"] * 50
    return text.rpartition(")")[2].split()
