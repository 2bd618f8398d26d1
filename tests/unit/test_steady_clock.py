from hypothesis import given
from hypothesis import strategies as st

from local.steady_clock import SteadyClock


def read(*moments, not_before=0.0):
    remaining = iter(moments)
    clock = SteadyClock(lambda: next(remaining), not_before)
    return [clock() for _ in moments]


def test_it_is_the_wall_clock_while_that_goes_on():
    assert read(100.0, 101.5, 5000.0) == [100.0, 101.5, 5000.0]


def test_it_goes_on_from_the_latest_moment_when_the_wall_clock_is_set_back():
    assert read(7200.0, 0.0, 1.0, 5.0) == [7200.0, 7200.0, 7201.0, 7205.0]


def test_it_is_the_wall_clock_again_as_soon_as_that_has_caught_up():
    assert read(7200.0, 0.0, 10.0, 8000.0, 8001.0) == [7200.0, 7200.0, 7210.0, 8000.0, 8001.0]


def test_it_begins_no_earlier_than_a_moment_that_has_passed():
    assert read(10.0, 11.0, 90.0, not_before=50.0) == [50.0, 51.0, 90.0]


@given(st.lists(st.floats(0, 1e9), min_size=1), st.floats(0, 1e9))
def test_it_never_goes_back_and_is_never_behind(moments, not_before):
    readings = read(*moments, not_before=not_before)
    assert readings == sorted(readings)
    assert all(reading >= max(moment, not_before) for reading, moment in zip(readings, moments, strict=True))
