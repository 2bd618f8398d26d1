"""The report of a run in Markdown, and the lines at its end. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from ops.diagnosis import Finding, State
from ops.terminal import printable
from ops.verify.points import Result

_WORDS = {State.GOOD: "works", State.LOOK: "look at this", State.BAD: "does not work"}
_MAX_CELL_CHARACTERS = 300


@dataclass(frozen=True)
class Report:
    """What a run has found. ``usd`` is the most that it costs. ``remarks`` say what stays,
    ``left`` says of each thing that is left what removes it. ``is_ended``: every point had its turn."""

    stage: str
    stacks: Sequence[str]
    region: str
    mark: str
    started: datetime
    seconds: float
    usd: float
    findings: Sequence[Finding]
    results: Sequence[Result]
    remarks: Sequence[str]
    left: Sequence[str]
    is_well: bool
    is_local: bool
    is_ended: bool

    def markdown(self, root: str = ".") -> str:
        """Return the report. ``root`` is the way to the project's folder, for the links into docs."""
        parts = (self._head(), self._table(), self._looked_at(), self._details(root), self._end())
        return "\n".join([*chain.from_iterable(parts), ""])

    def summary(self) -> str:
        """Return the counts as one line."""
        counts = Counter(_word(each) for each in self.results)
        counted = ", ".join(f"{word} {count}" for word, count in counts.items())
        return f"{self._verdict()} {len(self.results)} points: {counted}."

    def _verdict(self) -> str:
        if not self.is_ended:
            return "The run was interrupted: nothing is proved."
        return "The deployment works." if self.is_well else "The deployment is not proved to work."

    def _head(self) -> Iterator[str]:
        yield f"# Verification of the stage {self.stage}\n"
        yield f"**{self._verdict()}** {self.summary().removeprefix(self._verdict()).strip()}\n"
        yield f"- Stack: {', '.join(self.stacks)} in {self.region}"
        yield f"- Time: {self.started:%Y-%m-%d %H:%M:%S} UTC, {self.seconds:.0f} seconds"
        yield f"- Test user: `{self.mark}`"
        costs = "On AWS a run costs" if self.is_local else "Cost:"
        yield f"- {costs} at most {self.usd:.4f} USD at list prices\n"

    def _table(self) -> Iterator[str]:
        yield "## What was played\n"
        yield "| point | result | |\n|---|---|---|"
        for each in self.results:
            said = each.answer.finding.what if each.answer else each.why_not
            yield f"| {each.point.name} | {_word(each)} | {_cell(said)} |"
        yield ""

    def _looked_at(self) -> Iterator[str]:
        """Yield what doctor says."""
        yield "## What `make doctor` sees\n"
        for each in self.findings:
            yield f"- {_WORDS[each.state]}: {_cell(each.what)}{_remedy(each)}"
        yield ""

    def _details(self, root: str) -> Iterator[str]:
        yield "## Point by point\n"
        for each in self.results:
            yield f"### {each.point.name}\n"
            yield f"- Question: {each.point.question}"
            if each.answer is None:
                yield f"- Not played: {_cell(each.why_not)}"
            else:
                yield f"- Call: {_cell(each.answer.call) or 'could not be made'}"
                yield f"- Came back: {_cell(each.answer.response) or 'nothing'}"
                yield f"- Means: {_WORDS[each.answer.finding.state]}. {_cell(each.answer.finding.what)}"
                if each.answer.finding.remedy:
                    yield f"- Do: {_cell(each.answer.finding.remedy)}"
            yield f"- Read: [{each.point.document}]({root}/{each.point.document})\n"

    def _end(self) -> Iterator[str]:
        yield "## What stays\n"
        for remark in self.remarks:
            yield f"- {_cell(remark)}"
        for thing in self.left:
            yield f"- Left in the account: {_cell(thing)}"
        yield (
            f"- Personalize keeps the interactions of `{self.mark}` until they are deleted there "
            "(CreateDataDeletionJob). They count as one user."
        )


def _word(result: Result) -> str:
    return _WORDS[result.state] if result.state else ("not here" if result.is_excused else "not played")


def _remedy(finding: Finding) -> str:
    return f" **Do:** {_cell(finding.remedy)}" if finding.remedy else ""


def _cell(text: str) -> str:
    """Return text from outside as one line that is no markup."""
    line = " ".join(printable(text).split())[:_MAX_CELL_CHARACTERS]
    return "".join(f"\\{each}" if each in "|<>*[]`\\" else each for each in line)
