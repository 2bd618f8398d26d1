"""The command ``python -m bench.profile``: shares of the CPU time of a request and a delivery, by py-spy.

The share of a function includes what it calls. Only the measured code and what it calls count, no imports.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.sandbox import environment
from bench.server import running_server
from ops.packaging.bundle import BUILD

SAMPLES_A_SECOND = 500
MIN_SHARE = 0.05
PATHS = {
    "request: /recommendations": ("our_recommendations(8000)", "bench/handlers"),
    "delivery: 10,000 records of 3,000 sessions": ("our_delivery(2, 10_000, 3_000)", "chalicelib/delivery"),
}
"""What to run of bench.handlers, and the module or package in which the measured code begins."""


def main() -> None:
    """Print one table for each of PATHS."""
    with running_server() as server:
        for what, (run, module) in PATHS.items():
            stacks = list(_stacks(run, server.url, module))
            print(f"\n| {what} | share |\n|---|---|")
            for function, share in shares(stacks):
                print(f"| {function} | {share:.0%} |")


def shares(stacks: list[tuple[list[str], int]]) -> Iterator[tuple[str, float]]:
    """Yield each function with the share of the samples in which it, or what it called, was running."""
    samples: Counter[str] = Counter()
    for frames, count in stacks:
        samples.update(dict.fromkeys(frames, count))
    total = sum(count for _, count in stacks)
    for function, count in samples.most_common():
        if count < MIN_SHARE * total:
            return
        yield function, count / total


def _stacks(run: str, url: str, module: str) -> Iterator[tuple[list[str], int]]:
    """Yield the stacks below ``module``, outermost function first, each with its number of samples."""
    with tempfile.NamedTemporaryFile("r") as samples:
        spy = [str(Path(sys.executable).with_name("py-spy")), "record", "--gil", "--format", "raw"]
        spy += ["--rate", str(SAMPLES_A_SECOND), "--output", samples.name, "--"]
        program = (
            "import os, sys; sys.stdout = open(os.devnull, 'w', buffering=1); "
            f"from bench import handlers; handlers.{run}"
        )
        subprocess.run(
            [*spy, sys.executable, "-P", "-c", program],
            cwd=BUILD,
            env=environment(url),
            check=True,
            capture_output=True,
        )
        for line in samples:
            stack, _, count = line.rpartition(" ")
            frames = [_name(frame) for frame in stack.split(";")]
            below = [
                position
                for position, name in enumerate(frames)
                if f"{module}." in name or f"{module}/" in name
            ]
            if below and not any("importlib" in name for name in frames):
                yield frames[below[0] :], int(count)


def _name(frame: str) -> str:
    """Return a frame without its line number: ``function (folder/file.py:12)`` without ``:12``."""
    return f"{frame.partition(':')[0]})" if ":" in frame else frame


if __name__ == "__main__":
    main()
