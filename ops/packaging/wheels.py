"""The packages of ``requirements.txt``, downloaded once and kept in ``build/wheels``."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from ops.packaging.commands import run_quietly


def download_wheels(project_dir: Path, build_dir: Path, report: Callable[[str], None]) -> Path:
    """Return the folder with the packages, so that a change of app.py is packaged without the network.

    pip takes a file only when requirements.txt has its hash ("Secure installs" of pip). Chalice reads the
    same file, so it holds the packages to their hashes too. Raises PackagingError.
    """
    requirements = project_dir / "requirements.txt"
    wheels = build_dir / "wheels" / hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    if wheels.is_dir():
        return wheels
    report("Downloading the packages of requirements.txt")
    wheels.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wheels.parent) as folder:
        downloaded = Path(folder) / "wheels"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        # Whatever an index offers: what is packaged is what was reviewed, and pure Python.
        command += ["--require-hashes", "--no-deps", "--only-binary=:all:"]
        command += ["--dest", str(downloaded), "-r", str(requirements)]
        run_quietly(
            command,
            os.environ,
            "requirements.txt could not be downloaded with the hashes in it, which needs the network once",
        )
        downloaded.rename(wheels)
    return wheels
