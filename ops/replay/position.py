"""How far a replay has come, kept for its owner only, so that an interrupted one goes on without a gap.

The position is a day and how many of its lines are done, with a hash of these lines. When the archive gives
other lines for the day by then, the day begins anew: Personalize ignores the events that it has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from ops.kept_files import kept_path
from ops.private_files import POSITIONS_SUFFIX, replace_private
from ops.replay.rows import ArchivedLine


@dataclass(frozen=True)
class Position:
    """``lines`` of a day are done; ``content_hash`` is that of these lines."""

    day: str = ""
    lines: int = 0
    content_hash: str = ""


@dataclass(frozen=True)
class PositionFile:
    """The file that holds the position of one replay."""

    path: Path

    @classmethod
    def of(cls, *what: str) -> PositionFile:
        """Return the one of a replay. ``what`` says from where, of which days, and to which tracker."""
        return cls(kept_path(POSITIONS_SUFFIX, "replay", *what))

    def read(self) -> Position:
        """Return where to go on; at the start where nothing is kept."""
        try:
            return Position(**json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return Position()
        except (ValueError, TypeError):  # another version's
            return Position()

    def write(self, position: Position) -> None:
        """Keep a position."""
        replace_private(self.path, json.dumps(asdict(position)))

    def remove(self) -> None:
        """Forget the position."""
        self.path.unlink(missing_ok=True)


class HashedLines:
    """The lines of a day, hashed as they are read."""

    def __init__(self, day: str, lines: Iterable[ArchivedLine]) -> None:
        self._day, self._lines = day, iter(lines)
        self._hash = hashlib.sha256()
        self._count = 0

    def __iter__(self) -> Iterator[ArchivedLine]:
        return self

    def __next__(self) -> ArchivedLine:
        line = next(self._lines)
        self._hash.update(f"{line.number} {line.text}\n".encode())
        self._count += 1
        return line

    @property
    def position(self) -> Position:
        """What has been read so far."""
        return Position(self._day, self._count, self._hash.hexdigest())

    def skip_to(self, position: Position) -> bool:
        """Read the lines that are done. Return whether they are the same as then."""
        for _ in islice(self, position.lines):
            pass
        return self.position == position
