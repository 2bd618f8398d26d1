"""From the start of a process to its first answer, for each function, at full speed and throttled.

Against the least that a function with a client has to do: ``import boto3; boto3.client(...)``, no call made.
The package is unpacked as Lambda unpacks it, without bytecode; boto3 has its own, as any installed library.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.measure import Row, take_turns
from bench.sandbox import environment
from bench.server import running_server
from bench.throttle import available, throttled
from ops.capacity.load import MB_OF_ONE_CPU, cpu_share
from ops.packaging.bundle import BUILD

ROUNDS = 15
LEAST_IMPORT = 0.5
"""Milliseconds; what takes less is not listed."""


@dataclass(frozen=True)
class Start:
    """``ours`` is a program that ends with a line on stdout; ``client`` names the client that it needs."""

    what: str
    ours: str
    client: str

    @property
    def theirs(self) -> str:
        return f"import boto3; boto3.client({self.client!r}); print('made')"


_ROUTE = (
    "from app import app; from bench.traffic import Context, api_event, {body}; "
    "answer = app(api_event('{path}', {body}({arguments})), Context()); print(answer['statusCode'])"
)
STARTS = (
    Start(
        "APIHandler, /recommendations",
        _ROUTE.format(path="/recommendations", body="recommendations_body", arguments=""),
        "personalize-runtime",
    ),
    Start(
        "APIHandler, /history",
        _ROUTE.format(path="/history", body="history_body", arguments="1"),
        "kinesis",
    ),
    Start(
        "DeliverEvents",
        "from app import deliver_events; from bench.traffic import Context, kinesis_event; "
        "print(deliver_events(kinesis_event(1, 1), Context()))",
        "personalize-events",
    ),
)


def rows() -> Iterator[Row]:
    with running_server() as server:
        variables = environment(server.url)
        for start in STARTS:
            for memory in (MB_OF_ONE_CPU, 1024, 512) if available else (MB_OF_ONE_CPU,):
                yield _row(start, memory, variables)


def _row(start: Start, memory_mb: int, variables: Mapping[str, str]) -> Row:
    cpus = cpu_share(memory_mb)
    series = take_turns(
        {
            "ours": lambda: seconds_to_first_line(start.ours, variables, cpus),
            "theirs": lambda: seconds_to_first_line(start.theirs, variables, cpus),
        },
        ROUNDS,
    )
    speed = "full speed" if cpus == 1 else f"{cpus:.2f} CPU ({memory_mb} MB)"
    return Row(
        f"cold start: {start.what}, {speed}",
        "ms",
        series["ours"].scaled(1e3),
        f"import boto3, client({start.client!r})",
        series["theirs"].scaled(1e3),
        "≤ 1.15",
    )


def seconds_to_first_line(program: str, variables: Mapping[str, str], cpus: float) -> float:
    """Wall time from starting Python to the last line that the program prints: its answer."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-P", "-u", "-c", program],
        cwd=BUILD,
        env=dict(variables),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101 - it was asked for
    with process, throttled(process.pid, cpus):
        answered = started
        for _ in process.stdout:
            answered = time.perf_counter()
    if process.returncode != 0:
        raise RuntimeError(f"a measured process ended with status {process.returncode}")
    return answered - started


def notes() -> str:
    """What each import costs: the time of its own modules, for each function, as Python tells."""
    with running_server() as server:
        variables = environment(server.url)
        found = {start.what: _import_costs(start.ours, variables) for start in STARTS}
    names = sorted({name for costs in found.values() for name in costs}, key=lambda name: -_most(found, name))
    lines = ["| ms of import | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    for name in names:
        if _most(found, name) >= LEAST_IMPORT:
            cells = " | ".join(f"{costs[name]:.1f}" if name in costs else "" for costs in found.values())
            lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def _most(found: Mapping[str, Mapping[str, float]], name: str) -> float:
    return max(costs.get(name, 0.0) for costs in found.values())


def _import_costs(program: str, variables: Mapping[str, str]) -> dict[str, float]:
    """Milliseconds by top-level package; what is not a package of its own counts as the standard library."""
    ran = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", "-c", program],
        cwd=BUILD,
        env=dict(variables),
        capture_output=True,
        text=True,
        check=True,
    )
    costs: defaultdict[str, float] = defaultdict(float)
    for own, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", ran.stderr):
        package = name.partition(".")[0]
        costs["the standard library" if package in sys.stdlib_module_names else package] += int(own) / 1000
    return costs
