"""The folder where ``make run`` keeps its state: outside the project, and for its owner only.

It is outside because ``chalice local`` watches every file below the project and restarts at each change.
Python's bytecode is kept beside it, for the same reason.

    python -m local.state clean             remove the state and the bytecode of this checkout
    python -m local.state divert-bytecode   make this Python keep its bytecode beside the state

The Makefile runs both, the second with the Python of .venv. The module needs the standard library only.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import shlex
import shutil
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from ops.private_files import POSITIONS_SUFFIX, make_private, open_private, state_folder

__all__ = ["PROJECT", "StateError", "clean", "home", "locked", "make_private", "open_home", "open_private"]

PROJECT = Path(__file__).resolve().parent.parent
PTH_NAME = "personalize_api_bytecode.pth"
_LOCK = "personalize-api.lock"
"""Its name says that the folder is ours."""
_EMULATOR_LOCK = "emulator.lock"
_ENDING_SECONDS = 20.0
_POLL_SECONDS = 0.1
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WRONG_KIND = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR)


class StateError(Exception):
    """The folder cannot be used. The message says what to do."""


def home(environ: Mapping[str, str] = os.environ, project: Path = PROJECT) -> Path:
    """Return the folder of one checkout. Raises StateError."""
    try:
        return state_folder(environ, project)
    except RuntimeError as error:
        raise StateError("No home folder is known. Set HOME, or XDG_STATE_HOME.") from error


def open_home(folder: Path) -> None:
    """Create the folder, or close an existing one to other users (0700). Raises StateError.

    A folder with other files is refused and left as it is: other users may need to read it.
    """
    try:
        make_private(folder)
        if any(folder.iterdir()) and not lock_file(folder).exists():
            raise StateError(
                f"{folder} holds other files. Name a new or empty folder with --home, or empty this one."
            )
        folder.chmod(0o700)
    except OSError as error:
        raise unusable(error, folder) from error


def unusable(error: OSError, path: Path) -> StateError:
    """Return the error about the file that the system refused, which is ``path`` when it names none."""
    name = (
        _in_the_way(error) if error.errno in _WRONG_KIND and error.filename else str(error.filename or path)
    )
    if error.errno in _NO_SPACE:
        return StateError(
            f"{name} cannot be written ({error.strerror}). Free some space, then run this again."
        )
    if error.errno in _WRONG_KIND and not _is_special(Path(name)):
        return StateError(
            f"{name} cannot be used to keep the state ({error.strerror}): something else is in its place. "
            f"Move it away, then run this again: {shlex.join(['mv', name, name + '.away'])}"
        )
    return StateError(
        f"{name} cannot be used to keep the state ({error.strerror}). Make it writable for you, or name "
        "another folder with --home or XDG_STATE_HOME."
    )


def _in_the_way(error: OSError) -> str:
    """Return what is of another kind than the system needs: a file above a path, or what a file replaces."""
    target = error.filename2 if error.errno == errno.EISDIR and error.filename2 else error.filename
    path = Path(os.fsdecode(target))
    return str(next(each for each in (path, *path.parents) if os.path.lexists(each)))


def _is_special(path: Path) -> bool:
    """Return whether it is a device or another file that belongs to the system, such as ``/dev/null``."""
    return path.exists() and not path.is_file() and not path.is_dir()


def lock_file(folder: Path) -> Path:
    """Return the file that a stack locks while it uses the folder."""
    return folder / _LOCK


@contextmanager
def locked(file: Path, in_use: str, *, wait_seconds: float = 0.0) -> Iterator[int]:
    """Hold the lock of a file and return its descriptor. StateError says ``in_use`` after ``wait_seconds``.

    The system releases the lock when this process has ended, and the programs that inherited the descriptor.
    """
    deadline = time.monotonic() + wait_seconds
    with ExitStack() as opened:
        try:
            lock = opened.enter_context(open_private(file, "a+"))
        except OSError as error:
            raise unusable(error, file) from error
        while not _try_lock(lock):
            if time.monotonic() >= deadline:
                raise StateError(in_use)
            time.sleep(_POLL_SECONDS)
        yield lock.fileno()


def _try_lock(lock: IO[Any]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def emulator_locked(folder: Path) -> Iterator[int]:
    """Hold the lock that the emulator inherits, and return its descriptor.

    When the program that started an emulator is killed, the emulator still saves its state: wait for it.
    """
    ending = f"The emulator of the last run still uses {folder}. Run this again when it has ended."
    with locked(folder / _EMULATOR_LOCK, ending, wait_seconds=_ENDING_SECONDS) as lock:
        yield lock


def bytecode_folder(folder: Path) -> Path:
    """Return the folder of the bytecode. It is beside the state: Python lets others read these files."""
    return folder.with_name(f"{folder.name}-bytecode")


def divert_bytecode(site_packages: Path, bytecode: Path) -> None:
    """Write the .pth file that makes a Python keep its bytecode in ``bytecode``. Raises StateError.

    The environment variable PYTHONPYCACHEPREFIX has priority.
    """
    try:
        make_private(bytecode)
    except OSError as error:
        raise StateError(
            f"{error.filename or bytecode} cannot be written ({error.strerror}). Set XDG_STATE_HOME to a "
            "folder that you may write."
        ) from error
    # ASCII only: Python reads the file in the encoding of the locale.
    line = f"import sys; sys.pycache_prefix = sys.pycache_prefix or {str(bytecode)!a}\n"
    (site_packages / PTH_NAME).write_text(line, encoding="ascii")


def clean(folder: Path) -> None:
    """Remove the state, the bytecode and the positions of ``make put``.

    Raises StateError while a stack uses the folder.
    """
    if lock_file(folder).exists():
        in_use = "The local stack is running. Stop it first with Ctrl-C in its terminal."
        with locked(lock_file(folder), in_use), emulator_locked(folder):
            shutil.rmtree(folder)
    shutil.rmtree(bytecode_folder(folder), ignore_errors=True)
    shutil.rmtree(folder.with_name(folder.name + POSITIONS_SUFFIX), ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """Run a command of the Makefile and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.state")
    parser.add_argument("command", choices=["clean", "divert-bytecode"])
    try:
        if parser.parse_args(arguments).command == "clean":
            clean(home())
        else:
            divert_bytecode(Path(sysconfig.get_path("purelib")), bytecode_folder(home()))
    except StateError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
