"""The variant of a user: its share, that it stays, and what a change of weights moves."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import Config
from chalicelib.errors import ConfigError
from chalicelib.selection.experiments import Experiment, parse
from tests.conftest import SETTINGS

USERS = [f"user-{number}" for number in range(100_000)]
POPULAR = SETTINGS["CAMPAIGN_ARN"].replace("/local", "/popular")


def experiment(*weights, name="autumn"):
    return Experiment(name, tuple(zip("abcdef", weights, strict=False)))


@pytest.fixture(scope="module")
def of_90_10():
    return [experiment(90, 10).variant(user) for user in USERS]


def test_shares_are_the_weights_within_statistical_bounds(of_90_10):
    found = Counter(of_90_10)["b"]
    deviation = math.sqrt(len(USERS) * 0.1 * 0.9)
    assert abs(found - 10_000) < 4 * deviation


def test_from_90_10_to_80_20_only_the_tenth_moves(of_90_10):
    after = [experiment(80, 20).variant(user) for user in USERS]
    moved = Counter((old, new) for old, new in zip(of_90_10, after, strict=True) if old != new)
    assert moved.keys() == {("a", "b")}, "nobody moves the other way"
    assert abs(moved["a", "b"] - 10_000) < 4 * math.sqrt(len(USERS) * 0.1 * 0.9)


def test_the_variant_depends_on_nothing_but_the_name_the_campaigns_and_the_user(of_90_10):
    again = Experiment("autumn", (("b", 1.0), ("a", 9.0)))  # other order, other scale of the weights
    assert [again.variant(user) for user in USERS[:5000]] == of_90_10[:5000]


def test_another_experiment_splits_the_same_users_independently(of_90_10):
    other = experiment(90, 10, name="winter")
    both = sum(of_90_10[i] == other.variant(user) == "b" for i, user in enumerate(USERS[:20_000]))
    assert abs(both - 200) < 4 * math.sqrt(200)


def test_with_three_variants_a_change_moves_at_most_twice_the_least_that_is_possible():
    users = USERS[:20_000]
    before = [experiment(50, 30, 20).variant(user) for user in users]
    after = [experiment(20, 30, 50).variant(user) for user in users]
    moved = sum(old != new for old, new in zip(before, after, strict=True)) / len(users)
    assert 0.29 < moved < 0.61


def test_a_weight_of_nothing_gets_nobody():
    assert {experiment(0, 1, 0).variant(user) for user in USERS[:1000]} == {"b"}


@given(
    st.text(min_size=1, max_size=256).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))
)
def test_every_id_has_a_variant(user):
    assert experiment(1, 2, 3).variant(user) in "abc"


def test_a_definition_is_read():
    assert parse("autumn: shop = 90 , shop-new=0.5") == Experiment(
        "autumn", (("shop", 90.0), ("shop-new", 0.5))
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("local=90,popular=10", "it takes NAME:CAMPAIGN=WEIGHT,CAMPAIGN=WEIGHT, such as"),
        ("autumn:local", "it takes NAME:CAMPAIGN=WEIGHT"),
        ("autumn:", "it takes NAME:CAMPAIGN=WEIGHT"),
        ("autumn:local=90;popular=10", "it takes NAME:CAMPAIGN=WEIGHT"),
        ("autumn:local=90,", "it takes NAME:CAMPAIGN=WEIGHT"),
        ("autumn:local=-1,popular=1", "weights are numbers such as 90 or 0.5"),
        ("autumn:local=nan,popular=1", "weights are numbers such as 90 or 0.5"),
        ("autumn:local=1e9,popular=1", "weights are numbers such as 90 or 0.5"),
        ("a b:local=1,popular=1", "Names have letters, digits, - and _"),
        ("autumn:local=100", "it takes two campaigns or more"),
        ("autumn:local=50,local=50", "it takes each campaign once"),
        ("autumn:local=0,popular=0", "it takes a weight above 0"),
        (
            "autumn:local=90,shop=10",
            "names the campaign 'shop', which is not in CAMPAIGN_ARN or OTHER_CAMPAIGN_ARNS.",
        ),
    ],
)
def test_a_broken_definition_is_a_sentence_at_start(text, sentence):
    with pytest.raises(ConfigError) as caught:
        Config.from_environ(SETTINGS | {"OTHER_CAMPAIGN_ARNS": POPULAR, "EXPERIMENT": text})
    assert str(caught.value).startswith("EXPERIMENT ")
    assert sentence in str(caught.value)
