"""MiniStack, the emulator of the AWS services, in a process of its own: start and stop.

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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from local import archive_compaction, archive_spool
from local.damage import saved_buckets
from local.environment import AWS_SETTINGS
from local.state import make_private, open_private
from local.state_saver import TEMPORARY

_ROOT = Path(__file__).parent.parent
HOST = "127.0.0.1"
ACCOUNT = "000000000000"
"""The account that MiniStack takes every caller for."""
_POLL_SECONDS = 0.05
_TAIL_LINES = 5

# Without proxies: requests between two programs of this machine must not go to the developer's HTTP_PROXY.
_open = build_opener(ProxyHandler({})).open


UNSAVED = "The state could not be saved: "
UNWRITTEN = "Objects of S3 could not be written: "
"""How the emulator's program begins the lines with its reasons to end with another status than 0."""


class EmulatorError(Exception):
    """MiniStack did not start. The message says why."""


@dataclass(frozen=True)
class Emulator:
    """A running MiniStack. ``output`` is the file with what it has printed."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    output: Path
    state: Path

    def saved_at(self) -> float | None:
        """Return when the state was last saved, in seconds since 1970; None for never."""
        return max((file.stat().st_mtime for file in self.state.glob("*.json")), default=None)

    def last_words(self, beginning: str = "") -> str:
        """Return the rest of the last line printed with a beginning; without one the last lines."""
        if not beginning:
            return _tail(self.output)
        with self.output.open(errors="replace") as printed:
            found = [line.removeprefix(beginning).strip() for line in printed if line.startswith(beginning)]
        return found[-1] if found else ""

    def deployed(self) -> None:
        """Have the deployment saved from now on, when the emulator was started as not deployed."""
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.write(b"\n")
                self.process.stdin.flush()

    def stop(self, timeout_seconds: float = 15) -> int:
        """Stop MiniStack, which saves its state, and return its exit status. After the time-out, kill it."""
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()
        self.process.terminate()
        try:
            status = self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        # MiniStack has a process group of its own. What is left in it are functions that did not end.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return status


@contextmanager
def running_emulator(
    *, port: int = 0, environment: Mapping[str, str] | None = None, state_dir: Path
) -> Iterator[Emulator]:
    """Run MiniStack on 127.0.0.1 for the length of a with statement. Port 0 takes a free port.

    MiniStack and every function in it get ``environment`` in addition to their own variables. At the
    end, MiniStack saves the state of its services in ``state_dir``; the next start loads it. Raises
    EmulatorError.
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
    is_deployed: bool = True,
    inherited: Sequence[int] = (),
    timeout_seconds: float = 60,
) -> Emulator:
    """Start MiniStack and return when it is ready. Raises EmulatorError, StateError and OSError.

    With ``is_deployed=False``, the deployment in it is saved after ``Emulator.deployed()`` only: one that is
    interrupted leaves the saved one as it was. MiniStack inherits the file descriptors ``inherited``.
    """
    port = _free_port(port)
    prepare_folders(state_dir)
    output = state_dir / "ministack.log"
    with open_private(output, "wb") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.guarded_emulator", *([] if is_deployed else ["--undeployed"])],
            cwd=_ROOT,
            env=_environment(port, state_dir, environment or {}),
            stdin=subprocess.PIPE,
            pass_fds=inherited,
            stdout=printed,
            stderr=subprocess.STDOUT,
            # Ctrl-C at the terminal must reach only the program that started the emulator and that stops it.
            start_new_session=True,
        )
    emulator = Emulator(f"http://{HOST}:{port}", port, process, output, _state(state_dir))
    try:
        _wait_until_healthy(emulator, time.monotonic() + timeout_seconds)
    except BaseException:
        emulator.stop()
        raise
    return emulator


def prepare_folders(state_dir: Path) -> None:
    """Make the emulator's folders, and finish in them what an earlier run has left.

    Raises StateError and OSError for what cannot be used.
    """
    shutil.rmtree(_scratch(state_dir), ignore_errors=True)
    for folder in (_scratch(state_dir), _state(state_dir), _buckets(state_dir), _spool(state_dir)):
        make_private(folder)
    for unfinished in _state(state_dir).glob(f"*{TEMPORARY}"):
        unfinished.unlink()  # what cannot be removed would let every save fail
    saved = saved_buckets(_state(state_dir))
    for bucket in saved or ():
        make_private(_buckets(state_dir) / bucket)
    archive_spool.restore(_spool(state_dir), _buckets(state_dir), saved)
    archive_compaction.compact(_buckets(state_dir), state_dir / "archive-compaction")


def _state(state_dir: Path) -> Path:
    return state_dir.absolute() / "state"


def _objects(state_dir: Path) -> Path:
    return state_dir.absolute() / "s3"


def _scratch(state_dir: Path) -> Path:
    return state_dir.absolute() / "tmp"


def _spool(state_dir: Path) -> Path:
    return state_dir.absolute() / "archive-spool"


def _buckets(state_dir: Path) -> Path:
    return state_dir.absolute() / "s3" / ACCOUNT


def _environment(port: int, state_dir: Path, added: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in AWS_SETTINGS}
    return inherited | {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(_state(state_dir)),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(_objects(state_dir)),
        "ARCHIVE_SPOOL_DIR": str(_spool(state_dir)),
        # MiniStack unpacks every function into the temporary folder and does not remove it.
        "TMPDIR": str(_scratch(state_dir)),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **added,
    }


def _free_port(port: int) -> int:
    """Return the port, or a free one for 0. Raises EmulatorError when a program listens on it."""
    with socket.socket() as probe:
        # Servers set this option. Without it, a port whose last connection has just closed looks taken.
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
            _open(f"{emulator.url}/_ministack/health", timeout=5) as response,
        ):
            if "services" in json.load(response):
                return
        time.sleep(_POLL_SECONDS)
    raise EmulatorError(f"MiniStack was not ready in time: {_tail(emulator.output)}")


def _tail(output: Path) -> str:
    return (
        " | ".join(output.read_text(errors="replace").split("\n")[-_TAIL_LINES:]).strip(" |")
        or "it printed nothing"
    )
