"""Measurements in rounds, and the table of their results. Pure, apart from the calls to the contenders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

VALUES_PER_PERCENTILE = 40
"""Values for one p95, so that there are several of them and they have a spread."""


@dataclass(frozen=True)
class Series:
    """The values of one contender, one for each round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The first and the third quartile. For one round both are its value."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
        low, _, high = quantiles(self.values, n=4, method="inclusive")
        return low, high

    def scaled(self, factor: float) -> Series:
        """Return the values times ``factor``."""
        return Series(tuple(value * factor for value in self.values))

    def against(self, other: Series) -> Series:
        """Return the ratio of each round. What slows the machine down in one round slows both contenders."""
        return Series(tuple(ours / theirs for ours, theirs in zip(self.values, other.values, strict=True)))


@dataclass(frozen=True)
class Row:
    """One line of the table. ``theirs`` is the alternative's series in the same unit, round by round.

    ``ratio`` is ours divided by theirs. Where more is better (calls a second), the target says so. A count
    without an alternative has ``theirs`` None.
    """

    what: str
    unit: str
    ours: Series
    alternative: str = ""
    theirs: Series | None = None
    target: str = ""

    @property
    def ratio(self) -> Series | None:
        """Ours divided by theirs, round by round."""
        return None if self.theirs is None else self.ours.against(self.theirs)


def take_turns(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Series]:
    """Measure every contender once a round, in an order that is reversed after each round.

    A contender measures itself and returns its value, so that it decides what is measured and what is not.
    """
    values: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for _ in range(rounds):
        for name in order:
            values[name].append(contenders[name]())
        order.reverse()
    return {name: Series(tuple(found)) for name, found in values.items()}


def p95(series: Series) -> Series:
    """Return the 95th percentile of each VALUES_PER_PERCENTILE values."""
    blocks = [
        series.values[start:][:VALUES_PER_PERCENTILE]
        for start in range(0, len(series.values), VALUES_PER_PERCENTILE)
    ]
    return Series(tuple(quantiles(block, n=20, method="inclusive")[-1] for block in blocks))


def once(value: float) -> Series:
    """Return the series of a count, which is the same in every round."""
    return Series((value,))


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table with aligned columns, which is readable in a terminal too."""
    cells = [
        ("what", "ours", "against", "it takes", "ratio", "target"),
        *(
            (
                row.what,
                _figures(row.ours, row.unit),
                row.alternative,
                _figures(row.theirs, row.unit) if row.theirs else "",
                _figures(row.ratio, "") if row.ratio else "",
                row.target,
            )
            for row in rows
        ),
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _figures(series: Series, unit: str) -> str:
    low, high = series.spread
    spread = "" if len(series.values) == 1 else f" [{_figure(low)}–{_figure(high)}]"
    return f"{_figure(series.median)}{spread} {unit}".rstrip()


def _figure(value: float) -> str:
    """Return the value with three significant digits and without an exponent."""
    if value and abs(value) < 100:
        digits = 2 if abs(value) < 10 else 1
        return f"{value:.{digits}f}" if abs(value) >= 0.1 else f"{value:.2g}"
    return f"{value:,.0f}"
