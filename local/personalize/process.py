"""The engine in a process of its own: start, control and stop. This module loads neither numpy nor botocore.

with running_engine(data=folder, database=file) as engine:
    client = boto3.client("personalize-runtime", endpoint_url=engine.url, ...)
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from local.catalogue import FOLDER
from local.state import open_private

_ROOT = Path(__file__).parents[2]
_READY = re.compile(r"^Personalize engine ready at (http://\S+): ", re.MULTILINE)
_POLL_SECONDS = 0.02

# Without proxies: requests between two programs of this machine must not go to the developer's HTTP_PROXY.
_open = build_opener(ProxyHandler({})).open


class EngineProcessError(Exception):
    """The engine did not start or refused a control request. The message is what the engine said."""


@dataclass(eq=False)
class EngineProcess:
    """A running engine. ``output`` is the file with what it has printed, errors included."""

    url: str
    process: subprocess.Popen[bytes]
    output: Path
    data: Path
    database: Path

    def start_again(self) -> None:
        """Start an engine that has ended: same port, data and database. Raises EngineProcessError.

        What the ended one has printed is kept in a file beside ``output``, until the next time.
        """
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.output.replace(previous_output(self.output))
        port = int(self.url.rsplit(":", 1)[1])
        started = start_engine(data=self.data, database=self.database, port=port, output=self.output)
        self.process = started.process

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call a control endpoint, such as ``("GET", "/_engine/stats")``, and return its JSON.

        Raises EngineProcessError when the engine refuses the request.
        """
        data = json.dumps(body).encode() if body is not None else None
        request = Request(self.url + path, data, method=method)  # noqa: S310 - always http://127.0.0.1
        try:
            with _open(request, timeout=10) as response:
                return json.load(response)
        except HTTPError as error:
            with error:
                raise EngineProcessError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def set_faults(self, **settings: Any) -> None:
        """Replace the faults in force; without settings all are off. ``faults.py`` describes the keys."""
        self.control("PUT", "/_engine/faults", settings)

    def stop(self, timeout_seconds: float = 5) -> int:
        """Stop the engine and return its exit status. After the time-out, kill it.

        Does nothing to an engine that has ended.
        """
        self.process.terminate()
        try:
            return self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            if self.process.stdin is not None:
                self.process.stdin.close()


def start_engine(
    *, data: Path = FOLDER, database: Path, port: int = 0, output: Path, timeout_seconds: float = 60
) -> EngineProcess:
    """Start the engine on 127.0.0.1 and return when it is ready. Port 0 takes a free port.

    The engine ends when the program that started it ends, for whatever reason. A Ctrl-C at the terminal does
    not reach the engine: the program that started it decides. Raises EngineProcessError when the engine does
    not start, with the engine's own sentence.
    """
    with open_private(output, "wb") as printed:
        process = _spawn(data, database, port, printed)
    try:
        url = _wait_until_ready(process, output, time.monotonic() + timeout_seconds)
        engine = EngineProcess(url, process, output, data, database)
        # The engine prints the line a moment before it serves. This request waits in the socket's queue.
        engine.control("GET", "/_engine/health")
    except BaseException as error:
        process.kill()
        process.communicate()
        if isinstance(error, OSError):  # the request: its connection was refused or reset
            raise EngineProcessError(f"The engine ended while starting: {error}") from error
        raise
    return engine


@contextmanager
def running_engine(
    *, data: Path = FOLDER, database: Path, port: int = 0, output: Path | None = None
) -> Iterator[EngineProcess]:
    """Run the engine for the length of a with statement. ``output`` is the file for what it prints."""
    with ExitStack() as stack:
        if output is None:
            output = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "engine.log"
        engine = start_engine(data=data, database=database, port=port, output=output)
        stack.callback(engine.stop)
        yield engine


def _spawn(data: Path, database: Path, port: int, printed: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "local.personalize", "--port", str(port)]
    command += ["--data", str(data.absolute()), "--database", str(database.absolute()), "--stop-with-stdin"]
    return subprocess.Popen(
        command,
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=printed,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def previous_output(output: Path) -> Path:
    """Return the file with what the engine had printed before it was started again."""
    return output.with_name(f"{output.stem}.previous{output.suffix}")


def _wait_until_ready(process: subprocess.Popen[bytes], output: Path, deadline: float) -> str:
    """Return the engine's address."""
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        text = output.read_text(errors="replace")
        ready = _READY.search(text)
        if ready is not None:
            return ready.group(1)
        if ended:
            silence = f"The engine ended with status {process.returncode} and printed nothing to {output}"
            raise EngineProcessError(text.strip() or f"{silence}. Look whether the disk is full.")
        time.sleep(_POLL_SECONDS)
    raise EngineProcessError(
        f"The engine was not ready in time: {output.read_text(errors='replace').strip()}"
    )
