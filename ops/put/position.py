"""How far a file has been put, kept for its owner only, so that an interrupted run goes on where it stopped.

The file of a position is named by what is put where: the path of the file, the dataset and the endpoint. It
holds a hash of the content: a changed file starts anew. It is written after each call, in one step, so a kill
repeats one call at most, which replaces records by themselves. It is removed at the end of the file.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ops.kept_files import KeptFile, kept_path
from ops.private_files import POSITIONS_SUFFIX


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


class PositionFile(KeptFile):
    """The file that holds the position of one import file in one dataset."""

    @classmethod
    def of(cls, file: Path, *where: str) -> PositionFile:
        """Return the one of a file. ``where`` says where it is put."""
        return cls(kept_path(POSITIONS_SUFFIX, os.fspath(file.resolve()), *where))

    def read(self, content_hash: str) -> Position:
        """Return where to go on: at the start, where nothing is kept of this content."""
        try:
            found = Position(**self.members())
        except TypeError:  # another version's, or none
            return Position(content_hash)
        return found if found.content_hash == content_hash else Position(content_hash)

    def write(self, position: Position) -> None:
        """Keep a position."""
        self.keep(asdict(position))
