"""Progress of a long run on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable

PROGRESS_SECONDS = 10.0
"""Time between two lines of progress where the output is no terminal."""


class Progress:
    """Prints progress: one line that is overwritten on a terminal, a line every ten seconds elsewhere.

    ``clock`` returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = 0.0
        self._width = 0

    def __call__(self, line: str, *, last: bool = False) -> None:
        """Show a line. ``last`` keeps it: the next line does not replace it."""
        if sys.stderr.isatty():
            sys.stderr.write("\r" + line.ljust(self._width) + ("\n" if last else ""))
            sys.stderr.flush()
            self._width = 0 if last else len(line)
        elif line and (last or self._clock() >= self._next):
            self._next = self._clock() + PROGRESS_SECONDS
            print(line, file=sys.stderr, flush=True)
