"""Processes with what a Lambda sandbox has: the unpacked package, boto3 and the settings.

``Sandbox`` calls one function of this folder there and returns the time that the calls took, so that each
contender is measured with its own imports only.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ops.packaging.bundle import BUILD, package

ROOT = Path(__file__).resolve().parent.parent
STAGE = "prod"
UNPACKED = BUILD / "bench" / "package"

SETTINGS = {
    "CAMPAIGN_ARN": "arn:aws:personalize:us-east-1:000000000000:campaign/bench",
    "TRACKING_ID": "11111111-2222-3333-4444-555555555555",
    "EVENT_STREAM_NAME": "bench-events",
    "QUARANTINE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/bench-quarantine",
    "EVENTS_BUCKET_NAME": "bench-archive",
}
# As long as the credentials of a role with its session token: all of it is signed and sent in each call.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "x" * 40,
    "AWS_SESSION_TOKEN": "x" * 800,
}
# Variables of Lambda about the function. botocore puts some of them into its headers. The X-Ray SDK sends its
# segments to the daemon by UDP; here, nobody listens on the discard port.
LAMBDA = {
    "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
    "AWS_LAMBDA_FUNCTION_NAME": "personalize-api-bench",
    "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:9",
    "LAMBDA_TASK_ROOT": "/var/task",
    "_X_AMZN_TRACE_ID": "Root=1-5e272390-8c398be037738dc042009320;Parent=94ae789b969f1cc5;Sampled=1",
}


@cache
def unpacked() -> Path:
    """Unpack the package of the stage prod as Lambda does, and return the folder. It has no bytecode."""
    packaged = package(STAGE)
    shutil.rmtree(UNPACKED, ignore_errors=True)
    with zipfile.ZipFile(packaged.zip_path) as archive:
        archive.extractall(UNPACKED)
    return UNPACKED


def environment(server_url: str) -> dict[str, str]:
    """Return a function's variables. Python writes no bytecode: Lambda mounts the package read-only."""
    return {
        **SETTINGS,
        **CREDENTIALS,
        **LAMBDA,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ENDPOINT_URL": server_url,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join((str(unpacked()), str(ROOT))),
        "PATH": os.environ.get("PATH", ""),
    }


def start_program(
    program: str, variables: Mapping[str, str], *options: str, stderr: int | None = None
) -> subprocess.Popen[str]:
    """Start a Python program in a sandbox's environment; its standard output is a pipe.

    ``options`` are options of the Python command. With -P, modules come from PYTHONPATH and not from the
    working directory.
    """
    return subprocess.Popen(
        [sys.executable, "-P", *options, "-c", program],
        cwd=BUILD,
        env=dict(variables),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


@dataclass(frozen=True)
class Measured:
    """The time of some calls together, with all threads, and what the function returned."""

    cpu_seconds: float
    wall_seconds: float
    returned: Any


class Sandbox:
    """A process that calls one function. ``target`` is ``module:function argument ...``.

    The function takes a number of calls, and then the arguments, which are integers.
    """

    def __init__(self, target: str, variables: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.sandbox", *target.split()],
            cwd=BUILD,
            env=dict(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    @property
    def process_id(self) -> int:
        """The process, for bench.throttle."""
        return self._process.pid

    def run(self, calls: int = 1) -> Measured:
        """Make ``calls`` calls, one after another, and return the time that they took."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: PIPE was given
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(f"{calls}\n")
        self._process.stdin.flush()
        response = self._process.stdout.readline()
        if not response:
            raise RuntimeError(f"A measured process ended with status {self._process.wait()}.")
        return Measured(*json.loads(response))

    def close(self) -> None:
        """Let the process end, and wait for it."""
        self._process.communicate()


@contextmanager
def sandbox(target: str, server_url: str, *, warm_up: int = 0) -> Iterator[Sandbox]:
    """Yield a sandbox after ``warm_up`` calls. Close it when the with statement ends."""
    started = Sandbox(target, environment(server_url))
    try:
        if warm_up:
            started.run(warm_up)
        yield started
    finally:
        started.close()


def main() -> None:
    """Serve one sandbox: a line in is a number of calls, a line out is the time that they took."""
    module, _, name = sys.argv[1].partition(":")
    arguments = [int(argument) for argument in sys.argv[2:]]
    responses = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    # Log lines are written line by line, as on Lambda, and discarded.
    sys.stdout = Path(os.devnull).open("w", buffering=1)  # noqa: SIM115 - open until the process ends
    run: Callable[..., Any] = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        returned = run(int(line), *arguments)
        measured = (time.process_time() - cpu, time.perf_counter() - wall, returned)
        responses.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main()
