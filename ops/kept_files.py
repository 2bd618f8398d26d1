"""Files that a command keeps from run to run, for its owner only, beside the state of the local stack."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ops.errors import InputError
from ops.packaging.bundle import ROOT
from ops.private_files import make_private, open_private, state_folder


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
