"""Part ``archive``: the export of a million archived events, against a program that reads all at once.

The command ``python -m bench.archive FOLDER OUT`` exports a folder as ``make export STAGE=local`` a bucket.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import BinaryIO

from bench.measure import Row, Series, take_turns
from local.state import PROJECT
from ops.archive.days import Days
from ops.archive.export_command import export
from ops.archive.interactions import ImportFile
from ops.archive.local_engine import ArchivedObject, LocalEngine
from ops.terminal import Terminal

EVENTS = 1_000_000
FIRST_DAY = date(2026, 1, 1)
DAYS = 10
EVENTS_PER_OBJECT, EVENTS_PER_SESSION, ITEMS, USERS = 20_000, 10, 5_000, 50_000
SHARE_SENT_TWICE = 0.01
ROUNDS = 3
SEED = 1
PANDAS = PROJECT / "build" / "pandas" / "bin" / "python"
"""An environment of its own: its pins are not those of the project."""


def rows() -> Iterator[Row]:
    """Yield time and peak memory of both."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        size_mb = write_archive(folder / "archive") / 1e6
        peaks: dict[str, list[float]] = {"ours": [], "pandas": []}
        commands = {
            "ours": [sys.executable, "-m", "bench.archive", str(folder / "archive"), str(folder / "ours")],
            "pandas": [
                str(PANDAS),
                "bench/plain_export.py",
                str(folder / "archive"),
                str(folder / "plain.csv"),
            ],
        }
        seconds = take_turns({who: partial(_run, commands[who], peaks[who]) for who in commands}, ROUNDS)
        counts = [_count_lines(folder / "ours" / "interactions.csv"), _count_lines(folder / "plain.csv")]
        assert counts[0] == counts[1], f"the files have {counts} lines"  # noqa: S101 - else there is nothing to compare
        what, alternative = f"export of {EVENTS:,} events ({size_mb:.0f} MB)", "pandas reads everything"
        yield Row(what, "s", seconds["ours"], alternative, seconds["pandas"], "≤ 1")
        memory = {who: Series(tuple(found)) for who, found in peaks.items()}
        yield Row(f"{what}: peak memory", "MB", memory["ours"], alternative, memory["pandas"], "≤ 0.5")


def write_archive(folder: Path) -> int:
    """Write the objects of an archive and return their bytes. The same at every run."""
    random = Random(SEED)
    written = 0
    for first in range(0, EVENTS, EVENTS_PER_OBJECT):
        day = FIRST_DAY + timedelta(days=first * DAYS // EVENTS)
        path = folder / f"events/dt={day}/archive-1-{day}-12-00-00-{first:07}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            for number in range(first, first + EVENTS_PER_OBJECT):
                line = json.dumps(_event(number, random), separators=(",", ":")) + "\n"
                file.write(line * (2 if random.random() < SHARE_SENT_TWICE else 1))
        written += path.stat().st_size
    return written


def _event(number: int, random: Random) -> dict[str, object]:
    session = number // EVENTS_PER_SESSION
    seconds = number * DAYS * 86_400 / EVENTS
    received = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    event: dict[str, object] = {
        "SessionId": f"session-{session}",
        "EventType": random.choice(("view", "view", "click", "purchase")),
        "Event": {"itemId": f"item-{random.randrange(ITEMS)}", "eventValue": 1.5, "page": "home"},
        "RecommendationId": f"RID-{random.getrandbits(128):032x}",
        "Impression": [f"item-{random.randrange(ITEMS)}" for _ in range(3)],
        "EventId": f"{random.getrandbits(128):032x}",
        "ReceivedAt": received.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    # Every other visitor signs in with the fourth event, and one in eleven never does.
    if session % 11 and (session % 2 or number % EVENTS_PER_SESSION > 2):
        event["UserId"] = f"user-{session % USERS}"
    return event


def _run(command: list[str], peaks_mb: list[float]) -> float:
    """Run a program to its end. Return its seconds, and add its largest resident memory to the list."""
    started = perf_counter()
    process = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {os.waitstatus_to_exitcode(status)}.")
    peaks_mb.append(usage.ru_maxrss * 1024 / 1e6)
    return perf_counter() - started


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _objects(folder: Path) -> Iterator[ArchivedObject]:
    for path in sorted(folder.rglob("archive-*")):
        found = path.stat()
        modified = datetime.fromtimestamp(found.st_mtime, timezone.utc)
        yield ArchivedObject(str(path.relative_to(folder)), found.st_size, modified, _opener(path))


def _opener(path: Path) -> Callable[[], AbstractContextManager[BinaryIO]]:
    return lambda: path.open("rb")


def export_folder(folder: Path, out: Path) -> None:
    """Export what ``write_archive`` has written."""
    engine = LocalEngine(partial(_objects, folder), "bucket")
    days = Days(FIRST_DAY, FIRST_DAY + timedelta(days=DAYS))
    out.mkdir(exist_ok=True)
    export(engine, ImportFile.of([]), days, out, Terminal(lambda line: None, lambda plan: True, None))


if __name__ == "__main__":
    export_folder(Path(sys.argv[1]), Path(sys.argv[2]))
