"""The files that decide what a package holds: their hash, and a copy of them for Chalice."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path


def fingerprint(project_dir: Path, region: str) -> str:
    """Return one hash over everything that decides what a package holds."""
    digest = hashlib.sha256()
    # Chalice makes the functions' runtime the Python that packages.
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    for part in (region, python, version("chalice")):
        digest.update(part.encode() + b"\0")
    for path in sorted({*_application(project_dir), *_tools(project_dir)}):
        digest.update(path.relative_to(project_dir).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def stage_inputs(project_dir: Path, staged: Path) -> None:
    """Copy what Chalice is shown, without caches and without what an earlier deployment left.

    Chalice puts everything that it finds in ``chalicelib`` into the zip.
    """
    for path in _application(project_dir):
        copy = staged / path.relative_to(project_dir)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _application(project_dir: Path) -> Iterator[Path]:
    yield project_dir / "app.py"
    yield project_dir / "requirements.txt"
    yield from (project_dir / ".chalice").glob("*.json")
    for path in (project_dir / "chalicelib").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
            yield path


def _tools(project_dir: Path) -> Iterator[Path]:
    """The templates, the queries in them, and the code that merges them."""
    yield from (project_dir / "resources").glob("*.yaml")
    yield from (project_dir / "ops" / "archive" / "queries").glob("*.sql")
    yield project_dir / "ops" / "archive" / "saved_queries.py"
    yield from (project_dir / "ops" / "packaging").glob("*.py")
