"""Cutting into calls."""

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.batching import pack


@given(st.lists(st.integers(1, 12)), st.integers(1, 5), st.integers(1, 10))
def test_nothing_is_lost_or_reordered_and_no_limit_is_broken(sizes, max_items, max_bytes):
    calls = list(pack(sizes, int, max_items=max_items, max_bytes=max_bytes))
    assert [size for call in calls for size in call] == sizes
    for call in calls:
        assert 1 <= len(call) <= max_items
        assert sum(call) <= max_bytes or len(call) == 1


@given(st.lists(st.just(1)), st.integers(1, 5))
def test_no_call_is_wasted(sizes, max_items):
    calls = list(pack(sizes, int, max_items=max_items, max_bytes=1000))
    assert len(calls) == -(-len(sizes) // max_items)
