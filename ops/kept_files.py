"""Files that a command keeps from run to run, for its owner only, beside the state of the local stack."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.errors import InputError
from ops.packaging.bundle import ROOT
from ops.private_files import make_private, open_private, remove_private, replace_private, state_folder


def kept_path(
    suffix: str, *names: str, environ: Mapping[str, str] = os.environ, project: Path = ROOT
) -> Path:
    """Return the file of a command. ``suffix`` is that of its folder; ``names`` say what the file is about.

    Raises InputError where there is no home folder.
    """
    try:
        state = state_folder(environ, project)
    except RuntimeError as error:
        raise InputError("No home folder is known. Set HOME, or XDG_STATE_HOME.") from error
    name = hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest()[:24]
    return state.with_name(state.name + suffix) / f"{name}.json"


@dataclass(frozen=True)
class KeptFile:
    """A file with the members of one JSON object, written in one step."""

    path: Path

    def members(self) -> dict[str, Any]:
        """Return what is kept; nothing where there is none, or one of another version."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def keep(self, members: Mapping[str, Any]) -> None:
        """Keep members in the place of those that are there."""
        replace_private(self.path, json.dumps(members))

    def remove(self) -> None:
        """Forget what is kept."""
        remove_private(self.path)


@contextmanager
def locked(path: Path, in_use: str) -> Iterator[None]:
    """Keep other runs away from a file for the length of a with statement. Raises InputError."""
    make_private(path.parent)
    with open_private(path.with_suffix(".lock"), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(in_use) from error
        yield
