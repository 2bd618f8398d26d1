"""How far a replay has come, kept for its owner only, so that an interrupted one goes on without a gap.

The position is a day and how many of its lines are done, with a hash of these lines, and how many lines each
earlier day had. A day of which the archive gives other lines by then begins anew: Personalize ignores the
events that it has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice

from ops.kept_files import KeptFile, kept_path
from ops.private_files import POSITIONS_SUFFIX
from ops.replay.rows import ArchivedLine, DayCount


@dataclass(frozen=True)
class Position:
    """``lines`` of a day are done; ``content_hash`` is that of these lines. ``done`` has the lines by day."""

    day: str = ""
    lines: int = 0
    content_hash: str = ""
    done: Mapping[str, int] = field(default_factory=dict)

    def is_done(self, day: DayCount) -> bool:
        """Return whether all lines of a day are done, and no more have come since."""
        return self.done.get(day.day) == day.lines

    def remaining_lines(self, days: Iterable[DayCount]) -> int:
        """Return how many lines of some days are left."""
        left = {day.day: day.lines for day in days if not self.is_done(day)}
        return sum(left.values()) - (self.lines if self.day in left else 0)


class PositionFile(KeptFile):
    """The file that holds the position of one replay."""

    @classmethod
    def of(cls, *what: str) -> PositionFile:
        """Return the one of a replay. ``what`` says from where, of which days, and to which tracker."""
        return cls(kept_path(POSITIONS_SUFFIX, "replay", *what))

    def read(self) -> Position:
        """Return where to go on; at the start where nothing is kept."""
        try:
            return Position(**self.members())
        except TypeError:  # another version's
            return Position()

    def write(self, position: Position) -> None:
        """Keep a position."""
        self.keep(asdict(position))


class HashedLines:
    """The lines of a day, hashed as they are read. ``done`` are those of the days before."""

    def __init__(self, day: str, lines: Iterable[ArchivedLine], done: Mapping[str, int]) -> None:
        self._day, self._lines, self._done = day, iter(lines), done
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
        return Position(self._day, self._count, self._hash.hexdigest(), self._done)

    def skip_to(self, position: Position) -> bool:
        """Read the lines that are done. Return whether they are the same as then."""
        for _ in islice(self, position.lines):
            pass
        return (self._count, self._hash.hexdigest()) == (position.lines, position.content_hash)
