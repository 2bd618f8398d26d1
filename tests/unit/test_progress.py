"""How far a job has come: one line at a terminal, a line now and then in a log."""

import errno
import io
import sys

import pytest

from ops.progress import SECONDS_BETWEEN_LINES, Progress, bar, duration


class Screen(io.StringIO):
    def __init__(self, *, is_terminal):
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self):
        return self._is_terminal


@pytest.fixture
def shown(monkeypatch):
    """What is written when lines are shown one second after another."""

    def show(*lines, is_terminal):
        screen = Screen(is_terminal=is_terminal)
        monkeypatch.setattr(sys, "stderr", screen)
        seconds = iter(range(1000))
        now = [0.0]
        progress = Progress(lambda: now[0])
        for line in lines:
            now[0] = next(seconds)
            progress.show(line)
        progress.end()
        return screen.getvalue()

    return show


def test_at_a_terminal_a_line_replaces_the_one_before(shown):
    assert shown("a long line", "short", is_terminal=True) == "\ra long line\rshort      \n"


def test_elsewhere_there_is_a_line_every_ten_seconds(shown):
    assert SECONDS_BETWEEN_LINES == 10
    lines = shown(*(f"{second} s" for second in range(25)), is_terminal=False)
    assert lines.splitlines() == ["0 s", "10 s", "20 s"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_that_is_gone_ends_nothing(monkeypatch, is_terminal):
    class Gone(Screen):
        def write(self, _):
            raise OSError(errno.EIO, "gone")

    monkeypatch.setattr(sys, "stderr", Gone(is_terminal=is_terminal))
    progress = Progress(lambda: 0.0)
    progress.show("a line")
    progress.end()


def test_a_line_cannot_control_the_terminal(shown):
    assert "\x1b" not in shown("\x1b[2J", is_terminal=True)


@pytest.mark.parametrize(
    ("done", "total", "expected"),
    [
        (0, 10, "[" + "." * 24 + "]   0%"),
        (5, 10, "[" + "#" * 12 + "." * 12 + "]  50%"),
        (0, 0, "[" + "#" * 24 + "] 100%"),
    ],
)
def test_a_bar_shows_the_share(done, total, expected):
    assert bar(done, total) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(3.4, "3 s"), (600, "10 min"), (9000, "2.5 h")])
def test_a_duration_has_the_unit_that_fits(seconds, expected):
    assert duration(seconds) == expected
