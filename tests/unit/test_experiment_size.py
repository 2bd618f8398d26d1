"""The calculator of experiments: its numbers, held against other formulae and against drawn experiments."""

import math
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops import cli
from ops.errors import InputError
from ops.experiment_size import Comparison, detectable_effect, report, size, users_needed

DOCUMENT = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text("utf-8")
EQUAL = Comparison(baseline=0.04, effect=0.1, users_per_day=20_000)
NINETY_TEN = replace(EQUAL, share=0.1)


def test_equal_shares_need_the_number_that_textbooks_give():
    needed = size(EQUAL)
    assert needed.smaller_users == needed.larger_users == pytest.approx(39_500, rel=0.001)
    assert (needed.days, needed.weeks) == (4, 1)


@pytest.mark.parametrize("comparison", [EQUAL, NINETY_TEN], ids=["50/50", "90/10"])
def test_the_number_agrees_with_the_formula_of_arcsines(comparison):
    # Cohen's h has another derivation: a transformation that makes the variance the same for every rate.
    h = 2 * (math.asin(math.sqrt(comparison.new_rate)) - math.asin(math.sqrt(comparison.baseline)))
    z = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
    smaller = (z / h) ** 2 * (1 + comparison.share / (1 - comparison.share))
    assert size(comparison).smaller_users == pytest.approx(smaller, rel=0.05)


@pytest.mark.parametrize("comparison", [EQUAL, NINETY_TEN], ids=["50/50", "90/10"])
@pytest.mark.parametrize("effect", [0.0, 0.1])
def test_of_drawn_experiments_as_many_are_significant_as_promised(comparison, effect):
    needed, random, significant = size(comparison), Random(1), 0
    rates = comparison.baseline * (1 + effect), comparison.baseline
    users = needed.smaller_users, needed.larger_users
    for _ in range(2000):
        new, old = (
            random.gauss(rate * count, math.sqrt(count * rate * (1 - rate)))
            for rate, count in zip(rates, users, strict=True)
        )
        both = (new + old) / sum(users)
        error = math.sqrt(both * (1 - both) * (1 / users[0] + 1 / users[1]))
        significant += abs(new / users[0] - old / users[1]) / error > 1.96
    assert significant / 2000 == pytest.approx(0.8 if effect else 0.05, abs=0.03 if effect else 0.015)


def test_unequal_shares_need_more_users_and_more_days():
    equal, unequal = size(EQUAL), size(NINETY_TEN)
    assert unequal.smaller_users + unequal.larger_users > 2 * (equal.smaller_users + equal.larger_users)
    assert unequal.days > equal.days
    assert unequal.smaller_users / (unequal.smaller_users + unequal.larger_users) == pytest.approx(
        0.1, rel=1e-4
    )


@pytest.mark.parametrize(
    "harder",
    [{"effect": 0.05}, {"baseline": 0.02}, {"power": 0.9}, {"significance": 0.01}, {"comparisons": 3}],
    ids=str,
)
def test_what_is_harder_to_see_needs_more_users(harder):
    assert size(replace(EQUAL, **harder)).smaller_users > size(EQUAL).smaller_users


def test_comparisons_share_the_significance():
    assert size(replace(EQUAL, comparisons=5)) == size(replace(EQUAL, significance=0.01))


@given(
    st.floats(0.001, 0.8), st.floats(0.01, 0.2), st.floats(1, 1e6), st.floats(0.01, 0.5), st.integers(1, 60)
)
def test_a_visible_effect_is_the_smallest_that_the_users_allow(baseline, effect, users, share, days):
    comparison = Comparison(baseline, effect, users, share)
    seen = detectable_effect(comparison, days)
    if seen is None:
        assert users_needed(comparison, 1.0) > share * users * days
    else:
        assert users_needed(comparison, baseline * (1 + seen)) == pytest.approx(
            share * users * days, rel=1e-3
        )


def test_the_effect_of_two_weeks_needs_two_weeks():
    seen = detectable_effect(NINETY_TEN, 14)
    assert size(replace(NINETY_TEN, effect=seen)).days == 14
    assert detectable_effect(NINETY_TEN, 28) < seen


