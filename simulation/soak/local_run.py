"""``make run`` as the soak uses it: started as a person does, killed, started again, stopped."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from local.coordinates import FILE_NAME
from simulation.soak.connection import Connection, NoResponseError, NotSentError
from simulation.soak.processes import Parts, Process, parts_of, running

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0
STOP_SECONDS = 60.0
FUNCTION_SECONDS = 150.0
"""Longer than the time-out of a function: one that nobody waits for has ended by then."""
POLL_SECONDS = 0.1
READY = "\nReady.\n"
PORTS = range(20_000, 32_000)
"""Ports that no system gives to outgoing connections, so that they are still free after a restart."""


class SoakError(Exception):
    """The soak cannot go on. The message says why."""


class LocalRun:
    """The program. ``home`` keeps its state, and what it and the emulator print, by start."""

    def __init__(self, home: Path) -> None:
        self.stack: dict[str, str] = {}
        self.leftover = 0
        self._home = home
        self._ports = [*islice(_free_ports(), 3)]
        self._started: set[_Identity] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0

    def start(self) -> None:
        """Start the program and return when it is ready. Raises SoakError."""
        command = [sys.executable, "-m", "local", "--home", str(self._home / "stack")]
        for option, port in zip(("--port", "--engine-port", "--console-port"), self._ports, strict=True):
            command += [option, str(port)]
        self._starts += 1
        with self._output.open("wb") as output:
            self._process = process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _until(lambda: READY in self._printed() or process.poll() is not None, START_SECONDS)
        if READY not in self._printed():
            raise SoakError(f"make run did not start. It printed:\n{self._printed()}")
        self.stack = json.loads((self._home / "stack" / FILE_NAME).read_text())

    @property
    def archive(self) -> Path:
        """The folder with the objects of the archive: the emulator keeps each as a file."""
        (bucket,) = (self._home / "stack" / "emulator" / "s3").glob(f"*/{self.stack['bucket']}")
        return bucket / "events"

    def parts(self) -> Parts:
        """Return the processes of the stack."""
        assert self._process is not None  # noqa: S101 - for the type checker: it was started
        return parts_of(self._process.pid, running())

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Call a control endpoint of the engine and return its JSON. Raises SoakError."""
        content = b"" if body is None else json.dumps(body).encode()
        connection = Connection(self.stack["personalizeUrl"])
        responses: list[bytes] = []

        def succeeds() -> bool:
            with suppress(NotSentError, NoResponseError):
                response = connection.request(method, path, content)
                responses.append(response.content)
                return response.status == 200
            return False

        succeeded = _until(succeeds, START_SECONDS)
        connection.close()
        if not succeeded:
            raise SoakError(
                f"The engine does not do {method} {path}, for {START_SECONDS:.0f} s: {responses[-1:]!r}"
            )
        return json.loads(responses[-1])

    def kill(self) -> None:
        """Kill the program alone. Return when the engine and the emulator have ended by themselves.

        Workers of the functions may go on until the time-out of their function. stop() waits for them.
        """
        assert self._process is not None  # noqa: S101 - as above
        parts = self.parts()
        self._started.update(_identities(parts.all))
        self._process.kill()
        self._process.wait()
        if not _until(lambda: not _running(_identities([*parts.engine, *parts.emulator])), STOP_SECONDS):
            raise SoakError("The engine or the emulator still runs, a minute after make run was killed.")
        # The next start begins it anew.
        shutil.copy(
            self._home / "stack" / "emulator" / "ministack.log", self._home / f"emulator-{self._starts}.log"
        )

    def stop(self) -> int:
        """Stop the program and return its exit status. From then on, ``leftover`` is known."""
        if self._process is None:
            return 0
        self._started.update(_identities(self.parts().all))
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        _until(lambda: not _running(self._started), FUNCTION_SECONDS)
        for pid, _ in _running(self._started):
            self.leftover += 1
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return status

    @property
    def _output(self) -> Path:
        return self._home / f"make-run-{self._starts}.log"

    def _printed(self) -> str:
        return self._output.read_text(errors="replace")


_Identity = tuple[int, str]
"""Process id and command: an id alone may be given to another process."""


def _identities(processes: Iterable[Process]) -> set[_Identity]:
    return {(process.pid, process.command) for process in processes}


def _running(known: set[_Identity]) -> set[_Identity]:
    return known & _identities(running())


def _until(question: Callable[[], bool], seconds: float) -> bool:
    """Ask until the response is True, for at most ``seconds``. Return the last response."""
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _free_ports() -> Iterator[int]:
    return filter(_is_free, random.sample(PORTS, len(PORTS)))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
