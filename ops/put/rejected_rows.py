"""The rows that do not go, and why. A bounded number of them is kept. Pure.

A sentence never repeats a value of the file: the rows of users are about people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ops.terminal import printable_line

MAX_SHOWN = 20
"""Rejected rows that are shown one by one. The others are counted."""
MAX_REASONS = 50
"""Different reasons that are counted. Personalize may word each refusal differently."""
MAX_CHARACTERS = 300
_OTHER = "for other reasons"


@dataclass(frozen=True)
class RejectedRow:
    """Why a row does not go: the line where it begins, the column if it is about one, and a sentence."""

    line: int
    column: str | None
    problem: str

    @property
    def reason(self) -> str:
        """What is wrong, without the line, as one line that can be printed."""
        return printable_line(
            " ".join(filter(None, (self.column, self.problem))), max_characters=MAX_CHARACTERS
        )

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass
class RejectedRows:
    """The rejected rows of one run: the first ones, and the number of each reason of the others."""

    shown: list[RejectedRow] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.shown) + self.others.total()

    def add(self, row: RejectedRow) -> None:
        """Count a rejected row."""
        if len(self.shown) < MAX_SHOWN:
            self.shown.append(row)
        elif row.reason in self.others or len(self.others) < MAX_REASONS:
            self.others[row.reason] += 1
        else:
            self.others[_OTHER] += 1

    def lines(self) -> Iterator[str]:
        """Yield what to print."""
        yield from map(str, self.shown)
        if self.others:
            yield f"and {self.others.total():,} more rows:"
        for reason, count in self.others.most_common():
            yield f"{count:>9,}  {reason}"
