"""Cold starts: the time from the start of a process to its first response, at full speed and throttled.

The first alternative is the least work of a function with a client: ``import boto3; boto3.client(...)``,
without a call. The others are handlers that people know, to their first response. The package is unpacked as
Lambda unpacks it, without bytecode. boto3 has bytecode, as every installed library.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module

from bench.measure import Row, take_turns
from bench.sandbox import environment, start_program
from bench.server import running_server
from bench.throttle import available, throttled
from ops.capacity.load import MB_OF_ONE_CPU, cpu_share

ROUNDS = 15
RUNTIME = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "urllib3")
"""Packages of Lambda's Python."""
MIN_IMPORT_MS = 0.5
"""Packages whose import takes less are not listed."""


@dataclass(frozen=True)
class Alternative:
    """A program that prints a line last."""

    name: str
    program: str
    target: str = ""


@dataclass(frozen=True)
class ColdStart:
    """A function to start. ``ours`` is a program that prints a line last, ``client`` its boto3 client."""

    what: str
    ours: str
    client: str
    others: tuple[Alternative, ...] = ()

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """The least work with the client, and the other alternatives."""
        client = f"client({self.client!r})"
        least = f"import boto3; boto3.{client}; print('made')"
        return (Alternative(f"import boto3, {client}", least, "≤ 1.15"), *self.others)


_ROUTE = (
    "from {handler}; from bench.traffic import Context, api_event, {body}; "
    "response = handler(api_event('{path}', {body}({arguments})), Context()); print(response['statusCode'])"
)
_RECOMMENDATIONS = {"path": "/recommendations", "body": "recommendations_body", "arguments": ""}
_OURS = "app import app as handler"
STARTS = (
    ColdStart(
        "APIHandler, /recommendations",
        _ROUTE.format(handler=_OURS, **_RECOMMENDATIONS),
        "personalize-runtime",
        (
            Alternative(
                "the original sample, with a call",
                _ROUTE.format(handler="bench.sample_handler import handler", **_RECOMMENDATIONS),
            ),
            Alternative(
                "Powertools, with a call",
                _ROUTE.format(handler="bench.powertools_handler import handler", **_RECOMMENDATIONS),
            ),
        ),
    ),
    ColdStart(
        "APIHandler, /history",
        _ROUTE.format(handler=_OURS, path="/history", body="history_body", arguments="1"),
        "kinesis",
    ),
    ColdStart(
        "DeliverEvents",
        "from app import deliver_events; from bench.traffic import Context, kinesis_event; "
        "print(deliver_events(kinesis_event(1, 1), Context()))",
        "personalize-events",
    ),
)


def rows() -> Iterator[Row]:
    """Yield a row for each function, alternative and speed."""
    _write_bytecode()
    with running_server() as server:
        variables = environment(server.url)
        for start in STARTS:
            for alternative in start.alternatives:
                for memory in (MB_OF_ONE_CPU, 1024, 512) if available else (MB_OF_ONE_CPU,):
                    yield _row(start, alternative, memory, variables)


def _write_bytecode() -> None:
    """Write the bytecode of boto3 and of what it needs: nobody else may have imported all of it here."""
    paths = [path for name in RUNTIME for path in import_module(name).__path__]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *paths], check=True)


def _row(start: ColdStart, alternative: Alternative, memory_mb: int, variables: Mapping[str, str]) -> Row:
    cpus = cpu_share(memory_mb)
    series = take_turns(
        {
            "ours": lambda: seconds_to_first_line(start.ours, variables, cpus),
            "theirs": lambda: seconds_to_first_line(alternative.program, variables, cpus),
        },
        ROUNDS,
    )
    speed = "full speed" if cpus == 1 else f"{cpus:.2f} CPU ({memory_mb} MB)"
    return Row(
        f"cold start: {start.what}, {speed}",
        "ms",
        series["ours"].scaled(1e3),
        alternative.name,
        series["theirs"].scaled(1e3),
        alternative.target,
    )


def seconds_to_first_line(program: str, variables: Mapping[str, str], cpus: float) -> float:
    """Return the seconds from the start of Python to the last line of the program, its response."""
    started = time.perf_counter()
    process = start_program(program, variables, "-u")
    assert process.stdout is not None  # noqa: S101 - for the type checker: PIPE was given
    with process, throttled(process.pid, cpus):
        responded = started
        for _ in process.stdout:
            responded = time.perf_counter()
    if process.returncode != 0:
        raise RuntimeError(f"A measured process ended with status {process.returncode}.")
    return responded - started


def notes() -> str:
    """Return a table of the time that Python reports for the imports of each package, for each function."""
    with running_server() as server:
        variables = environment(server.url)
        found = {start.what: _import_costs(start.ours, variables) for start in STARTS}
    names = sorted(
        {name for costs in found.values() for name in costs}, key=lambda name: -_longest_ms(found, name)
    )
    lines = ["| ms of import | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    for name in names:
        if _longest_ms(found, name) >= MIN_IMPORT_MS:
            cells = " | ".join(f"{costs[name]:.1f}" if name in costs else "" for costs in found.values())
            lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def _longest_ms(found: Mapping[str, Mapping[str, float]], name: str) -> float:
    return max(costs.get(name, 0.0) for costs in found.values())


def _import_costs(program: str, variables: Mapping[str, str]) -> dict[str, float]:
    """Return milliseconds by top-level package. The modules of the standard library count together."""
    process = start_program(program, variables, "-X", "importtime", stderr=subprocess.PIPE)
    _, printed = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"A measured process ended with status {process.returncode}:\n{printed}")
    costs: defaultdict[str, float] = defaultdict(float)
    for own, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", printed):
        package = name.partition(".")[0]
        costs["the standard library" if package in sys.stdlib_module_names else package] += int(own) / 1000
    return costs
