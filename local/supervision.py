"""Watches the programs of ``make run``. It starts the engine again; the end of the emulator ends the run. The
console is a thread of this program, whose end is reported and ends nothing.

The engine's events are on disk. The emulator has what was accepted since its last save in its memory only.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local.console.running import Console
from local.emulator import Emulator
from local.personalize.process import EngineProcess, EngineProcessError, previous_output

POLL_SECONDS = 0.1
STABLE_SECONDS = 30.0
"""An engine that ends later than this after its start is not blamed for its earlier ends."""
MAX_STARTS = 3
"""How often an engine that ends soon after each start is started again."""


class ProgramEndedError(Exception):
    """A program that the stack cannot do without has ended. The message says what to do."""


@contextmanager
def supervised(
    engine: EngineProcess,
    emulator: Emulator,
    console: Console,
    report: Callable[[str], None],
    stop: threading.Event,
) -> Iterator[None]:
    """Watch the programs for the length of a with statement.

    Sets ``stop`` when the run has to end, and raises ProgramEndedError at the end of the with statement then.
    """
    watch = _Watch(engine, emulator, console, report, stop)
    thread = threading.Thread(target=watch.run, name="supervision")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if watch.failure is not None:
            raise ProgramEndedError(watch.failure)


class _Watch:
    def __init__(
        self,
        engine: EngineProcess,
        emulator: Emulator,
        console: Console,
        report: Callable[[str], None],
        stop: threading.Event,
    ) -> None:
        self.failure: str | None = None
        self._engine = engine
        self._emulator = emulator
        self._console: Console | None = console
        self._report = report
        self._stop = stop
        self._started = time.monotonic()
        self._ends = 0

    def run(self) -> None:
        """Poll the programs until ``stop`` is set or one that the API needs has ended for good."""
        while self.failure is None and not self._stop.wait(POLL_SECONDS):
            if self._emulator.process.poll() is not None:
                self.failure = emulator_ended(self._emulator)
            elif self._engine.process.poll() is not None:
                self.failure = self._start_engine_again()
            elif self._console is not None and self._console.has_ended():
                self._console = None
                self._report(
                    "The console has ended. The API goes on; run this again to have the console back."
                )
        self._stop.set()

    def _start_engine_again(self) -> str | None:
        """Return why the engine is given up, or None: it runs, or the next poll tries once more."""
        self._ends = self._ends + 1 if time.monotonic() - self._started < STABLE_SECONDS else 1
        how = how_it_ended(self._engine.process.returncode)
        if self._ends > MAX_STARTS:
            return engine_given_up(how, self._ends, self._engine.output)
        self._report(f"The Personalize engine has ended ({how}). It is started again.")
        try:
            self._engine.start_again()
            self._report("The Personalize engine is ready again.")
        except (EngineProcessError, OSError) as error:
            self._report(f"It did not start: {error}")
        self._started = time.monotonic()
        return None


def how_it_ended(status: int) -> str:
    """Return a few words for the exit status of a process as ``subprocess`` gives it."""
    if status >= 0:
        return f"exit status {status}"
    if -status == signal.SIGKILL:
        return "killed by SIGKILL: by a person, or by the system because memory ran out"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def engine_given_up(how: str, ends: int, output: Path) -> str:
    """Return the sentences about an engine that ends again and again."""
    return (
        f"The Personalize engine has ended {ends} times in a row ({how}), so this run ends. Events that were "
        f"not delivered are kept for the next run. What the engine printed is in {output} and in "
        f"{previous_output(output).name} beside it."
    )


def emulator_ended(emulator: Emulator) -> str:
    """Return the sentences about an emulator that has ended."""
    saved = emulator.saved_at()
    since = time.strftime("after %H:%M:%S, when it last saved its state,", time.localtime(saved or 0))
    how = how_it_ended(emulator.process.returncode)
    return (
        f"MiniStack, the emulator, has ended ({how}), so this run ends. Events that it accepted "
        f"{since if saved else 'in this run'} and had not delivered yet are lost. Run this again to go on. "
        f"{emulator.output} has what MiniStack printed."
    )
