"""From the work tree to ``build/STAGE/``: the merged template and the zip of the functions.

Chalice packages. This module decides what Chalice is given, whether packaging is needed at all, and what is
kept of the result.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.errors import PackagingError
from ops.packaging import merge, policies, throttles
from ops.packaging.commands import CHALICE_PROGRAM, run_quietly
from ops.packaging.inputs import fingerprint, stage_inputs
from ops.packaging.merge import Document
from ops.packaging.templates import Templates
from ops.packaging.wheels import download_wheels
from ops.packaging.zip_file import write_zip
from ops.stage import Stage

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True)
class Package:
    """What one stage is deployed from. ``reused``: nothing has changed since an earlier run made it."""

    template_path: Path
    zip_path: Path
    template: Document = field(repr=False, compare=False)
    reused: bool = False


def package(
    stage: str,
    *,
    project_dir: Path = ROOT,
    build_dir: Path = BUILD,
    region: str | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Package:
    """Write ``build_dir/stage/sam.yaml`` and ``deployment.zip``, unless they are up to date.

    ``region`` decides only the names of service principals, which differ in China. The network is needed
    only when requirements.txt has changed. Raises PackagingError.
    """
    region = region or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    origin = Stage(project_dir, stage).fixed_origin()
    target = build_dir / stage
    target.mkdir(parents=True, exist_ok=True)
    template_path, zip_path = target / "sam.yaml", target / "deployment.zip"
    stamp = target / "inputs.sha256"
    with _locked(build_dir):
        wanted = fingerprint(project_dir, region)
        if _is_current((stamp, template_path, zip_path), wanted):
            template = merge.load(template_path.read_text(encoding="utf-8"))
            return Package(template_path, zip_path, template, reused=True)
        report(f"Packaging stage {stage}")
        stamp.unlink(missing_ok=True)
        document = _merge_document(project_dir, origin)
        wheels = download_wheels(project_dir, build_dir, report)
        with tempfile.TemporaryDirectory(dir=build_dir, prefix=f".{stage}-") as folder:
            staged, output = Path(folder) / "project", Path(folder) / "output"
            stage_inputs(project_dir, staged)
            merge_path = Path(folder) / "merge.yaml"
            merge_path.write_text(merge.dump(document), encoding="utf-8")
            _run_chalice(staged, stage, merge_path, output, region=region, wheels=wheels)
            template = merge.load((output / "sam.yaml").read_text(encoding="utf-8"))
            merge.check_merged(template)
            template = throttles.with_stage_throttles(template)
            write_zip(output / "deployment.zip", zip_path)
        template_path.write_text(merge.dump(template), encoding="utf-8")
        stamp.write_text(wanted, encoding="utf-8")
    return Package(template_path, zip_path, template)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until no other program packages here: ``make run`` and ``make test`` may run side by side."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_current(files: tuple[Path, ...], wanted: str) -> bool:
    return all(path.is_file() for path in files) and files[0].read_text(encoding="utf-8") == wanted


def _merge_document(project_dir: Path, origin: str) -> Document:
    templates = Templates.read(project_dir)
    reviewed = {name: _read_policy(project_dir, name) for name in policies.policy_files(templates.one_stack)}
    settings = policies.with_policies(templates.one_stack, reviewed)
    return merge.merge_document(templates.pipeline, templates.access, settings, allowed_origin=origin)


def _read_policy(project_dir: Path, name: str) -> dict[str, Any]:
    try:
        policy: dict[str, Any] = json.loads((project_dir / ".chalice" / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PackagingError(f".chalice/{name} cannot be read: {error}") from error
    return policy


def _run_chalice(
    staged: Path, stage: str, merge_path: Path, output: Path, *, region: str, wheels: Path
) -> None:
    command = [sys.executable, "-c", CHALICE_PROGRAM, "--project-dir", str(staged)]
    command += ["package", "--stage", stage]
    command += ["--merge-template", str(merge_path), "--template-format", "yaml", str(output)]
    environment = {name: value for name, value in os.environ.items() if name != "AWS_PROFILE"}
    environment |= {
        "AWS_DEFAULT_REGION": region,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
    }
    run_quietly(command, environment, "Chalice could not package the application")
