"""The settings of a soak, and its plan: when which fault begins and what is killed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import cycle, islice
from random import Random
from typing import Any

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "throttled": {"throttleRate": 0.5},
    "failing": {"errorRate": 0.3},
    "resets": {"resetRate": 0.2, "lostAnswerRate": 0.2},
    "slow": {"latencyMs": 400},
    "refused": {"accessDenied": True},
    "everything": {
        "latencyMs": 50,
        "throttleRate": 0.2,
        "errorRate": 0.1,
        "resetRate": 0.1,
        "lostAnswerRate": 0.1,
    },
}
"""The faults of Personalize by name: settings of the engine (``local/personalize/faults.py``)."""


class Part(Enum):
    """What is killed. The values are the names on the command line."""

    WORKER = "worker"
    ENGINE = "engine"
    MAKE_RUN = "make-run"


@dataclass(frozen=True)
class Scenario:
    """The settings. Field names are the options of the command line."""

    minutes: float = 10.0
    rate: float = 30.0
    phase_seconds: float = 60.0
    faults: tuple[str, ...] = tuple(FAULTS)
    kills: tuple[str, ...] = tuple(part.value for part in Part)
    clients: int = 60
    worker_kills: int = 3
    poison: int = 18
    limit_seconds: float = 300.0
    seed: int = 1

    @property
    def seconds(self) -> float:
        """How long requests are sent."""
        return 60 * self.minutes

    @property
    def phases(self) -> list[str]:
        """The fault of each phase, in order."""
        return list(islice(cycle(self.faults), max(1, -(-int(self.seconds) // int(self.phase_seconds)))))

    def phase_at(self, seconds: float) -> int:
        """Return the number of the phase at a time since the start."""
        return min(int(seconds / self.phase_seconds), len(self.phases) - 1)

    def label(self, phase: int) -> str:
        """Return the name of a phase in the report."""
        return f"{phase + 1} {self.phases[phase]}"


@dataclass(frozen=True)
class Begin:
    """Begin a phase: its fault replaces the last one."""

    label: str
    fault: str


@dataclass(frozen=True)
class Kill:
    """Kill a part with SIGKILL."""

    part: Part


@dataclass(frozen=True)
class PutPoison:
    """Put one poison record into the stream."""


Action = Begin | Kill | PutPoison


def plan(scenario: Scenario, random: Random) -> list[tuple[float, Action]]:
    """Return what is done to the stack, each with its time in seconds since the start, in order.

    Workers are killed in every phase, the engine in the second of each three phases, ``make run`` in the
    third.
    """
    actions: list[tuple[float, Action]] = []
    for phase, fault in enumerate(scenario.phases):
        begin = phase * scenario.phase_seconds
        length = min(scenario.phase_seconds, scenario.seconds - begin)
        actions.append((begin, Begin(scenario.label(phase), fault)))
        actions += [(begin + length * share, Kill(part)) for part, share in _kills(scenario, phase, random)]
        actions += [
            (begin + length * (number + 0.5) / scenario.poison, PutPoison())
            for number in range(scenario.poison)
        ]
    return sorted(actions, key=lambda action: action[0])


def _kills(scenario: Scenario, phase: int, random: Random) -> Iterator[tuple[Part, float]]:
    """Yield what is killed in a phase, and when: the share of the phase that has passed.

    ``make run`` takes some seconds to start. It is killed early enough to be used again in the same phase.
    """
    parts = [Part.WORKER] * scenario.worker_kills
    parts += [(), (Part.ENGINE,), (Part.MAKE_RUN,)][phase % 3]
    for part in parts:
        share = random.uniform(0.1, 0.5 if part is Part.MAKE_RUN else 0.9)
        if part.value in scenario.kills:
            yield part, share
