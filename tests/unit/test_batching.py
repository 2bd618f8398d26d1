"""Cutting into batches."""

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.batching import batches


@given(st.lists(st.integers(1, 12)), st.integers(1, 5), st.integers(1, 10))
def test_nothing_is_lost_or_reordered_and_no_limit_is_broken(sizes, max_items, max_bytes):
    found = list(batches(sizes, size_bytes=int, max_items=max_items, max_bytes=max_bytes))
    assert [size for batch in found for size in batch] == sizes
    for batch in found:
        assert 1 <= len(batch) <= max_items
        assert sum(batch) <= max_bytes or len(batch) == 1


@given(st.lists(st.just(1)), st.integers(1, 5))
def test_no_batch_is_wasted(sizes, max_items):
    found = list(batches(sizes, size_bytes=int, max_items=max_items, max_bytes=1000))
    assert len(found) == -(-len(sizes) // max_items)
