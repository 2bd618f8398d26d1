"""The recommendations for a user, and how the model learns them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from local.personalize.interactions import Interactions
from local.personalize.model import MAX_ROWS_PER_USER, best_indices, fit
from local.personalize.recommender import Recommender, ScoredItem


def two_circles() -> Interactions:
    """Return ten readers of sea stories and fifteen readers of cookery books. Nobody reads both."""
    interactions = Interactions()
    for number in range(10):
        interactions.add_history(
            (f"sailor-{number}", f"sea-{book}", number, "read") for book in range(5) if book != number % 5
        )
    for number in range(15):
        interactions.add_history(
            (f"cook-{number}", f"food-{book}", number, "read") for book in range(5) if book != number % 5
        )
    return interactions


def fitted(interactions: Interactions) -> Recommender:
    recommender = Recommender(interactions)
    recommender.model = fit(interactions.snapshot())
    return recommender


def ids(found: list[ScoredItem]) -> list[str]:
    return [scored.item_id for scored in found]


def test_a_user_gets_what_similar_users_liked_and_nothing_the_user_already_had() -> None:
    assert ids(fitted(two_circles()).recommend("sailor-0", None, 1)) == ["sea-0"]


def test_a_new_event_changes_the_recommendations_before_the_next_fit() -> None:
    interactions = two_circles()
    recommender = fitted(interactions)
    assert ids(recommender.recommend("newcomer", None, 4))[0].startswith("food")
    interactions.add_event("s", "newcomer", "sea-1", 100)
    assert set(ids(recommender.recommend("newcomer", None, 4))) == {"sea-0", "sea-2", "sea-3", "sea-4"}


def test_the_latest_interactions_weigh_most() -> None:
    interactions = two_circles()
    recommender = fitted(interactions)
    for at, item in enumerate(("sea-1", "sea-2", "sea-3", "food-1", "food-2", "food-3")):
        interactions.add_event("s", "newcomer", item, at)
    assert ids(recommender.recommend("newcomer", None, 4))[0].startswith("food")


def test_an_unknown_user_gets_what_is_popular() -> None:
    assert {item[:4] for item in ids(fitted(two_circles()).recommend("nobody", None, 5))} == {"food"}


def test_related_items_need_no_known_user_and_leave_out_the_item_itself() -> None:
    recommender = fitted(two_circles())
    expected = {"sea-0", "sea-2", "sea-3", "sea-4"}
    assert set(ids(recommender.recommend(None, "sea-1", 4))) == expected
    assert set(ids(recommender.recommend("nobody", "sea-1", 4))) == expected


def test_related_items_leave_out_what_the_user_already_had() -> None:
    found = ids(fitted(two_circles()).recommend("sailor-0", "sea-1", 10))
    assert found[0] == "sea-0"
    assert not {"sea-1", "sea-2", "sea-3", "sea-4"} & set(found)


def test_an_unknown_item_gets_what_is_popular() -> None:
    recommender = fitted(two_circles())
    assert recommender.recommend(None, "unknown", 5) == recommender.recommend("nobody", None, 5)


def test_an_item_without_interactions_comes_last() -> None:
    interactions = two_circles()
    interactions.add_item("brand-new")
    assert ids(fitted(interactions).recommend("sailor-0", None, 500))[-1] == "brand-new"


def test_an_item_that_is_newer_than_the_model_is_recommended_last() -> None:
    interactions = two_circles()
    recommender = fitted(interactions)
    interactions.add_event("s", "newcomer", "brand-new", 1)
    assert len(recommender.recommend("newcomer", None, 500)) == 10
    assert len(recommender.recommend("newcomer", "brand-new", 500)) == 10
    assert ids(recommender.recommend("sailor-0", None, 500))[-1] == "brand-new"


def test_scores_fall_and_sum_to_at_most_one() -> None:
    scores = [scored.score for scored in fitted(two_circles()).recommend("sailor-0", None, 500)]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert sum(scores) <= 1 + 1e-9


def test_the_same_request_gets_the_same_recommendations() -> None:
    assert fitted(two_circles()).recommend("sailor-3", None, 9) == fitted(two_circles()).recommend(
        "sailor-3", None, 9
    )


def test_a_ranking_keeps_all_items_with_the_unknown_ones_last_in_their_order() -> None:
    ranked = fitted(two_circles()).rank("sailor-0", ["x", "food-1", "sea-1", "a"])
    assert ids(ranked) == ["sea-1", "food-1", "x", "a"]


@pytest.mark.parametrize("events", [0, 1])
def test_no_event_or_one_event_is_enough_to_recommend(events: int) -> None:
    interactions = Interactions()
    for _ in range(events):
        interactions.add_event("s", "u", "only", 1)
    assert ids(fitted(interactions).recommend("someone", None, 25)) == ["only"] * events
    assert fitted(interactions).recommend("u", None, 25) == []
    never_fitted = Recommender(interactions)
    assert ids(never_fitted.recommend("someone", None, 25)) == ["only"] * events


def test_one_shared_reader_does_not_make_two_items_similar() -> None:
    interactions = two_circles()
    interactions.add_history([("eccentric", "sea-0", 1, "read"), ("eccentric", "odd", 1, "read")])
    found = ids(fitted(interactions).recommend(None, "sea-0", 5))
    assert found.index("odd") == 4


def test_a_user_with_very_many_interactions_costs_no_more_than_the_limit() -> None:
    interactions = Interactions()
    interactions.add_history(("crawler", f"item-{n}", n, "read") for n in range(MAX_ROWS_PER_USER + 50))
    model = fit(interactions.snapshot())
    assert np.count_nonzero(model.popularity) == MAX_ROWS_PER_USER
    assert model.popularity[:50].sum() == 0


def test_of_equal_scores_the_larger_value_comes_first_and_what_has_none_last() -> None:
    scores, allowed = np.array([0.0, 0.0, 0.5, 0.0]), np.ones(4, dtype=np.bool_)
    assert best_indices(scores, allowed, 4, np.array([np.nan, 1.0, 0.0, 9.0])).tolist() == [2, 3, 1, 0]


@given(
    hnp.arrays(np.float64, st.integers(0, 40), elements=st.sampled_from((0.0, 0.1, 0.25, 1.0))),
    st.integers(1, 50),
    st.data(),
)
def test_the_best_are_those_that_sorting_everything_would_find(
    scores: np.ndarray, count: int, data: st.DataObject
) -> None:
    indices = st.integers(0, max(len(scores) - 1, 0))
    excluded = data.draw(st.lists(indices, max_size=5)) if len(scores) else []
    expected = sorted(set(range(len(scores))) - set(excluded), key=lambda index: (-scores[index], index))
    allowed = np.ones(len(scores), dtype=np.bool_)
    allowed[excluded] = False
    assert best_indices(scores, allowed, count).tolist() == expected[:count]
