"""What is wrong with rows: a verdict for each, of which a bounded number is kept. Pure.

A sentence never repeats a value of the file: the rows of users are about people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ops.terminal import printable_line

MAX_SHOWN = 20
"""Verdicts that are shown one by one. The others are counted."""
MAX_REASONS = 50
"""Different reasons that are counted. Personalize may word each refusal differently."""
MAX_CHARACTERS = 300
_OTHER = "for other reasons"


@dataclass(frozen=True)
class Verdict:
    """Why a row does not go: the line where it begins, the column if it is about one, and a sentence."""

    line: int
    column: str | None
    problem: str

    @property
    def reason(self) -> str:
        """The verdict without the line, as one line that can be printed."""
        return printable_line(
            " ".join(filter(None, (self.column, self.problem))), max_characters=MAX_CHARACTERS
        )

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass
class Verdicts:
    """The verdicts of one run: the first ones, and the number of each reason of the others."""

    shown: list[Verdict] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.shown) + self.others.total()

    def add(self, verdict: Verdict) -> None:
        """Count a verdict."""
        if len(self.shown) < MAX_SHOWN:
            self.shown.append(verdict)
        elif verdict.reason in self.others or len(self.others) < MAX_REASONS:
            self.others[verdict.reason] += 1
        else:
            self.others[_OTHER] += 1

    def lines(self) -> Iterator[str]:
        """Yield what to print."""
        yield from map(str, self.shown)
        if self.others:
            yield f"and {self.others.total():,} more rows:"
        for reason, count in self.others.most_common():
            yield f"{count:>9,}  {reason}"