@pytest.mark.parametrize(
    ("given_values", "sentence"),
    [
        ({"baseline": 4.0}, "--baseline must be from 0.0001 to 0.99, and is 4. Write 4 % as 0.04."),
        ({"baseline": 0.0}, "--baseline must be from 0.0001 to 0.99, and is 0. Write 4 % as 0.04."),
        ({"baseline": math.nan}, "--baseline must be from 0.0001 to 0.99, and is nan. Write 4 % as 0.04."),
        ({"effect": 0.0}, "--effect must be from 0.0001 to 1,000, and is 0. Write 4 % as 0.04."),
        ({"users_per_day": math.inf}, "--users-per-day must be from 1 to 1,000,000,000, and is inf."),
        (
            {"share": 0.9},
            "--share must be from 0.001 to 0.5, and is 0.9. It is the share of the smaller variant.",
        ),
        ({"significance": 5.0}, "--significance must be from 0.0001 to 0.2, and is 5. Write 4 % as 0.04."),
        ({"power": 80.0}, "--power must be from 0.5 to 0.999, and is 80. Write 80 % as 0.8."),
        ({"comparisons": 0}, "--comparisons must be from 1 to 1,000, and is 0."),
        (
            {"baseline": 0.9, "effect": 0.2},
            "--effect 0.2 makes 108.0% of a rate of 90.0%, and a rate is less than 100%. Give a smaller "
            "effect: it is relative to --baseline.",
        ),
    ],
    ids=str,
)
def test_an_input_that_cannot_be_used_is_a_sentence(given_values, sentence):
    with pytest.raises(InputError) as raised:
        replace(EQUAL, **given_values)
    assert str(raised.value) == sentence


def test_the_report_warns_of_users_too_few_for_the_test():
    assert "!" not in report(EQUAL)
    assert "! Fewer than 10 users" in report(Comparison(0.5, 0.9, 20_000, share=0.1))


def test_the_report_says_where_no_effect_can_be_seen():
    assert "in 2 weeks          none: too few users" in report(Comparison(0.9, 0.1, 1))


@pytest.mark.parametrize(
    ("line", "status"),
    [("--baseline 4 --effect 0.1 --users-per-day 100", 1), ("--baseline 0.04 --effect 0.1", 2)],
)
def test_the_command_ends_with_the_status_of_every_command(line, status, capsys):
    assert cli.main(["experiment-size", *line.split()]) == status
    assert "--baseline must be" in capsys.readouterr().err or status == 2


COMMANDS = re.findall(r"^    make experiment-size (.*)\n\n((?:    (?!make).*\n|\n)*)", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize(("variables", "printed"), COMMANDS, ids=[line for line, _ in COMMANDS])
def test_the_document_shows_what_the_command_prints(variables, printed, capsys):
    words = (word.split("=") for word in shlex.split(variables))
    options = [part for name, value in words for part in (f"--{name.lower().replace('_', '-')}", value)]
    assert cli.main(["experiment-size", *options]) == 0
    shown = "\n".join(line.removeprefix("    ") for line in printed.splitlines()).strip()
    output = capsys.readouterr().out.strip()
    assert shown in ("", output)


def test_the_numbers_in_the_text_of_the_document_are_calculated():
    assert [line for line, printed in COMMANDS if not printed.strip()] == [
        "BASELINE=0.04 EFFECT=0.1 USERS_PER_DAY=20000",
        "BASELINE=0.04 EFFECT=0.1 USERS_PER_DAY=18000 SHARE=0.111 COMPARISONS=2",
    ]
    users = [f"{needed.smaller_users + needed.larger_users:,}" for needed in (size(EQUAL), size(NINETY_TEN))]
    assert "needs {} users instead of {}:".format(*users) in DOCUMENT
    of_three = Comparison(0.04, 0.1, 18_000, share=0.111, comparisons=2)
    assert f"It takes {size(of_three).days} days:" in DOCUMENT


def test_the_document_shows_what_its_program_prints():
    [(program, printed)] = re.findall(r"```python\n(.*?)```\n\n((?:    [^\n]*\n)+)", DOCUMENT, re.DOTALL)
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert [line.strip() for line in printed.splitlines()] == ran.stdout.splitlines()
