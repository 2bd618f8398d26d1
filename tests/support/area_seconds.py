"""The last line of a test run: how many seconds the tests of each folder of ``tests/`` took.

It says which area makes the suite slow. Two workers test at the same time, so that the sum is larger than the
time that went by.
"""

from pathlib import PurePosixPath
from typing import Protocol


class Report(Protocol):
    """The outcome of the setup, the call or the teardown of a test, as pytest reports it."""

    nodeid: str
    duration: float


class Terminal(Protocol):
    def write_line(self, line: str) -> None: ...


class AreaSeconds:
    """A plugin of pytest. Under xdist the process that writes the summary gets the reports of all workers."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: Report) -> None:
        area = PurePosixPath(report.nodeid.partition("::")[0]).parent.name
        self._seconds[area] = self._seconds.get(area, 0.0) + report.duration

    def pytest_terminal_summary(self, terminalreporter: Terminal) -> None:
        longest_first = sorted(self._seconds.items(), key=lambda item: -item[1])
        areas = ", ".join(f"{area} {seconds:.1f}" for area, seconds in longest_first)
        if areas:
            terminalreporter.write_line(f"Seconds of the tests by area: {areas}")
