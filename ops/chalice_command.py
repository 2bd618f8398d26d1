"""Runs the chalice command: reports its output, and turns a failure into one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ops.errors import StackError
from ops.packaging.commands import CHALICE_PROGRAM

_TRACEBACK = "Traceback (most recent call last):"
_ERROR = re.compile(r"[\w.]*(?:Error|Exception|Failure): ?(.*)")


def run_chalice(
    project_dir: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    report: Callable[[str], None],
) -> None:
    """Run ``chalice`` with ``arguments`` to its end. Raises StackError with Chalice's reason.

    Chalice writes the ids of what it made when it ends, and loses them when it is stopped before. Therefore
    the first Ctrl-C waits for the end and is raised then; another one stops Chalice.
    """
    command = [sys.executable, "-u", "-c", CHALICE_PROGRAM, "--project-dir", str(project_dir), *arguments]
    lines: list[str] = []
    interrupted = False
    with subprocess.Popen(  # noqa: S603 - the command is made above
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        while True:
            try:
                _relay(process, lines, report)
                process.wait()
                break
            except KeyboardInterrupt:
                if interrupted:
                    process.terminate()
                    report(
                        "Chalice was stopped before it could write down what it made. Look for an API that "
                        "nothing refers to: aws apigateway get-rest-apis"
                    )
                    raise
                interrupted = True
                report(
                    "Waiting for Chalice, which writes down what it made at its end. Ctrl-C again to stop it."
                )
    if interrupted:
        raise KeyboardInterrupt
    if process.returncode != 0:
        raise StackError(f"chalice {arguments[0]} failed: {reason_in(lines) or 'it gave no reason'}")


def _relay(process: subprocess.Popen[str], lines: list[str], report: Callable[[str], None]) -> None:
    """Collect the output in ``lines`` and report it, up to a traceback, which is only for reason_in()."""
    assert process.stdout is not None  # noqa: S101 - stdout is a pipe
    for line in process.stdout:
        lines.append(line.rstrip())
        if line.strip() and _TRACEBACK not in lines:
            report(f"  {line.rstrip()}")


def reason_in(lines: Sequence[str]) -> str:
    """Return the message of the last error in Chalice's output, on one line. Pure."""
    for index in range(len(lines) - 1, -1, -1):
        found = _ERROR.match(lines[index])
        if found:
            return " ".join(" ".join([found[1], *lines[index + 1 :]]).split())
    return " ".join(lines[-1:]).strip()
