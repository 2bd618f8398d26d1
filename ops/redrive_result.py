"""What a redrive did, in counts, and the lines that say it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Place: TypeAlias = Literal["quarantine", "bucket"]
MAX_REASONS = 50
"""Reasons that are shown. Whoever may write to the queue can make up any number of them."""


@dataclass(frozen=True)
class RedriveResult:
    """What a redrive did, counted in distinct records. ``reasons`` counts why they had not been delivered.

    ``left`` stay because they break the contract, or the repair leaves them. ``odd`` of those are messages
    and objects that hold no record. ``newer`` came after the start.
    """

    reasons: Counter[str] = field(default_factory=Counter)
    put_back: int = 0
    left: int = 0
    failed: int = 0
    odd: int = 0
    newer: int = 0

    def __add__(self, other: RedriveResult) -> RedriveResult:
        return RedriveResult(
            self.reasons + other.reasons,
            self.put_back + other.put_back,
            self.left + other.left,
            self.failed + other.failed,
            self.odd + other.odd,
            self.newer + other.newer,
        )

    @classmethod
    def of_odd(cls, reasons: Sequence[str]) -> RedriveResult:
        """Return the result of messages and objects that hold no record, with why."""
        return cls(Counter(reasons), left=len(reasons), odd=len(reasons))


def summary(result: RedriveResult, *, dry_run: bool, place: Place) -> str:
    """Return the reasons counted, the most frequent first, and what was done."""
    shown = result.reasons.most_common(MAX_REASONS)
    lines = [f"{count:>7}  {why}" for why, count in shown]
    if len(result.reasons) > MAX_REASONS:
        others = result.reasons.total() - sum(count for _, count in shown)
        lines.append(f"{others:>7}  for {len(result.reasons) - MAX_REASONS} other reasons")
    verb = "would go" if dry_run else "went"
    lines.append(f"{result.put_back} {verb} back into the stream, {result.left} stay in the {place}.")
    if result.failed:
        lines.append(f"{result.failed} could not be put into the stream and stay too. Run it again later.")
    if result.newer:
        lines.append(f"{result.newer} are newer than this run and stay for the next one.")
    if result.left > result.odd:
        lines.append("What stays breaks the contract; repair it with --repair FILE.")
    if result.odd:
        lines.append(
            f"{result.odd} of what stays is odd: it holds no record that could go back. Delete it by hand."
        )
    return "\n".join(lines)


def progress_line(result: RedriveResult) -> str:
    """Return the counts so far, on one line."""
    return f"{result.reasons.total()} records read, {result.put_back} back, {result.left} left"
