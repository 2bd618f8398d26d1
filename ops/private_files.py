"""Files that only their owner can read, and the folder of this checkout's state.

It needs the standard library only: ``make clean`` runs it without .venv.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

POSITIONS_SUFFIX = "-put"
"""Of the folder beside the state in which ``make put`` keeps how far it has come."""


def state_folder(environ: Mapping[str, str], project: Path) -> Path:
    """Return the folder of one checkout: ``$XDG_STATE_HOME/personalize-api/HASH``.

    HASH is computed from the project's path, so that two checkouts never share a database. A relative
    XDG_STATE_HOME is ignored (specifications.freedesktop.org/basedir-spec). Raises RuntimeError where there
    is neither HOME nor an entry for this user.
    """
    configured = Path(environ.get("XDG_STATE_HOME", ""))
    base = configured if configured.is_absolute() else Path.home() / ".local" / "state"
    return base / "personalize-api" / hashlib.sha256(str(project).encode()).hexdigest()[:12]


def make_private(folder: Path) -> None:
    """Create a folder, and the missing folders above it, for its owner only (0700)."""
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        folder.mkdir()  # raises the system's error for a file with this name


def open_private(path: Path, mode: str) -> IO[Any]:
    """Open a file as ``open`` does. A new file can be read by its owner only (0600)."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))


def replace_private(path: Path, text: str) -> None:
    """Write a file in one step, for its owner only: whatever happens, it has the old text or the new one."""
    make_private(path.parent)
    draft = _draft(path)
    with open_private(draft, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def remove_private(path: Path) -> None:
    """Remove a file that ``replace_private`` writes, and the draft that a kill may have left."""
    path.unlink(missing_ok=True)
    _draft(path).unlink(missing_ok=True)


def _draft(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")
