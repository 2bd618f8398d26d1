"""From the work tree to build/STAGE/: the merged template and the zip that goes with it.

Chalice packages; this module decides what it is given, whether it is needed at all, and what is kept of
what it makes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ops.errors import PackagingError
from ops.packaging import merge, policies

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
DEFAULT_REGION = "us-east-1"
COMPILED = (".so", ".pyd", ".dylib", ".pyc")
RUN_CHALICE = "from chalice.cli import main; raise SystemExit(main())"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Package:
    """What one stage is deployed from. ``reused`` when nothing had changed since it was made."""

    template_path: Path
    zip_path: Path
    reused: bool = False


def package(
    stage: str,
    *,
    project_dir: Path = ROOT,
    build_dir: Path = BUILD,
    region: str | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Package:
    """Write ``build_dir/stage/sam.yaml`` and ``deployment.zip``, unless those there are of the same inputs.

    ``region`` decides nothing but the names of service principals, which differ in China. Needs the network
    only when requirements.txt has changed. Raises PackagingError.
    """
    region = region or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    origin = _allowed_origin(project_dir, stage)
    target = build_dir / stage
    target.mkdir(parents=True, exist_ok=True)
    made = Package(target / "sam.yaml", target / "deployment.zip")
    stamp = target / "inputs.sha256"
    with _alone(build_dir):
        wanted = fingerprint(project_dir, region)
        if _is_current(made, stamp, wanted):
            return Package(made.template_path, made.zip_path, reused=True)
        report(f"Packaging stage {stage}")
        stamp.unlink(missing_ok=True)
        wheels = download_wheels(project_dir, build_dir, report)
        with tempfile.TemporaryDirectory(dir=build_dir, prefix=f".{stage}-") as folder:
            staged, output = Path(folder) / "project", Path(folder) / "output"
            stage_inputs(project_dir, staged)
            merge_path = Path(folder) / "merge.yaml"
            merge_path.write_text(merge.dump(_read_merge_document(project_dir, origin)), encoding="utf-8")
            _run_chalice(staged, stage, merge_path, output, region=region, wheels=wheels)
            template = merge.load((output / "sam.yaml").read_text(encoding="utf-8"))
            merge.check_merged(template)
            write_zip(output / "deployment.zip", made.zip_path)
        made.template_path.write_text(merge.dump(template), encoding="utf-8")
        stamp.write_text(wanted, encoding="utf-8")
    return made


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other program packages here: `make run` and `make test` may go on side by side."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fingerprint(project_dir: Path, region: str) -> str:
    """One hash over all that decides what a package holds."""
    digest = hashlib.sha256()
    for part in (region, _python(), version("chalice")):
        digest.update(part.encode() + b"\0")
    for path in sorted({*_application(project_dir), *_tools(project_dir)}):
        digest.update(path.relative_to(project_dir).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _python() -> str:
    """The version in "python3.11": Chalice makes the functions' runtime the Python that packages."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def write_zip(source: Path, target: Path) -> None:
    """Write the zip again with sorted names and one date, so that equal content gives an equal file.

    PackagingError when it holds a compiled file: the zip runs on either architecture, built on any system.
    """
    with (
        zipfile.ZipFile(source) as found,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written,
    ):
        for name in sorted(set(found.namelist())):
            if name.endswith("/"):
                continue
            if name.endswith(COMPILED):
                raise PackagingError(f"The package holds {name}. requirements.txt takes pure Python only.")
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            written.writestr(entry, found.read(name))


def _application(project_dir: Path) -> Iterator[Path]:
    """What Chalice is shown. A copy without caches, because Chalice zips whatever lies in chalicelib."""
    yield project_dir / "app.py"
    yield project_dir / "requirements.txt"
    yield from (project_dir / ".chalice").glob("*.json")
    for path in (project_dir / "chalicelib").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
            yield path


def _tools(project_dir: Path) -> Iterator[Path]:
    """What makes the rest of the package: the templates, and the code that merges them."""
    yield from (project_dir / "resources").glob("*.yaml")
    yield from (project_dir / "ops" / "packaging").glob("*.py")


def _is_current(made: Package, stamp: Path, wanted: str) -> bool:
    files = (stamp, made.template_path, made.zip_path)
    return all(path.is_file() for path in files) and stamp.read_text(encoding="utf-8") == wanted


def _allowed_origin(project_dir: Path, stage: str) -> str:
    """ALLOWED_ORIGIN of the stage. PackagingError for a stage that .chalice/config.json does not have."""
    try:
        config: dict[str, Any] = json.loads((project_dir / ".chalice" / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PackagingError(f".chalice/config.json cannot be read: {error}") from error
    stages = config.get("stages", {})
    if stage not in stages:
        raise PackagingError(
            f"There is no stage {stage!r}; .chalice/config.json has {', '.join(sorted(stages))}."
        )
    variables = config.get("environment_variables", {}) | stages[stage].get("environment_variables", {})
    return str(variables.get("ALLOWED_ORIGIN") or "*")


def _read_merge_document(project_dir: Path, origin: str) -> merge.Document:
    pipeline, access, settings = (
        merge.load((project_dir / "resources" / name).read_text(encoding="utf-8"))
        for name in ("pipeline.yaml", "access.yaml", "one-stack.yaml")
    )
    reviewed = {
        name: json.loads((project_dir / ".chalice" / name).read_text(encoding="utf-8"))
        for name in policies.policy_files(settings)
    }
    settings = policies.with_policies(settings, reviewed)
    return merge.merge_document(pipeline, access, settings, allowed_origin=origin)


def stage_inputs(project_dir: Path, staged: Path) -> None:
    """Copy what Chalice is shown, without caches and without what it made before."""
    for path in _application(project_dir):
        copy = staged / path.relative_to(project_dir)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def download_wheels(project_dir: Path, build_dir: Path, report: Callable[[str], None]) -> Path:
    """The packages of requirements.txt, kept, so that a change of app.py is packaged without the network."""
    requirements = project_dir / "requirements.txt"
    wheels = build_dir / "wheels" / hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    if wheels.is_dir():
        return wheels
    report("Downloading the packages of requirements.txt")
    wheels.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wheels.parent) as folder:
        downloaded = Path(folder) / "wheels"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--dest", str(downloaded), "-r", str(requirements)]
        _run(
            command,
            dict(os.environ),
            "requirements.txt could not be downloaded, which needs the network once",
        )
        downloaded.rename(wheels)
    return wheels


def _run_chalice(
    staged: Path, stage: str, merge_path: Path, output: Path, *, region: str, wheels: Path
) -> None:
    command = [sys.executable, "-c", RUN_CHALICE, "--project-dir", str(staged), "package", "--stage", stage]
    command += ["--merge-template", str(merge_path), "--template-format", "yaml", str(output)]
    environment = {name: value for name, value in os.environ.items() if name != "AWS_PROFILE"}
    environment |= {
        "AWS_DEFAULT_REGION": region,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
    }
    _run(command, environment, "Chalice could not package the application")


def _run(command: list[str], environment: dict[str, str], failure: str) -> None:
    """Run a tool in silence; PackagingError with its last line when it fails."""
    done = subprocess.run(  # noqa: S603 - the command is made above
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise PackagingError(f"{failure}: {said[-1].strip() if said else f'exit status {done.returncode}'}")
