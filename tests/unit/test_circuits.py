"""When a circuit lets a call through: a clock is passed in, and each call says what became of it."""

import pytest

from chalicelib.circuits import Circuits, Permit
from chalicelib.errors import (
    InvalidRequestError,
    MisconfiguredError,
    NotFoundError,
    ThrottledError,
    UnavailableError,
)

FAILURES = [UnavailableError("down"), MisconfiguredError("denied")]


@pytest.fixture
def circuit():
    return Circuits().of("get_recommendations", "arn:1")


def fail(circuit, now, error=FAILURES[0], times=1):
    """Make calls that fail. Returns whether the last one opened the circuit."""
    opened = False
    for _ in range(times):
        permit = circuit.admit(now, 1)
        assert isinstance(permit, Permit)
        opened = circuit.failed(permit, error, now)
    return opened


def is_open(circuit, now):
    """Return whether no call is let through. Where a trial is due, the question is the trial."""
    return not isinstance(circuit.admit(now, 1), Permit)


@pytest.mark.parametrize("error", FAILURES)
def test_three_failures_in_a_row_open_it_for_a_second(circuit, error):
    assert not fail(circuit, 0, error, times=2)
    assert fail(circuit, 0, error)
    assert circuit.admit(0.99, 1) is error
    assert circuit.admit(1.0, 1).is_trial


def test_a_success_between_failures_begins_the_count_anew(circuit):
    for _ in range(5):
        fail(circuit, 0, times=2)
        circuit.succeeded(circuit.admit(0, 1))
    assert not is_open(circuit, 0)


def test_it_stays_open_twice_as_long_after_each_failed_trial_up_to_half_a_minute(circuit):
    fail(circuit, 0, times=3)
    now = 0.0
    for seconds in (1, 2, 4, 8, 16, 30, 30):
        assert is_open(circuit, now + seconds - 0.01)
        now += seconds
        assert fail(circuit, now)


def test_one_call_is_the_trial_and_the_others_wait_for_it(circuit):
    fail(circuit, 0, times=3)
    trial = circuit.admit(1, 1)
    assert trial.is_trial
    assert is_open(circuit, 1)
    circuit.succeeded(trial)
    assert not is_open(circuit, 1)
    assert not fail(circuit, 1, times=2)


def test_a_trial_that_never_ends_does_not_keep_it_open(circuit):
    fail(circuit, 0, times=3)
    lost = circuit.admit(1, 1.5)
    assert is_open(circuit, 2.4)
    assert circuit.admit(2.5, 1).is_trial
    assert not circuit.failed(lost, FAILURES[0], 3.0), "what is said of an old trial does not count"


def test_a_lost_trial_is_given_up_after_its_own_time_also_late_in_an_outage(circuit):
    now = 0.0
    fail(circuit, now, times=3)
    for seconds in (1, 2, 4, 8, 16, 30):
        now += seconds
        fail(circuit, now)
    circuit.admit(now + 30, 1)
    assert is_open(circuit, now + 30.9)
    assert circuit.admit(now + 31, 1).is_trial


def test_a_clock_that_was_set_back_makes_the_next_call_the_trial(circuit):
    fail(circuit, 1000, times=3)
    assert circuit.admit(10, 1).is_trial


def test_a_thread_that_comes_when_it_has_just_closed_makes_no_trial(circuit):
    fail(circuit, 0, times=3)
    trial = circuit.admit(1, 1)
    circuit.succeeded(trial)
    assert not circuit.admit(1, 1).is_trial


def test_calls_that_began_before_it_opened_do_not_open_it_for_longer(circuit):
    """Ten requests of one page fail together."""
    permits = [circuit.admit(0, 1) for _ in range(10)]
    assert [circuit.failed(permit, FAILURES[0], 1) for permit in permits].count(True) == 1
    assert not is_open(circuit, 2)


def test_throttling_opens_it_for_a_second_at_once_and_never_for_longer(circuit):
    for now in range(10):
        assert fail(circuit, now, ThrottledError("slow down"))
        assert is_open(circuit, now + 0.99)


@pytest.mark.parametrize("error", [InvalidRequestError("wrong"), NotFoundError("no filter")])
def test_mistakes_of_callers_neither_open_nor_close_it(circuit, error):
    assert not fail(circuit, 0, error, times=100)
    fail(circuit, 0, times=2)
    fail(circuit, 0, error)
    assert fail(circuit, 0), "the failures before the mistake still count"
    assert not circuit.failed(circuit.admit(1, 1), error, 1)
    assert circuit.admit(1, 1).is_trial, "a trial that said nothing is followed by another one at once"


def test_each_operation_and_campaign_has_its_own():
    circuits = Circuits()
    fail(circuits.of("get_recommendations", "arn:1"), 0, times=3)
    assert is_open(circuits.of("get_recommendations", "arn:1"), 0)
    for other in (("get_recommendations", "arn:2"), ("get_personalized_ranking", "arn:1")):
        assert not is_open(circuits.of(*other), 0)
