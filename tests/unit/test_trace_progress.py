"""When the metrics of delivery prove that an event was delivered, and when that it waits."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.trace.delivery_state import PERIODS, period_seconds
from ops.trace.facts import Delivery, DeliveryLine, Period
from ops.trace.progress import EARLIER, MARGIN, PUBLISHED, QUARANTINED, SETTLED, Progress, judge

ACCEPTED = datetime(2026, 1, 31, 12, 0, 30, tzinfo=timezone.utc)
LATER = ACCEPTED + timedelta(minutes=30)
KEPT = timedelta(hours=72)


def minute(number, age=None, failures=0, **more):
    """The minute of delivery that begins ``number`` minutes after the event's own."""
    start = ACCEPTED.replace(second=0) + timedelta(minutes=number)
    return Period(start, None if age is None else timedelta(seconds=age), failures, **more)


def judged(*periods, now=LATER, retention=KEPT, **more):
    return judge(ACCEPTED, Delivery(periods, retention=retention, **more), now, "prod")


def going_on(until=30):
    """Minutes of a delivery that is a second behind."""
    return [minute(number, age=1) for number in range(until)]


def test_delivered_is_what_no_batch_has_held_for_a_while():
    assert judged(*going_on()).progress is Progress.DELIVERED
    assert judged(minute(0, age=1), minute(5, age=2), minute(12, age=1)).progress is Progress.DELIVERED


def test_without_a_later_batch_nothing_proves_that_delivery_went_on():
    for periods in ([minute(0, age=1)], [minute(-1, age=1)], [minute(0, age=1), minute(5, age=1)]):
        found = judged(*periods)
        assert found.progress is Progress.UNPROVED
        assert "make verify STAGE=prod sends one" in found.because


def test_after_a_pause_a_batch_that_is_tried_again_may_come_later_than_another():
    paused = [minute(0, age=1), minute(60, age=1)]
    assert judged(*paused, now=ACCEPTED + timedelta(minutes=65)).progress is Progress.UNPROVED
    assert judged(*paused, now=ACCEPTED + timedelta(minutes=75)).progress is Progress.DELIVERED


def test_a_delay_that_has_passed_proves_it_too():
    found = judged(minute(2, age=150), minute(9, age=560), minute(12, age=20), minute(20, age=1))
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


@pytest.mark.parametrize("periods", [(), (minute(-9, age=1), minute(-8, age=1))])
def test_without_a_batch_since_then_it_waits(periods):
    found = judged(*periods)
    assert found.progress is Progress.WAITING
    assert "No batch has ended since" in found.because and "make doctor STAGE=prod" in found.because


def test_a_function_that_fails_proves_nothing():
    found = judged(minute(0, age=1), minute(20, failures=2), minute(25, failures=1))
    assert found.progress is Progress.UNPROVED
    assert "failed 3 times" in found.because


def test_failures_of_long_ago_do_not_count():
    assert judged(minute(2, failures=2), *going_on()).progress is Progress.DELIVERED


@pytest.mark.parametrize("now_after", [timedelta(hours=73), timedelta(days=4), timedelta(days=13)])
def test_what_was_delivered_in_time_stays_delivered(now_after):
    found = judged(*going_on(), minute(5000, failures=3), now=ACCEPTED + now_after)
    assert found.progress is Progress.DELIVERED


def test_an_event_that_expired_in_the_stream_was_not_delivered():
    """The event source was disabled for four days. Batches after that hold newer events."""
    restarted = [minute(4 * 24 * 60 + number, age=1) for number in range(60)]
    found = judged(minute(0, age=1), *restarted, now=ACCEPTED + timedelta(days=5))
    assert found.progress is Progress.UNPROVED
    assert "lost or still waits (make doctor STAGE=prod)" in found.because


def test_a_stream_that_keeps_events_for_long_still_has_it():
    kept = timedelta(hours=8760)
    found = judged(now=ACCEPTED + timedelta(days=4), retention=kept)
    assert found.progress is Progress.WAITING
    restarted = [minute(4 * 24 * 60 + number, age=1) for number in range(60)]
    found = judged(*restarted, now=ACCEPTED + timedelta(days=5), retention=kept)
    assert found.progress is Progress.DELIVERED


