"""Times for events that came at one moment."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.timestamps import spaced
from tests.support.factories import NOW

MILLISECOND = timedelta(milliseconds=1)


def test_different_events_are_a_millisecond_apart_and_the_last_is_at_the_moment():
    assert spaced(["a", "b", "c"], NOW) == [NOW - 2 * MILLISECOND, NOW - MILLISECOND, NOW]


def test_equal_events_are_a_second_apart():
    second = timedelta(seconds=1)
    assert spaced(["a", "a", "a"], NOW) == [NOW - 2 * second, NOW - second, NOW]
    assert spaced(["a", "b", "a"], NOW) == [NOW - second, NOW - MILLISECOND, NOW]


@given(st.lists(st.sampled_from("abc")))
def test_the_order_is_kept_and_no_two_equal_events_share_a_second(contents):
    times = spaced(contents, NOW)
    assert len(times) == len(contents)
    assert not times or times[-1] == NOW
    assert all(later - earlier >= MILLISECOND for earlier, later in pairwise(times))
    for content in set(contents):
        own = [time for time, each in zip(times, contents, strict=True) if each == content]
        assert all(later - earlier >= timedelta(seconds=1) for earlier, later in pairwise(own))
