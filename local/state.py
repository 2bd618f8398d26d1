"""The folder where ``make run`` keeps its state: outside the project, and for its owner only.

It is outside because ``chalice local`` watches every file below the project and restarts at each change.
Python's bytecode is kept there too, for the same reason.

    python -m local.state                   print the folder
    python -m local.state divert-bytecode   make this Python keep its bytecode there

The Makefile runs both, the second with the Python of .venv. The module needs the standard library only.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

PROJECT = Path(__file__).resolve().parent.parent
PTH_NAME = "personalize_api_bytecode.pth"
_LOCK = "lock"
_BYTECODE = "bytecode"


class StateError(Exception):
    """The folder cannot be used. The message says what to do."""


def home(environ: Mapping[str, str] = os.environ, project: Path = PROJECT) -> Path:
    """Return the folder of one checkout: ``$XDG_STATE_HOME/personalize-api/HASH``.

    HASH is computed from the project's path, so that two checkouts never share a database. A relative
    XDG_STATE_HOME is ignored (specifications.freedesktop.org/basedir-spec).
    """
    configured = Path(environ.get("XDG_STATE_HOME", ""))
    base = configured if configured.is_absolute() else Path.home() / ".local" / "state"
    return base / "personalize-api" / hashlib.sha256(str(project).encode()).hexdigest()[:12]


def open_home(folder: Path) -> None:
    """Create the folder, or close an existing one to other users (0700). Raises StateError.

    A folder with other files is refused and left as it is: other users may need to read it.
    """
    try:
        make_private(folder)
        names = {entry.name for entry in folder.iterdir()}
        if names and not names & {_LOCK, _BYTECODE}:
            raise StateError(
                f"{folder} holds other files. Name a new or empty folder with --home, or empty this one."
            )
        folder.chmod(0o700)
    except OSError as error:
        raise StateError(
            f"{error.filename or folder} cannot be used to keep the state ({error.strerror}). Make it a "
            "folder that you may write, or name another one with --home."
        ) from error


def make_private(folder: Path) -> None:
    """Create a folder, and the missing folders above it, for its owner only (0700)."""
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        folder.mkdir()  # raises the system's error for a file with this name


def open_private(path: Path, mode: str) -> IO[Any]:
    """Open a file as ``open`` does. A new file can be read by its owner only (0600)."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))


def lock_file(folder: Path) -> Path:
    """Return the file that a stack locks while it uses the folder."""
    return folder / _LOCK


def divert_bytecode(site_packages: Path, bytecode: Path) -> None:
    """Write the .pth file that makes a Python keep its bytecode in ``bytecode``.

    The environment variable PYTHONPYCACHEPREFIX has priority.
    """
    make_private(bytecode)
    line = f"import sys; sys.pycache_prefix = sys.pycache_prefix or {str(bytecode)!r}\n"
    (site_packages / PTH_NAME).write_text(line, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Print the folder, or divert the bytecode, and return the exit status."""
    if arguments == ["divert-bytecode"]:
        divert_bytecode(Path(sysconfig.get_path("purelib")), home() / _BYTECODE)
    else:
        print(home())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
