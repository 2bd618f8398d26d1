"""Pages without an item twice: no list has an item of another, and each is as long as its campaign allows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api import recommendations
from chalicelib.api.pages import plan_rows, without_repeats
from chalicelib.api.personalize import Outcome
from chalicelib.config import Config
from chalicelib.selection.unique import choose, promoted_count
from local.personalize.promotions import mix
from tests.conftest import SETTINGS

CONFIG = Config.from_environ(SETTINGS)
ITEMS = [f"i{number}" for number in range(700)]


def campaign(order, arguments):
    """Return what a campaign with this order of its items returns."""
    return {"itemList": [{"itemId": item} for item in order[: arguments["numResults"]]]}


rows_of_a_page = st.lists(
    st.tuples(
        st.integers(1, 60),
        st.lists(st.sampled_from(ITEMS[:80]), unique=True, max_size=80) | st.permutations(ITEMS[:200]),
    ),
    min_size=1,
    max_size=10,
)


@given(rows_of_a_page)
def test_no_item_is_repeated_and_no_row_is_shorter_than_its_campaign_could_make_it(page):
    requests = [{"userId": "u", "numResults": count} for count, _ in page]
    rows = plan_rows(requests, recommendations.to_plan, CONFIG, is_unique=True)
    outcomes = [
        Outcome(campaign(order, row.plan.arguments), None) for row, (_, order) in zip(rows, page, strict=True)
    ]
    lists = [
        [item["itemId"] for item in outcome.body["itemList"]] for outcome in without_repeats(rows, outcomes)
    ]
    shown = [item for each in lists for item in each]
    assert len(shown) == len({*shown})
    taken = set()
    for (count, order), chosen in zip(page, lists, strict=True):
        possible = [item for item in order if item not in taken]
        limit = [item for item in order[:500] if item not in taken]
        assert chosen == possible[:count] or len(chosen) == len(limit) < count
        taken |= {*chosen}


def test_a_row_is_asked_for_with_what_all_rows_before_can_take_within_the_limits():
    requests = [
        {"userId": "u", "numResults": 20},
        {"userId": "u"},
        {"no": "request"},
        {"userId": "u", "numResults": 10, "metadataColumns": {"ITEMS": ["G"]}},
        {"userId": "u", "numResults": 480},
    ]
    rows = plan_rows(requests, recommendations.to_plan, CONFIG, is_unique=True)
    assert [row.plan and row.plan.arguments["numResults"] for row in rows] == [20, 45, None, 50, 500]
    rows = plan_rows(requests, recommendations.to_plan, CONFIG, is_unique=False)
    assert [row.plan and row.plan.arguments["numResults"] for row in rows] == [20, 25, None, 10, 480]


def test_the_fallback_has_as_many_to_spare():
    config = replace(CONFIG, fallback_campaign_arn=CONFIG.campaign_arn.replace("local", "popular"))
    rows = plan_rows([{"userId": "u"}, {"userId": "u"}], recommendations.to_plan, config, is_unique=True)
    assert [row.plan.fallback_arguments["numResults"] for row in rows] == [25, 50]


def promoted(*ids):
    return [{"itemId": each, **({"promotionName": "p"} if each.startswith("p") else {})} for each in ids]


def test_a_promotion_keeps_its_share_of_a_list_that_was_asked_for_longer():
    items = promoted("p1", "a", "p2", "b", "c", "p3", "d", "e", "p4", "f")
    chosen = [item["itemId"] for item in choose(items, 5, set(), 20)]
    assert chosen == ["p1", "a", "b", "c", "d"]
    assert [item["itemId"] for item in choose(items, 5, {"p1", "a"}, 40)] == ["p2", "b", "c", "p3", "d"]


@given(
    st.lists(st.tuples(st.integers(1, 12), st.none() | st.integers(1, 100)), min_size=2, max_size=6),
    st.randoms(use_true_random=False),
)
def test_a_promotion_keeps_its_share_whatever_the_rows_before_show(page, random):
    """All rows are of one campaign, which has enough of both kinds and promotes as the service does."""
    ordinary, special = [f"o{n}" for n in range(400)], [f"p{n}" for n in range(400)]
    requests = [
        {"userId": "u", "numResults": count}
        | ({"promotions": [{"name": "p", "percentPromotedItems": percent, "filter": "f"}]} if percent else {})
        for count, percent in page
    ]
    rows = plan_rows(requests, recommendations.to_plan, CONFIG, is_unique=True)
    outcomes = []
    for row in rows:
        arguments = row.plan.arguments
        [percent] = [each["percentPromotedItems"] for each in arguments.get("promotions", ())] or [0]
        number = promoted_count(arguments["numResults"], percent)
        mixed = mix(special[:number], ordinary[: arguments["numResults"] - number], random)
        outcomes.append(Outcome({"itemList": promoted(*mixed)}, None))
    for (count, percent), outcome in zip(page, without_repeats(rows, outcomes), strict=True):
        ids = [item["itemId"] for item in outcome.body["itemList"]]
        assert len(ids) == count
        assert sum(each.startswith("p") for each in ids) == (promoted_count(count, percent) if percent else 0)


def test_a_share_that_cannot_be_had_is_filled_from_the_others():
    assert len(choose(promoted("a", "b", "c", "p1"), 4, set(), 100)) == 4
    assert len(choose(promoted("p1", "p2", "p3", "a"), 4, set(), 25)) == 4


@given(
    st.lists(st.sampled_from([*"abcdefgh", *(f"p{n}" for n in range(8))]), max_size=20),
    st.integers(1, 10),
    st.sets(st.sampled_from([*"abcdefgh"])),
    st.none() | st.integers(1, 100),
)
def test_a_choice_is_as_long_as_it_can_be_in_order_and_without_what_was_shown(ids, count, shown, percent):
    chosen = [item["itemId"] for item in choose(promoted(*ids), count, shown, percent)]
    fresh = [*dict.fromkeys(each for each in ids if each not in shown)]
    assert len(chosen) == min(count, len(fresh))
    assert chosen == [each for each in fresh if each in chosen]


@pytest.mark.parametrize("broken", [{}, {"itemId": None}, {"itemId": ""}, None, "x"])
def test_what_is_no_item_is_left_out(broken):
    assert choose([broken, {"itemId": "a"}, broken], 5, set(), None) == [{"itemId": "a"}]


def test_a_failed_row_takes_no_item_from_the_next():
    rows = plan_rows([{"userId": "u"}] * 2, recommendations.to_plan, CONFIG, is_unique=True)
    failed = Outcome(None, ValueError())
    outcomes = without_repeats(rows, [failed, Outcome({"itemList": [{"itemId": "a"}]}, None)])
    assert outcomes[0] is failed
    assert outcomes[1].body == {"itemList": [{"itemId": "a"}]}
