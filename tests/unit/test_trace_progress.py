"""When the metrics of delivery prove that an event was delivered, and when that it waits."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.trace.facts import Delivery, DeliveryLine, Period
from ops.trace.progress import PUBLISHED, SETTLED, Progress, judge

ACCEPTED = datetime(2026, 1, 31, 12, 0, 30, tzinfo=timezone.utc)
LATER = ACCEPTED + timedelta(minutes=30)


def minute(number, age=None, failures=0):
    """The minute of delivery that begins ``number`` minutes after the event's own."""
    start = ACCEPTED.replace(second=0) + timedelta(minutes=number)
    return Period(start, None if age is None else timedelta(seconds=age), failures)


def judged(*periods, now=LATER, **more):
    return judge(ACCEPTED, Delivery(periods, **more), now, "prod")


def test_delivered_is_what_no_batch_has_held_for_a_while():
    assert judged(minute(0, age=1)).progress is Progress.DELIVERED
    assert judged(minute(0, age=1), minute(5, age=2), minute(29, age=1)).progress is Progress.DELIVERED


def test_a_delay_that_has_passed_proves_it_too():
    found = judged(minute(2, age=150), minute(9, age=560), minute(12, age=20))
    assert found.progress is Progress.DELIVERED
    assert "Since 2026-01-31T12:10Z no batch" in found.because


def test_waiting_says_how_far_delivery_is_behind_and_why():
    lines = [
        DeliveryLine(LATER - timedelta(minutes=9), timedelta(0), ["An old reason."]),
        *(DeliveryLine(LATER - timedelta(minutes=n), timedelta(0), ["Throttled."]) for n in (3, 2, 1)),
    ]
    found = judged(minute(0, age=1), minute(26, age=1600), lines=lines)
    assert found.progress is Progress.WAITING
    assert found.because == ("Delivery is 27 minutes behind (at 2026-01-31T12:27Z). The log says: Throttled.")


def test_another_shard_that_goes_on_does_not_hide_the_one_that_waits():
    found = judged(minute(24, age=1500), *(minute(number, age=1) for number in range(25, 30)))
    assert found.progress is Progress.WAITING


def test_it_is_too_early_until_a_batch_would_have_been_tried_again():
    for minutes in (1, 5, 13):
        found = judged(minute(0, age=1), now=ACCEPTED + timedelta(minutes=minutes))
        assert found.progress is Progress.UNPROVED
        assert "Ask again after 2026-01-31T12:14Z" in found.because


@pytest.mark.parametrize("periods", [(), (minute(-5, age=1), minute(-1, age=1))])
def test_without_a_batch_since_then_it_waits(periods):
    found = judged(*periods)
    assert found.progress is Progress.WAITING
    assert "No batch has ended since" in found.because and "make doctor STAGE=prod" in found.because


def test_a_function_that_fails_proves_nothing():
    found = judged(minute(0, age=1), minute(20, failures=2), minute(25, failures=1))
    assert found.progress is Progress.UNPROVED
    assert "failed 3 times" in found.because


def test_failures_of_long_ago_do_not_count():
    assert judged(minute(0, age=1), minute(2, failures=2)).progress is Progress.DELIVERED


def test_after_the_time_of_the_stream_nothing_waits():
    found = judged(now=ACCEPTED + timedelta(hours=73))
    assert found.progress is Progress.DELIVERED and "given up after 48 hours" in found.because


def test_after_the_time_of_the_queue_a_quarantined_event_cannot_be_told_from_a_delivered_one():
    found = judged(now=ACCEPTED + timedelta(days=15))
    assert found.progress is Progress.UNPROVED and "14 days" in found.because


def test_metrics_that_cannot_be_read_are_named():
    found = judged(problem="These credentials may not call GetMetricData")
    assert found.progress is Progress.UNPROVED and "GetMetricData" in found.because


@given(
    delivered_after=st.integers(1, 7200),
    every=st.integers(1, 300),
    now_after=st.integers(1, 4 * 3600),
    others=st.lists(st.tuples(st.integers(0, 14000), st.integers(0, 60)), max_size=30),
)
def test_an_event_that_still_waits_is_never_called_delivered(delivered_after, every, now_after, others):
    """A shard is tried every few minutes until the event is delivered; others go on as if nothing were."""
    tries = [*range(1, delivered_after, every), delivered_after]
    batches = [(at, at) for at in tries] + others
    ages = {}
    for at, age in batches:
        if at <= now_after - PUBLISHED.total_seconds():
            start = (ACCEPTED + timedelta(seconds=at)).replace(second=0)
            ages[start] = max(ages.get(start, 0), age)
    periods = [Period(start, timedelta(seconds=ages[start])) for start in sorted(ages)]
    found = judged(*periods, now=ACCEPTED + timedelta(seconds=now_after))
    if found.progress is Progress.DELIVERED:
        assert delivered_after < now_after
    if now_after - delivered_after > (SETTLED + PUBLISHED).total_seconds() + 120:
        assert found.progress is Progress.DELIVERED