def test_a_batch_that_was_given_up_and_not_stored_leaves_it_open():
    found = judged(*going_on(), minute(2900, not_stored=2), now=ACCEPTED + timedelta(days=4))
    assert found.progress is Progress.UNPROVED
    assert "(2 failures)" in found.because and "Send the event again" in found.because
    before = [minute(-3, not_stored=2), *going_on()]
    assert judged(*before).progress is Progress.DELIVERED


def test_after_the_time_of_the_queue_a_quarantined_event_cannot_be_told_from_a_delivered_one():
    found = judged(now=ACCEPTED + timedelta(days=15))
    assert found.progress is Progress.UNPROVED and "14 days" in found.because


def test_metrics_that_cannot_be_read_are_named():
    found = judged(problem="These credentials may not call GetMetricData")
    assert found.progress is Progress.UNPROVED and "GetMetricData" in found.because


def to_periods(batches, now_after):
    """The periods that ``make trace`` reads of batches, which are pairs of an end and an age in seconds."""
    length = timedelta(seconds=period_seconds(timedelta(seconds=now_after) + EARLIER))
    ages = {}
    for at, age in batches:
        if at <= now_after - PUBLISHED.total_seconds():
            ended = (ACCEPTED + timedelta(seconds=at)).timestamp()
            start = ended // length.total_seconds() * length.total_seconds()
            ages[start] = max(ages.get(start, 0), age)
    return [
        Period(datetime.fromtimestamp(start, timezone.utc), timedelta(seconds=ages[start]), length=length)
        for start in sorted(ages)
    ]


@given(
    delivered_after=st.integers(1, 7200),
    every=st.integers(1, 300),
    now_after=st.integers(1, 4 * 3600),
    others=st.lists(st.tuples(st.integers(0, 14000), st.integers(0, 60)), max_size=30),
)
def test_an_event_that_still_waits_is_never_called_delivered(delivered_after, every, now_after, others):
    """A shard is tried every few minutes until the event is delivered; others go on as if nothing were."""
    tries = [*range(1, delivered_after, every), delivered_after]
    later = [(at, 1) for at in range(delivered_after + 60, now_after, 60)]
    batches = [(at, at) for at in tries] + later + others
    found = judged(*to_periods(batches, now_after), now=ACCEPTED + timedelta(seconds=now_after))
    if found.progress is Progress.DELIVERED:
        assert delivered_after < now_after
    if now_after - delivered_after > (SETTLED + PUBLISHED).total_seconds() + 180:
        assert found.progress is Progress.DELIVERED


HOUR = 3600


@given(
    tried_for=st.integers(0, 2 * HOUR),
    retention_hours=st.integers(24, 200),
    longer=st.integers(0, 100 * HOUR),
    now_after=st.integers(1, 14 * 24 * HOUR),
    every=st.integers(60, 4 * HOUR),
    others=st.lists(st.integers(1, 600), max_size=10),
)
def test_delivery_that_stopped_for_longer_than_the_retention_delivered_nothing(
    *, tried_for, retention_hours, longer, now_after, every, others
):
    """The event is tried for a while, or not at all, beside other shards. Then delivery stops, and the event
    expires. Afterwards delivery goes on with newer events.
    """
    batches = [(at, at) for at in range(1, tried_for, 300)] + [(tried_for, tried_for)] * (tried_for > 0)
    batches += [(at, 1) for at in others if at < tried_for] + [(-at, 1) for at in others]
    restarted = tried_for + retention_hours * HOUR + longer
    batches += [(at, 1) for at in range(restarted, now_after, every)]
    found = judged(
        *to_periods(batches, now_after),
        now=ACCEPTED + timedelta(seconds=now_after),
        retention=timedelta(hours=retention_hours),
    )
    assert found.progress is not Progress.DELIVERED


def test_metrics_of_any_age_are_a_bounded_number_of_periods():
    assert [period_seconds(age) for age, _ in PERIODS] == [60, 300, 3600]
    assert max(age / timedelta(seconds=seconds) for age, seconds in PERIODS) <= 1440
    assert period_seconds(QUARANTINED + MARGIN) == 3600
