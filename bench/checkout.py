"""A copy of the project for measurements of `make run`, also of the first one."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.packaging.bundle import BUILD, ROOT
from ops.packaging.wheels import download_wheels

SOURCES = ("app.py", ".chalice", "chalicelib", "resources", "ops", "local", "console", "requirements.txt")
TIMEOUT_SECONDS = 60
POLL_SECONDS = 0.005


@dataclass(frozen=True)
class RunningCheckout:
    """What runs: the members of its stack.json, the process of `make run`, and the folder of its state."""

    stack: dict[str, str]
    process_id: int
    home: Path


class Checkout:
    """A copy with a package, bytecode and state of its own, so that no measurement changes the developer's.

    The downloads of a first `make run`, which are .venv and the wheels of requirements.txt, are there from
    the beginning. Otherwise the network would be measured.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def renew(self) -> None:
        """Replace the copy by one that was never run: with no package, bytecode or state."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        for name in SOURCES:
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, self._folder / name, ignore=ignored)
            else:
                shutil.copy(ROOT / name, self._folder / name)
        wheels = download_wheels(ROOT, BUILD, lambda line: None)
        shutil.copytree(wheels, self._folder / wheels.relative_to(ROOT))

    @contextmanager
    def running(self) -> Iterator[RunningCheckout]:
        """Run what `make run` runs, on free ports, until the with statement ends."""
        home, output = self._folder / ".local", self._folder / "output.txt"
        command = [sys.executable, "-m", "local", "--home", str(home)]
        command += ["--port", str(_free_port()), "--engine-port", str(_free_port())]
        command += ["--console-port", str(_free_port())]
        with output.open("w") as printed:
            process = subprocess.Popen(command, cwd=self._folder, stdout=printed, stderr=subprocess.STDOUT)
        try:
            yield RunningCheckout(_wait_for(home / "stack.json", process, output), process.pid, home)
        finally:
            process.terminate()
            process.wait(TIMEOUT_SECONDS)


def _wait_for(stack_file: Path, process: subprocess.Popen[bytes], output: Path) -> dict[str, str]:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if stack_file.exists() and (text := stack_file.read_text()).endswith("}\n"):
            stack: dict[str, str] = json.loads(text)
            return stack
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"The local stack did not start. It printed:\n{output.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
