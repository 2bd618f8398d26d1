"""Runs the chalice command: its output as lines, its failure as a sentence, an interruption without harm."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ops.errors import StackError

PROGRAM = "from chalice.cli import main; raise SystemExit(main())"
_TRACEBACK = "Traceback (most recent call last):"
_ERROR = re.compile(r"[\w.]*(?:Error|Exception|Failure): ?(.*)")


def run_chalice(
    project_dir: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    report: Callable[[str], None],
) -> None:
    """Run it to its end. StackError with its own reason when it fails.

    Chalice writes down what it made when it is done, and forgets it when it is stopped before. So the first
    Ctrl-C waits for its end and is raised then; another one stops it.
    """
    command = [sys.executable, "-u", "-c", PROGRAM, "--project-dir", str(project_dir), *arguments]
    said: list[str] = []
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
                _relay(process, said, report)
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
                report("Waiting for Chalice, which notes what it made at its end. Ctrl-C again to stop it.")
    if interrupted:
        raise KeyboardInterrupt
    if process.returncode != 0:
        raise StackError(f"chalice {arguments[0]} failed: {reason_in(said) or 'it gave no reason'}")


def _relay(process: subprocess.Popen[str], said: list[str], report: Callable[[str], None]) -> None:
    """Report line by line, up to a traceback, which is kept for reason_in()."""
    assert process.stdout is not None  # noqa: S101 - asked for above
    for line in process.stdout:
        said.append(line.rstrip())
        if line.strip() and _TRACEBACK not in said:
            report(f"  {line.rstrip()}")


def reason_in(said: Sequence[str]) -> str:
    """What the last error of Chalice's output says, on one line. Pure."""
    for index in range(len(said) - 1, -1, -1):
        found = _ERROR.match(said[index])
        if found:
            return " ".join(" ".join([found[1], *said[index + 1 :]]).split())
    return " ".join(said[-1:]).strip()
