"""A process with what a Lambda sandbox has: the unpacked package, boto3, the settings, and nothing of ours.

``Sandbox`` runs one function of this folder there as often as it is told and answers the time it took, so
that every contender is measured with only its own imports around it.
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
# As long as those of a role, session token included: all of it is signed and sent with every call.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "x" * 40,
    "AWS_SESSION_TOKEN": "x" * 800,
}
# What Lambda tells a function about itself; botocore puts some of it into its headers.
LAMBDA = {
    "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
    "AWS_LAMBDA_FUNCTION_NAME": "personalize-api-bench",
    "_X_AMZN_TRACE_ID": "Root=1-5e272390-8c398be037738dc042009320;Parent=94ae789b969f1cc5;Sampled=1",
}


@cache
def unpacked() -> Path:
    """The folder that Lambda would make of the package of the stage prod: sources only, no bytecode."""
    made = package(STAGE)
    shutil.rmtree(UNPACKED, ignore_errors=True)
    with zipfile.ZipFile(made.zip_path) as archive:
        archive.extractall(UNPACKED)
    return UNPACKED


def environment(server_url: str) -> dict[str, str]:
    """What a function sees. Lambda mounts a package read-only: its bytecode is kept nowhere."""
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


@dataclass(frozen=True)
class Taken:
    """What some calls took together, all threads counted. ``said`` is what the function returned."""

    cpu_seconds: float
    wall_seconds: float
    said: Any


class Sandbox:
    """``target`` is ``module:function argument ...``: the function takes a number of calls, then integers."""

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
        return self._process.pid

    def run(self, calls: int = 1) -> Taken:
        """Make so many calls, one after the other."""
        assert self._process.stdin is not None  # noqa: S101 - both were asked for
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(f"{calls}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"a measured process ended with status {self._process.wait()}")
        return Taken(*json.loads(answer))

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def sandbox(target: str, server_url: str, *, warm_up: int = 0) -> Iterator[Sandbox]:
    """A sandbox for the length of a with statement, after ``warm_up`` calls."""
    made = Sandbox(target, environment(server_url))
    try:
        if warm_up:
            made.run(warm_up)
        yield made
    finally:
        made.close()


def main() -> None:
    """The process itself: reads a number of calls from a line, makes them, answers what they took."""
    module, _, name = sys.argv[1].partition(":")
    arguments = [int(argument) for argument in sys.argv[2:]]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    # Log lines are written, as on Lambda, line by line; but nobody reads them.
    sys.stdout = Path(os.devnull).open("w", buffering=1)  # noqa: SIM115 - for the life of the process
    run: Callable[..., Any] = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        said = run(int(line), *arguments)
        taken = (time.process_time() - cpu, time.perf_counter() - wall, said)
        answers.write(json.dumps(taken) + "\n")


if __name__ == "__main__":
    main()
