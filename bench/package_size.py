"""The package: its size and its packaging time, beside `chalice package` alone on the same inputs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Row, once, take_turns
from ops.packaging.bundle import BUILD, ROOT, package
from ops.packaging.commands import CHALICE_PROGRAM
from ops.packaging.inputs import stage_inputs
from ops.packaging.wheels import download_wheels

ROUNDS = 5
STAGE = "prod"
BARE = "`chalice package` alone"


def rows() -> Iterator[Row]:
    """Yield the rows about the package."""
    with tempfile.TemporaryDirectory() as folder:
        build, bare = Path(folder) / "build", Path(folder) / "bare"
        # This downloads the wheels, which is not measured.
        ours = package(STAGE, build_dir=build)
        series = take_turns(
            {
                "from sources": lambda: _seconds(lambda: _package_from_sources(build)),
                "unchanged": lambda: _seconds(lambda: package(STAGE, build_dir=build)),
                "bare": lambda: _seconds(lambda: _run_chalice(bare), before=lambda: _renew_copy(bare)),
            },
            ROUNDS,
        )
        sizes = [path.stat().st_size / 1024 for path in (ours.zip_path, bare / "output" / "deployment.zip")]
    yield Row("package: size of the zip", "KiB", once(sizes[0]), BARE, once(sizes[1]))
    yield Row("package: from sources to zip and template", "s", series["from sources"], BARE, series["bare"])
    yield Row("package: when nothing has changed", "s", series["unchanged"], BARE, series["bare"])


def _package_from_sources(build: Path) -> None:
    (build / STAGE / "inputs.sha256").unlink()
    package(STAGE, build_dir=build)


def _renew_copy(project: Path) -> None:
    """Replace the copy, because Chalice keeps the results of an earlier packaging below .chalice."""
    shutil.rmtree(project, ignore_errors=True)
    stage_inputs(ROOT, project)


def _run_chalice(project: Path) -> None:
    wheels = download_wheels(ROOT, BUILD, lambda line: None)
    command = [sys.executable, "-c", CHALICE_PROGRAM, "--project-dir", str(project)]
    command += ["package", "--stage", STAGE, str(project / "output")]
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "AWS_DEFAULT_REGION": "us-east-1"}
    subprocess.run(command, env=os.environ | offline, check=True, capture_output=True)


def _seconds(run: Callable[[], object], before: Callable[[], None] = lambda: None) -> float:
    before()
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
