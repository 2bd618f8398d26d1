"""How many items are promoted, and where they stand."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.personalize.promotions import mix, promoted_count


@pytest.mark.parametrize(
    ("count", "percent", "expected"),
    [(20, 50, 10), (25, 10, 3), (25, 9, 2), (10, 1, 0), (1, 50, 1), (1, 49, 0), (500, 100, 500)],
)
def test_a_share_is_rounded_to_whole_items(count: int, percent: int, expected: int) -> None:
    assert promoted_count(count, percent) == expected


@given(st.integers(0, 20), st.integers(0, 20), st.integers())
def test_both_lists_keep_their_order_and_the_same_seed_the_positions(few: int, many: int, seed: int) -> None:
    promoted, others = list(range(few)), list(range(100, 100 + many))
    mixed = mix(promoted, others, Random(seed))
    assert [item for item in mixed if item < 100] == promoted
    assert [item for item in mixed if item >= 100] == others
    assert mix(promoted, others, Random(seed)) == mixed
