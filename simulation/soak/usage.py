"""Memory and CPU of the parts of a stack, from one sample to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simulation.soak.processes import Parts, Process
from simulation.soak.report import Sample


class Usage:
    """Takes samples. ``parts`` returns the processes, ``clock`` monotonic seconds."""

    def __init__(self, parts: Callable[[], Parts], clock: Callable[[], float]) -> None:
        self.samples: list[Sample] = []
        self._parts = parts
        self._clock = clock
        self._cpu_seconds: dict[int, float] = {}
        self._at = clock()

    def sample(self, label: str) -> None:
        """Add a sample. The CPU of a process that has ended since the last one is not in it."""
        now, parts = self._clock(), self._parts()
        groups = {
            "make run": parts.make_run,
            "engine": parts.engine,
            "emulator": parts.emulator,
            "workers": parts.workers,
        }
        seconds = max(now - self._at, 1e-9)
        first = not self.samples
        self.samples.append(
            Sample(
                label,
                {name: sum(each.resident_bytes for each in group) for name, group in groups.items()},
                {name: 0.0 if first else self._used(group) / seconds for name, group in groups.items()},
                len(parts.workers),
            )
        )
        self._cpu_seconds = {each.pid: each.cpu_seconds for each in parts.all}
        self._at = now

    def _used(self, group: Sequence[Process]) -> float:
        """Return the seconds of CPU that the processes have used since the last sample."""
        return sum(each.cpu_seconds - self._cpu_seconds.get(each.pid, 0.0) for each in group)
