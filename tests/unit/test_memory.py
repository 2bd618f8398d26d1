"""The rule that chooses the memory of a function from its processor time."""

import pytest

from bench.memory import SIZES_MB, Cpu, api_memory, delivery_memory


def cpu(**milliseconds):
    """Return processor times, by default those of a machine of 2026."""
    usual = {"request": 1.0, "start": 240.0, "call": 0.95, "event": 0.03} | milliseconds
    return Cpu(**{name: value / 1000 for name, value in usual.items()})


@pytest.mark.parametrize(("start", "memory"), [(27, 128), (164, 768), (166, 1024), (219, 1024), (1000, 1769)])
def test_the_api_has_the_smallest_size_that_starts_fast_enough(start, memory):
    assert api_memory(cpu(start=start)) == memory


@pytest.mark.parametrize(("call", "memory"), [(0.1, 128), (0.95, 1024), (5.0, 1769)])
def test_delivery_has_the_smallest_size_that_can_use_the_quota_and_is_not_much_slower(call, memory):
    assert delivery_memory(cpu(call=call, event=0.0)) == memory


def test_more_memory_never_makes_anything_slower():
    for seconds in (cpu().cold_seconds, cpu().warm_seconds, lambda size: cpu().batch(size)[1]):
        found = [seconds(size) for size in SIZES_MB]
        assert found == sorted(found, reverse=True)
