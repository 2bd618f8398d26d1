"""Runs the programs that packaging needs: pip and Chalice."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from ops.errors import PackagingError

CHALICE_PROGRAM = "from chalice.cli import main; raise SystemExit(main())"
"""For ``python -c``: the chalice command of the Python that runs it, wherever its script is."""


def run_quietly(command: Sequence[str], environment: Mapping[str, str], failure: str) -> None:
    """Run a program and print nothing. Raises PackagingError with ``failure`` and its last line."""
    done = subprocess.run(  # noqa: S603 - packaging makes the command
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"exit status {done.returncode}"
        raise PackagingError(f"{failure}: {reason}")
