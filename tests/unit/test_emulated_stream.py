from hypothesis import given
from hypothesis import strategies as st

from local.emulated_stream import KEPT_RECORDS, droppable, saved_places, trusted_places

PLACES = st.lists(st.integers(0, 10 * KEPT_RECORDS))


def test_a_saved_place_counts():
    assert saved_places({"a": 3, "b": 5}, {"a": 3, "b": 9}) == {"a": 3, "b": 5}


def test_a_place_behind_the_end_is_the_end():
    assert saved_places({"a": 12}, {"a": 9}) == {"a": 9}


def test_a_place_that_was_not_saved_is_the_start():
    assert saved_places({}, {"a": 9}) == {"a": 0}


def test_an_index_counts_where_nothing_can_have_expired():
    assert trusted_places({"a": 3}, {"a": 9}, may_have_expired=False) == {"a": 3}


def test_everything_is_delivered_again_where_records_may_have_expired():
    assert trusted_places({"a": 3}, {"a": 9}, may_have_expired=True) == {"a": 0}
    assert trusted_places({"a": 12}, {"a": 9}, may_have_expired=False) == {"a": 0}


def test_nothing_is_dropped_from_a_stream_that_nobody_delivers():
    assert droppable([]) == 0


@given(PLACES)
def test_what_any_source_has_not_delivered_and_the_latest_records_are_never_dropped(places):
    number = droppable(places)
    assert number >= 0
    assert number == 0 or all(place - number >= KEPT_RECORDS for place in places)


@given(PLACES.filter(bool))
def test_delivered_records_are_bounded(places):
    assert min(places) - droppable(places) < 2 * KEPT_RECORDS
