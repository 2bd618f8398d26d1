"""The processes of a local stack: which they are, how much memory and CPU each uses. Read from ``ps``."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_COLUMNS = "pid=,ppid=,stat=,rss=,time=,args="


@dataclass(frozen=True)
class Process:
    """A running process. ``resident_bytes`` counts memory that it shares with others, too."""

    pid: int
    parent: int
    resident_bytes: int
    cpu_seconds: float
    command: str


@dataclass(frozen=True)
class Parts:
    """The processes of one ``make run``. A part that does not run is missing."""

    make_run: list[Process]
    engine: list[Process]
    emulator: list[Process]
    workers: list[Process]

    @property
    def functions(self) -> list[list[Process]]:
        """The workers by function: each has its code in a folder that is named after the function."""
        found: dict[str, list[Process]] = {}
        for worker in self.workers:
            function, _, _ = Path(worker.command).parent.name.rpartition("-")
            found.setdefault(function, []).append(worker)
        return list(found.values())

    @property
    def all(self) -> list[Process]:
        return [*self.make_run, *self.engine, *self.emulator, *self.workers]


def running() -> list[Process]:
    """Return the processes of this machine that have not ended."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", _COLUMNS], capture_output=True, check=True)  # nosec B607
    return parse(listed.stdout.decode(errors="replace"))


def parse(listed: str) -> list[Process]:
    """Return the processes in the output of ``ps``, without those that have ended."""
    found = []
    for line in listed.splitlines():
        pid, parent, state, kibibytes, cpu, *command = line.split(None, 5)
        if not state.startswith("Z"):
            found.append(
                Process(int(pid), int(parent), 1024 * int(kibibytes), _seconds(cpu), "".join(command))
            )
    return found


def parts_of(make_run: int, processes: Sequence[Process]) -> Parts:
    """Return the processes that belong to the ``python -m local`` with the process id ``make_run``."""
    children = [process for process in processes if process.parent == make_run]
    emulator = [child for child in children if "local.guarded_emulator" in child.command]
    return Parts(
        make_run=[process for process in processes if process.pid == make_run],
        engine=[child for child in children if "local.personalize" in child.command],
        emulator=emulator,
        workers=[process for process in processes if process.parent in {each.pid for each in emulator}],
    )


def _seconds(cpu: str) -> float:
    """Return seconds for ``[[days-]hours:]minutes:seconds``."""
    days, _, clock = cpu.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = 60 * seconds + float(part)
    return 86400 * int(days or 0) + seconds
