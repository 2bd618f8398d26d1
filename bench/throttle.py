"""Throttles a running process to a fraction of one CPU, as Lambda does with a small function. Linux only.

ops.capacity.load has the rule how many CPUs a function of some memory gets.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PERIOD_SECONDS = 0.02
"""Time over which the process gets its fraction."""
CHECK_SECONDS = 0.001
"""Time between two looks at the process."""

available = sys.platform == "linux"


@contextmanager
def throttled(process_id: int, cpus: float) -> Iterator[None]:
    """Stop the process whenever it has used its part of a period, until the next period begins.

    With ``cpus`` of 1 or more it is never stopped.
    """
    done = threading.Event()
    watch = threading.Thread(target=_throttle, args=(process_id, cpus, done), daemon=True)
    if cpus < 1:
        watch.start()
    try:
        yield
    finally:
        done.set()
        if cpus < 1:
            watch.join()


def _throttle(process_id: int, cpus: float, done: threading.Event) -> None:
    clock = (~process_id << 3) | 2  # clock_getcpuclockid(3): the clock of another process's CPU time
    with suppress(OSError):  # the process has ended
        # CPU time from before the throttling does not count.
        allowed = time.clock_gettime(clock)
        while not done.is_set():
            period_ends = time.monotonic() + PERIOD_SECONDS
            # Excess of one period is taken from the next. Unused time of a period is not kept.
            allowed = min(allowed, time.clock_gettime(clock)) + cpus * PERIOD_SECONDS
            if time.clock_gettime(clock) < allowed:
                os.kill(process_id, signal.SIGCONT)
            while time.monotonic() < period_ends:
                if time.clock_gettime(clock) >= allowed:
                    os.kill(process_id, signal.SIGSTOP)
                time.sleep(CHECK_SECONDS)
    with suppress(OSError):
        os.kill(process_id, signal.SIGCONT)
