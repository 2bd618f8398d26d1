"""A test run says at its end how long each area took."""

from dataclasses import dataclass, field

from tests.support.area_seconds import AreaSeconds


@dataclass
class Report:
    nodeid: str
    duration: float


@dataclass
class Terminal:
    lines: list[str] = field(default_factory=list)

    def write_line(self, line):
        self.lines.append(line)


def summary(*reports):
    seconds, terminal = AreaSeconds(), Terminal()
    for report in reports:
        seconds.pytest_runtest_logreport(report)
    seconds.pytest_terminal_summary(terminal)
    return terminal.lines


def test_the_seconds_of_setup_call_and_teardown_are_added_up_by_area_the_longest_first():
    reports = [
        Report("tests/unit/test_a.py::test_one[tests/x]", 0.25),
        Report("tests/integration/test_b.py::test_two", 3.0),
        Report("tests/unit/test_a.py::test_one[tests/x]", 0.5),
        Report("tests/integration/test_b.py::test_two", 0.06),
    ]
    assert summary(*reports) == ["Seconds of the tests by area: integration 3.1, unit 0.8"]


def test_a_run_without_tests_says_nothing():
    assert summary() == []
