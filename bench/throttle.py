"""A running process held to a fraction of one CPU, as Lambda holds a small function. Linux only.

Lambda gives a function processor time in proportion to its memory, one CPU at 1,769 MB
(docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PERIOD = 0.02
"""Seconds in which the fraction has to come true."""
CHECK = 0.001

available = sys.platform == "linux"


@contextmanager
def throttled(process_id: int, cpus: float) -> Iterator[None]:
    """Stop the process whenever it has used its part of a period, until the next one. From 1 on: never."""
    done = threading.Event()
    watch = threading.Thread(target=_hold, args=(process_id, cpus, done), daemon=True)
    if cpus < 1:
        watch.start()
    try:
        yield
    finally:
        done.set()
        if cpus < 1:
            watch.join()


def _hold(process_id: int, cpus: float, done: threading.Event) -> None:
    clock = (~process_id << 3) | 2  # clock_getcpuclockid(3): the CPU time of another process
    with suppress(OSError):  # it has ended
        allowed = time.clock_gettime(clock)  # what was used before this began is not held against it
        while not done.is_set():
            period_ends = time.monotonic() + PERIOD
            # What was used too much in one period is missing in the next; what was left over is not saved up.
            allowed = min(allowed, time.clock_gettime(clock)) + cpus * PERIOD
            if time.clock_gettime(clock) < allowed:
                os.kill(process_id, signal.SIGCONT)
            while time.monotonic() < period_ends:
                if time.clock_gettime(clock) >= allowed:
                    os.kill(process_id, signal.SIGSTOP)
                time.sleep(CHECK)
    with suppress(OSError):
        os.kill(process_id, signal.SIGCONT)
