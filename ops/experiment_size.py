"""How many users and days an experiment needs, by calculation. It reads no event and calls no service.

The comparison is a two-sided z test of two proportions: the share of users that do something, by variant.
docs/experiments.md explains the inputs and the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from ops.errors import InputError

DAYS_PER_WEEK = 7
WEEKS_TO_SHOW = (2, 4)
MIN_EXPECTED_USERS = 10
"""The z test is too rough where fewer users than this do the thing, or fewer do not do it."""
_BISECTIONS = 60
_SHARE_HINT = " Write 4 % as 0.04."
_RANGES: dict[str, tuple[float, float, str]] = {
    "baseline": (0.0001, 0.99, _SHARE_HINT),
    "effect": (0.0001, 1000, _SHARE_HINT),
    "users_per_day": (1, 1_000_000_000, ""),
    "share": (0.001, 0.5, " It is the share of the smaller variant."),
    "significance": (0.0001, 0.2, _SHARE_HINT),
    "power": (0.5, 0.999, " Write 80 % as 0.8."),
    "comparisons": (1, 1000, ""),
}


@dataclass(frozen=True)
class Comparison:
    """The comparison of a new variant, which is the smaller one, with the present variant.

    ``baseline`` is the share of users that do the thing today. ``effect`` is the smallest rise to detect,
    relative to it. ``users_per_day`` is the number of users of both variants that come for the first time
    within the experiment. ``share`` is that of the smaller variant. ``comparisons`` is the number of
    comparisons that the experiment makes; their significance is shared out evenly (Bonferroni).

    Raise InputError, with a sentence that names the option, for a value out of its range.
    """

    baseline: float
    effect: float
    users_per_day: float
    share: float = 0.5
    significance: float = 0.05
    power: float = 0.8
    comparisons: int = 1

    def __post_init__(self) -> None:
        for name, (low, high, hint) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:  # also true for nan
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"{option} must be from {low:,g} to {high:,.10g}, and is {value:,g}.{hint}")
        if self.new_rate >= 1:
            raise InputError(
                f"--effect {self.effect:g} makes {self.new_rate:.1%} of a rate of {self.baseline:.1%}, and a "
                "rate is less than 100%. Give a smaller effect: it is relative to --baseline."
            )

    @property
    def new_rate(self) -> float:
        """The rate of the smaller variant, if it has exactly the smallest effect to detect."""
        return self.baseline * (1 + self.effect)

    @property
    def significance_of_each(self) -> float:
        """The significance of one comparison."""
        return self.significance / self.comparisons


@dataclass(frozen=True)
class Size:
    """What a comparison needs. ``days`` and ``weeks`` are whole numbers, rounded up."""

    smaller_users: int
    larger_users: int
    days: int

    @property
    def weeks(self) -> int:
        """Whole weeks, so that every weekday counts equally often."""
        return math.ceil(self.days / DAYS_PER_WEEK)


def size(comparison: Comparison) -> Size:
    """Return the users of each variant and the days that ``comparison`` needs."""
    smaller = users_needed(comparison, comparison.new_rate)
    users = smaller / comparison.share
    return Size(
        smaller_users=math.ceil(smaller),
        larger_users=math.ceil(users - smaller),
        days=math.ceil(users / comparison.users_per_day),
    )


def users_needed(comparison: Comparison, new_rate: float) -> float:
    """Return the users of the smaller variant with which ``new_rate`` is detected at the wanted power.

    The test estimates its standard error from both variants together, as if they had one rate. See Fleiss,
    Levin and Paik, "Statistical Methods for Rates and Proportions", on unequal sample sizes.
    """
    old, share = comparison.baseline, comparison.share
    smaller_per_larger = share / (1 - share)
    pooled = share * new_rate + (1 - share) * old
    if_equal = math.sqrt(_variance(pooled) * (1 + smaller_per_larger))
    if_different = math.sqrt(_variance(new_rate) + _variance(old) * smaller_per_larger)
    z_of_test = NormalDist().inv_cdf(1 - comparison.significance_of_each / 2)
    z_of_power = NormalDist().inv_cdf(comparison.power)
    return ((z_of_test * if_equal + z_of_power * if_different) / (new_rate - old)) ** 2


def detectable_effect(comparison: Comparison, days: int) -> float | None:
    """Return the smallest relative rise that ``days`` of users can show, or None where they are too few."""
    users = comparison.share * comparison.users_per_day * days
    low, high = comparison.baseline, 1.0
    if users_needed(comparison, high) > users:
        return None
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if middle > comparison.baseline and users_needed(comparison, middle) <= users:
            high = middle
        else:
            low = middle
    return high / comparison.baseline - 1


def report(comparison: Comparison) -> str:
    """Return the text to print: users, days and weeks, the effect of a given time, and a warning if any."""
    needed = size(comparison)
    smaller, larger = comparison.share, 1 - comparison.share
    table = {
        "smaller variant": f"{needed.smaller_users:,} users ({smaller:.4g} of all)",
        "larger variant": f"{needed.larger_users:,} users ({larger:.4g} of all)",
        "days": f"{needed.days:,}",
        "whole weeks": f"{needed.weeks:,} ({needed.weeks * DAYS_PER_WEEK:,} days), "
        "so that each weekday counts equally",
    }
    return "\n".join(
        [
            f"From {_percent(comparison.baseline)} to {_percent(comparison.new_rate)} of users, "
            f"{comparison.users_per_day:,.10g} new users a day",
            f"  {'test':20}{_test(comparison)}",
            *(f"  {what:20}{figure}" for what, figure in table.items()),
            "",
            "The smallest effect that can be seen with these users a day",
            *(f"  {f'in {weeks} weeks':20}{_visible(comparison, weeks)}" for weeks in WEEKS_TO_SHOW),
            *_warnings(comparison, needed),
        ]
    )


def _test(comparison: Comparison) -> str:
    each = f", {comparison.significance_of_each:.3g} each of {comparison.comparisons:,} comparisons"
    return (
        f"two-sided, significance {comparison.significance:g}{each if comparison.comparisons > 1 else ''}, "
        f"power {comparison.power:g}"
    )


def _visible(comparison: Comparison, weeks: int) -> str:
    effect = detectable_effect(comparison, weeks * DAYS_PER_WEEK)
    if effect is None:
        return "none: too few users"
    return f"{_percent(effect)} more ({_percent(comparison.baseline * (1 + effect))} of users)"


def _warnings(comparison: Comparison, needed: Size) -> list[str]:
    expected = min(
        users * min(rate, 1 - rate)
        for users, rate in (
            (needed.smaller_users, comparison.new_rate),
            (needed.larger_users, comparison.baseline),
        )
    )
    if expected >= MIN_EXPECTED_USERS:
        return []
    return [
        "",
        f"! Fewer than {MIN_EXPECTED_USERS} users of a variant would do it, or would not do it. "
        "The z test is too rough for so few: take more users.",
    ]


def _percent(rate: float) -> str:
    return f"{rate * 100:,.3g}%" if rate < 1 else f"{rate * 100:,.0f}%"


def _variance(rate: float) -> float:
    return rate * (1 - rate)
