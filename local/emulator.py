"""Starts MiniStack, the emulator of the AWS services, and stops it by its own handle.

with running_emulator(state_dir=folder) as emulator:
    client = boto3.client("kinesis", endpoint_url=emulator.url, ...)
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from local.environment import AWS_SETTINGS
from local.state import make_private, open_private

_ROOT = Path(__file__).parent.parent
HOST = "127.0.0.1"
_POLL_SECONDS = 0.05
_TAIL = 5

# Without proxies: a developer's HTTP_PROXY must not stand between two programs of this machine.
_open = build_opener(ProxyHandler({})).open


class EmulatorError(Exception):
    """MiniStack did not start; the sentence says why."""


@dataclass(frozen=True)
class Emulator:
    """A running MiniStack. ``output`` is what it has printed."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    output: Path

    def stop(self, timeout_seconds: float = 15) -> int:
        """Ask it to save its state and end, insist after a time, return its exit status."""
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()
        self.process.terminate()
        try:
            status = self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        # Its session is its own: whatever is left in it is a function that did not end with it.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return status


@contextmanager
def running_emulator(
    *, port: int = 0, environment: Mapping[str, str] | None = None, state_dir: Path
) -> Iterator[Emulator]:
    """MiniStack on 127.0.0.1 for the length of a with statement; port 0 takes a free one.

    ``environment`` is added to the emulator's own, and so to that of every function in it. What the services
    hold is saved in ``state_dir`` at the end and is there again at the next start. Raises EmulatorError.
    """
    emulator = start_emulator(port=port, environment=environment, state_dir=state_dir)
    try:
        yield emulator
    finally:
        emulator.stop()


def start_emulator(
    *,
    port: int = 0,
    environment: Mapping[str, str] | None = None,
    state_dir: Path,
    timeout_seconds: float = 60,
) -> Emulator:
    """Start MiniStack and return when it answers. Raises EmulatorError."""
    port = _claim(port)
    shutil.rmtree(_scratch(state_dir), ignore_errors=True)
    make_private(_scratch(state_dir))
    output = state_dir / "ministack.log"
    with open_private(output, "wb") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.guarded_emulator"],
            cwd=_ROOT,
            env=_environment(port, state_dir, environment or {}),
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.STDOUT,
            # Ctrl-C at the terminal is for the starter, which stops the emulator when it is done with it.
            start_new_session=True,
        )
    emulator = Emulator(f"http://{HOST}:{port}", port, process, output)
    try:
        _wait_until_healthy(emulator, time.monotonic() + timeout_seconds)
    except BaseException:
        emulator.stop()
        raise
    return emulator


def _scratch(state_dir: Path) -> Path:
    return state_dir.absolute() / "tmp"


def _environment(port: int, state_dir: Path, added: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in AWS_SETTINGS}
    return inherited | {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state_dir.absolute() / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state_dir.absolute() / "s3"),
        # MiniStack unpacks every function below the temporary folder and leaves it there.
        "TMPDIR": str(_scratch(state_dir)),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **added,
    }


def _claim(port: int) -> int:
    """The port, or a free one for 0. EmulatorError when somebody listens there."""
    with socket.socket() as probe:
        # As servers do; otherwise a port whose last connection has just closed would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise EmulatorError(
                f"Port {port} on {HOST} is taken by another program. Stop it, or choose another port "
                "(make run PORT=...)."
            ) from error
        return int(probe.getsockname()[1])


def _wait_until_healthy(emulator: Emulator, deadline: float) -> None:
    while time.monotonic() < deadline:
        if emulator.process.poll() is not None:
            raise EmulatorError(f"MiniStack ended while starting: {_tail(emulator.output)}")
        with (
            suppress(URLError, ConnectionError, TimeoutError, ValueError),
            _open(f"{emulator.url}/_ministack/health", timeout=5) as answer,
        ):
            if "services" in json.load(answer):
                return
        time.sleep(_POLL_SECONDS)
    raise EmulatorError(f"MiniStack was not ready in time: {_tail(emulator.output)}")


def _tail(output: Path) -> str:
    return (
        " | ".join(output.read_text(errors="replace").split("\n")[-_TAIL:]).strip(" |") or "it said nothing"
    )
