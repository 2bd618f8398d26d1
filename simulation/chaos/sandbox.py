"""Sandboxes as Lambda keeps them: processes that are started when needed, reused while they run, and killed.

A kill is SIGKILL at any moment. Requests that the process has passed to the kernel arrive, nothing else does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from chalicelib.delivery.plan import RESERVED_SECONDS
from simulation.chaos.function import READY
from simulation.invocation import InvocationKilledError

ROOT = Path(__file__).parents[2]

SHORT_TIMEOUT_SECONDS = RESERVED_SECONDS + 1
"""Timeout of an invocation that starts late: one second for calls, and the time that the handler reserves."""


class SandboxError(Exception):
    """The function does not start. The message has what it printed."""


class FunctionError(Exception):
    """The handler raised."""


class Sandbox:
    """One process. ``output`` is the file for what it prints."""

    def __init__(self, environment: Mapping[str, str], output: Path) -> None:
        self.alive = True
        with output.open("ab") as printed:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "simulation.chaos.function"],
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed,
                text=True,
                # Ctrl-C at the terminal is for the parent process only.
                start_new_session=True,
            )
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: PIPE was given
        assert self._process.stdout is not None  # noqa: S101
        self._to, self._from = self._process.stdin, self._process.stdout
        if self._from.readline().strip() != READY:
            self.kill()
            printed_text = output.read_text(errors="replace")[-2000:]
            raise SandboxError(f"The function did not start. It printed:\n{printed_text}")

    def invoke(self, request: Mapping[str, Any], lifetime_seconds: float) -> Any:
        """Return the response of one invocation.

        Kill the process and raise InvocationKilledError when there is no response after ``lifetime_seconds``.
        Raise FunctionError when the handler raised.
        """
        timer = threading.Timer(lifetime_seconds, self.kill)
        timer.start()
        line = ""
        with suppress(OSError, ValueError):  # the process was killed during the write
            self._to.write(json.dumps(request) + "\n")
            self._to.flush()
            line = self._from.readline()
        timer.cancel()
        timer.join()
        if not line.endswith("\n"):
            self.kill()
            raise InvocationKilledError
        result = json.loads(line)
        if "error" in result:
            raise FunctionError(result["error"])
        return result["response"]

    def kill(self) -> None:
        """Send SIGKILL to the process."""
        self.alive = False
        self._process.kill()

    def close(self) -> None:
        """Kill the process and wait for its end."""
        self.kill()
        for pipe in (self._to, self._from):
            with suppress(OSError):
                pipe.close()
        self._process.wait()


class FunctionPool:
    """The function as the event source invokes it: in an idle sandbox, or in a new one.

    ``kills`` is the share of the invocations that are killed at a random moment. ``short_timeouts`` is the
    share that starts with SHORT_TIMEOUT_SECONDS left. ``clock`` returns monotonic seconds.
    """

    def __init__(
        self,
        start: Callable[[], Sandbox],
        *,
        kills: float,
        short_timeouts: float,
        timeout_seconds: float,
        random: Random,
        clock: Callable[[], float],
    ) -> None:
        self.kills = 0
        self.errors: Counter[str] = Counter()
        self.failure: SandboxError | None = None
        self._start = start
        self._kills_share, self._short_share = kills, short_timeouts
        self._timeout_seconds = timeout_seconds
        self._random = random
        self._clock = clock
        self._typical_seconds = 0.5
        self._invocations = 0
        self._idle: list[Sandbox] = []
        self._all: list[Sandbox] = []
        self._closed = False
        self._lock = threading.Lock()

    def __call__(self, event: dict[str, Any]) -> Any:
        """Return the handler's response. Raise InvocationKilledError or FunctionError when there is none."""
        sandbox = self._take()
        timeout_seconds, lifetime_seconds, request_id = self._draw()
        request = {"event": event, "requestId": request_id, "timeoutSeconds": timeout_seconds}
        started = self._clock()
        try:
            response = sandbox.invoke(request, lifetime_seconds)
        except InvocationKilledError:
            with self._lock:
                self.kills += 1
            raise
        except FunctionError as error:
            with self._lock:
                self.errors[str(error)] += 1
            self._give_back(sandbox, started)
            raise
        self._give_back(sandbox, started)
        return response

    def close(self) -> None:
        """Kill every sandbox. Current invocations end with an error."""
        with self._lock:
            self._closed = True
            sandboxes = list(self._all)
        for sandbox in sandboxes:
            sandbox.kill()

    def wait(self) -> None:
        """Wait for the end of the processes that close() has killed. Call it after the last invocation."""
        for sandbox in self._all:
            sandbox.close()

    def _take(self) -> Sandbox:
        with self._lock:
            if self._closed:
                raise InvocationKilledError
            while self._idle:
                sandbox = self._idle.pop()
                if sandbox.alive:
                    return sandbox
        try:
            sandbox = self._start()
        except SandboxError as error:
            self.failure = error
            raise
        with self._lock:
            self._all.append(sandbox)
            if self._closed:
                sandbox.kill()
        return sandbox

    def _give_back(self, sandbox: Sandbox, started: float) -> None:
        with self._lock:
            self._typical_seconds = 0.8 * self._typical_seconds + 0.2 * (self._clock() - started)
            self._idle.append(sandbox)

    def _draw(self) -> tuple[float, float, str]:
        """Return timeout and lifetime in seconds and the request id of the next invocation."""
        with self._lock:
            self._invocations += 1
            short = self._random.random() < self._short_share
            timeout_seconds = SHORT_TIMEOUT_SECONDS if short else self._timeout_seconds
            killed = self._random.random() < self._kills_share
            kill_seconds = self._random.random() * self._typical_seconds
            lifetime_seconds = min(timeout_seconds, kill_seconds) if killed else timeout_seconds
            return timeout_seconds, lifetime_seconds, f"request-{self._invocations}"
