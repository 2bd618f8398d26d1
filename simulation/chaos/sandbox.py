"""Sandboxes as Lambda keeps them: processes that are started when needed, reused while they live, and killed.

A kill is a real one, SIGKILL in the middle of whatever the process is doing: requests already handed to the
kernel still arrive, nothing else does.
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

from chalicelib.delivery import RESERVE
from simulation.chaos.function import READY
from simulation.invocation import InvocationKilledError

ROOT = Path(__file__).parents[2]

HURRY = RESERVE + 1
"""Seconds of an invocation that starts late: one is left for calls, the others are the handler's reserve."""


class SandboxError(Exception):
    """The function does not start; holds what it printed."""


class FunctionError(Exception):
    """The handler raised."""


class Sandbox:
    """One process. ``output`` collects what it prints."""

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
                # Ctrl-C at the terminal is for the starter.
                start_new_session=True,
            )
        assert self._process.stdin is not None  # noqa: S101 - says to the type checker what PIPE means
        assert self._process.stdout is not None  # noqa: S101
        self._to, self._from = self._process.stdin, self._process.stdout
        if self._from.readline().strip() != READY:
            self.kill()
            raise SandboxError(f"The function did not start:\n{output.read_text(errors='replace')[-2000:]}")

    def invoke(self, request: Mapping[str, Any], lifetime: float) -> Any:
        """The answer; InvocationKilledError when there is none after ``lifetime`` seconds."""
        reaper = threading.Timer(lifetime, self.kill)
        reaper.start()
        line = ""
        with suppress(OSError, ValueError):  # killed while it was being written to
            self._to.write(json.dumps(request) + "\n")
            self._to.flush()
            line = self._from.readline()
        reaper.cancel()
        reaper.join()
        if not line.endswith("\n"):
            self.kill()
            raise InvocationKilledError
        answer = json.loads(line)
        if "error" in answer:
            raise FunctionError(answer["error"])
        return answer["answer"]

    def kill(self) -> None:
        self.alive = False
        self._process.kill()

    def close(self) -> None:
        """Kill it and wait until it is gone."""
        self.kill()
        for pipe in (self._to, self._from):
            with suppress(OSError):
                pipe.close()
        self._process.wait()


class Fleet:
    """The function as the event source calls it: in an idle sandbox, or a new one.

    Kills the given share of the invocations at a random moment; another share starts with hardly any time
    left. ``clock`` tells monotonic seconds.
    """

    def __init__(
        self,
        start: Callable[[], Sandbox],
        *,
        kills: float,
        hurries: float,
        timeout: float,
        random: Random,
        clock: Callable[[], float],
    ) -> None:
        self.kills = 0
        self.errors: Counter[str] = Counter()
        self.failure: SandboxError | None = None
        self._start = start
        self._kill_rate, self._hurry_rate, self._timeout = kills, hurries, timeout
        self._random = random
        self._clock = clock
        self._typical = 0.5
        self._invocations = 0
        self._idle: list[Sandbox] = []
        self._all: list[Sandbox] = []
        self._closed = False
        self._lock = threading.Lock()

    def __call__(self, event: dict[str, Any]) -> Any:
        sandbox = self._take()
        timeout, lifetime, request_id = self._draw()
        started = self._clock()
        try:
            answer = sandbox.invoke({"event": event, "requestId": request_id, "timeout": timeout}, lifetime)
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
        return answer

    def close(self) -> None:
        """Kill every sandbox. An invocation under way ends with an error."""
        with self._lock:
            self._closed = True
            sandboxes = list(self._all)
        for sandbox in sandboxes:
            sandbox.kill()

    def reap(self) -> None:
        """Wait for the processes that close() has killed. To be called when nobody invokes any more."""
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
            self._typical = 0.8 * self._typical + 0.2 * (self._clock() - started)
            self._idle.append(sandbox)

    def _draw(self) -> tuple[float, float, str]:
        """Timeout, lifetime and request id of the next invocation."""
        with self._lock:
            self._invocations += 1
            timeout = HURRY if self._random.random() < self._hurry_rate else self._timeout
            killed = self._random.random() < self._kill_rate
            moment = self._random.random() * self._typical
            return timeout, min(timeout, moment) if killed else timeout, f"request-{self._invocations}"
