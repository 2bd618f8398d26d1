"""How far a file has been put, kept for its owner only, so that an interrupted run goes on where it stopped.

The file of a position is named by what is put where: the path of the file, the dataset and the endpoint. It
holds a hash of the content: a changed file starts anew. It is written after each call, in one step, so a kill
repeats one call at most, which replaces records by themselves. It is removed at the end of the file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ops.errors import InputError
from ops.packaging.bundle import ROOT
from ops.private_files import POSITIONS_SUFFIX, make_private, open_private, state_folder


@dataclass(frozen=True)
class Position:
    """``rows`` of the file have been dealt with: ``put`` were put, ``refused`` were refused."""

    content_hash: str
    rows: int = 0
    put: int = 0
    refused: int = 0

    def after(self, rows: int, *, put: int, refused: int) -> Position:
        """Return the position after a call whose last record was in the row before ``rows``."""
        return replace(self, rows=rows, put=self.put + put, refused=self.refused + refused)


def folder(environ: Mapping[str, str] = os.environ, project: Path = ROOT) -> Path:
    """Return the folder of the positions, beside the state of the local stack. Raises InputError."""
    try:
        state = state_folder(environ, project)
    except RuntimeError as error:
        raise InputError("No home folder is known. Set HOME, or XDG_STATE_HOME.") from error
    return state.with_name(state.name + POSITIONS_SUFFIX)


@dataclass(frozen=True)
class PositionFile:
    """The file that holds the position of one import file in one dataset."""

    path: Path

    @classmethod
    def of(cls, file: Path, *where: str) -> PositionFile:
        """Return the one of a file. ``where`` says where it is put."""
        name = hashlib.sha256("\0".join([os.fspath(file.resolve()), *where]).encode(errors="surrogateescape"))
        return cls(folder() / f"{name.hexdigest()[:24]}.json")

    def read(self, content_hash: str) -> Position:
        """Return where to go on: at the start, where nothing is kept of this content."""
        try:
            found = Position(**json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return Position(content_hash)
        except (ValueError, TypeError):  # another version's
            return Position(content_hash)
        return found if found.content_hash == content_hash else Position(content_hash)

    def write(self, position: Position) -> None:
        """Keep a position."""
        make_private(self.path.parent)
        draft = self.path.with_suffix(".new")
        with open_private(draft, "w") as file:
            file.write(json.dumps(asdict(position)))
        draft.replace(self.path)

    def remove(self) -> None:
        """Forget the position."""
        self.path.unlink(missing_ok=True)
