"""Joins small objects of the archive into larger ones, in the folder in which MiniStack keeps its buckets.

It runs while the emulator does not. An interruption at any moment loses and doubles no line: the next call
finishes what has begun. The joined object has the key of the first one, so it stays in ``events/dt=DAY/``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from local.state import StateError, make_private, open_private
from ops.command_lines import shell_line

SMALL_BYTES = 1_000_000
MAX_SMALL_OBJECTS = 50
"""Of a day. More of them are joined."""
MAX_OBJECT_BYTES = 64_000_000

_PARTITIONS = "*/events/dt=*"
_SIDECAR = ".meta.json"
"""MiniStack's file beside each object. Without it, MiniStack calculates what is in it."""
_CONTENT, _PLAN = "content", "plan.json"


def compact(
    buckets: Path,
    work: Path,
    *,
    max_small_objects: int = MAX_SMALL_OBJECTS,
    max_object_bytes: int = MAX_OBJECT_BYTES,
) -> None:
    """Join the small objects of each day that has many. ``work`` is a folder for what is in progress.

    Raises StateError for a damaged plan that an interrupted call has left.
    """
    make_private(work)
    _finish(buckets, work)
    versioned = {*_objects_with_versions(buckets)}
    for partition in sorted(buckets.glob(_PARTITIONS)):
        small = [
            path for path in sorted(partition.iterdir()) if _is_small_object(path) and path not in versioned
        ]
        if len(small) > max_small_objects:
            for group in _groups(filter(_has_lines, small), max_object_bytes):
                _join(group, buckets, work)


def _objects_with_versions(buckets: Path) -> Iterator[Path]:
    """Yield the objects with earlier versions, which MiniStack keeps in ``.versions/ACCOUNT/BUCKET/VERSION``.

    Of an object that is joined, nobody would find the versions again, and so nobody could delete them.
    """
    kept = buckets.parent / ".versions" / buckets.name
    for path in kept.glob("*/*/events/dt=*/*"):
        bucket, _, *key = path.relative_to(kept).parts
        yield buckets.joinpath(bucket, *key)


def _is_small_object(path: Path) -> bool:
    return path.suffix not in (".json", ".tmp") and path.is_file() and path.stat().st_size < SMALL_BYTES


def _has_lines(path: Path) -> bool:
    """Return whether the object is lines of JSON. Others, such as broken aggregates, stay alone."""
    with path.open("rb") as file:
        first = file.read(1)
        file.seek(-1 if first else 0, os.SEEK_END)
        return first == b"{" and file.read(1) == b"\n"


def _groups(paths: Iterator[Path], max_bytes: int) -> Iterator[list[Path]]:
    group: list[Path] = []
    free = max_bytes
    for path in paths:
        size = path.stat().st_size
        if size > free:
            yield group
            group, free = [], max_bytes
        group.append(path)
        free -= size
    yield group


def _join(objects: list[Path], buckets: Path, work: Path) -> None:
    """Write the joined object, then the plan, and follow it. A plan that is there is followed to its end."""
    if len(objects) < 2:
        return
    with open_private(work / _CONTENT, "wb") as joined:
        for path in objects:
            joined.write(path.read_bytes())
        joined.flush()
        os.fsync(joined.fileno())
    unfinished = work / f"{_PLAN}.tmp"
    with open_private(unfinished, "w") as plan:
        json.dump([str(path.relative_to(buckets)) for path in objects], plan)
        plan.flush()
        os.fsync(plan.fileno())
    unfinished.replace(work / _PLAN)
    _finish(buckets, work)


def _finish(buckets: Path, work: Path) -> None:
    """Follow the plan, also one that was followed in part. Without a plan, drop what was joined."""
    content, plan = work / _CONTENT, work / _PLAN
    if plan.exists():
        names = _planned(plan)
        if names:
            _follow([buckets / name for name in names], content)
        elif not content.exists():
            raise _damaged(plan)
        # What is joined and a damaged plan: the small objects are all in their places still.
        plan.unlink()
    content.unlink(missing_ok=True)


def _follow(objects: list[Path], content: Path) -> None:
    first, *others = objects
    if content.exists():
        _sidecar(first).unlink(missing_ok=True)
        content.replace(first)
    for path in others:
        path.unlink(missing_ok=True)
        _sidecar(path).unlink(missing_ok=True)


def _planned(plan: Path) -> list[str]:
    """Return the names in a plan: paths below the folder of the buckets. An empty list: it is damaged."""
    try:
        names = json.loads(plan.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return []
    is_whole = isinstance(names, list) and all(isinstance(name, str) and _is_below(name) for name in names)
    return names if is_whole else []


def _is_below(name: str) -> bool:
    path = PurePath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _damaged(plan: Path) -> StateError:
    return StateError(
        f"{plan} is not whole. Remove it, then run this again: {shell_line('rm', str(plan))}\n"
        "It names objects of the archive that were being joined. No line is lost then, but some lines of one "
        "day may be in the archive twice: their EventId is the same."
    )


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + _SIDECAR)
