"""Progress on stderr: one line that is overwritten on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress

from ops.terminal import printable_line

SECONDS_BETWEEN_LINES = 10.0
"""Where the output is no terminal."""
BAR_CHARACTERS = 24
_MAX_LINE_CHARACTERS = 200


class Progress:
    """Shows how much of a job is done. ``clock`` is in seconds.

    A terminal that is gone ends no job: what cannot be shown is left out.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = 0.0
        self._width = 0

    def show(self, line: str) -> None:
        """Show one line in the place of the one before. Off the terminal, most lines are left out."""
        with suppress(OSError):
            self._show(printable_line(line, max_characters=_MAX_LINE_CHARACTERS))

    def _show(self, line: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\r" + line.ljust(self._width))
            sys.stderr.flush()
            self._width = len(line)
        elif self._clock() >= self._next:
            self._next = self._clock() + SECONDS_BETWEEN_LINES
            print(line, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line as it is: what is printed next begins a new one."""
        with suppress(OSError):
            if self._width:
                print(file=sys.stderr, flush=True)
        self._width = 0


def bar(done: int, total: int) -> str:
    """Return a bar and the share in percent."""
    share = done / total if total else 1.0
    filled = int(share * BAR_CHARACTERS)
    return f"[{'#' * filled}{'.' * (BAR_CHARACTERS - filled)}] {int(share * 100):3}%"


def duration(seconds: float) -> str:
    """Return a duration in the unit that fits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
