"""A replay of 100,000 events at 1,000 calls a second: on paper, and in simulation with a clock of its own."""

from collections import defaultdict
from itertools import pairwise
from math import ceil

import pytest
from botocore.exceptions import ClientError

from ops.errors import InputError
from ops.replay.delivering import MAX_REASONS
from tests.support.replaying import archive, event, replay, to_line

EVENTS, RATE = 100_000, 1_000
SECONDS_APART = 0.2


class Simulated:
    """Personalize, and a clock that moves when somebody sleeps or calls. It keeps the first of each id."""

    def __init__(self, call_seconds):
        self.now, self.call_seconds = 0.0, call_seconds
        self.times, self.ids = [], set()
        self.sessions = defaultdict(list)

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def put_events(self, *, sessionId, eventList, **_):
        assert len(eventList) <= 10
        self.times.append(self.now)
        self.now += self.call_seconds
        for each in eventList:
            if each["eventId"] not in self.ids:
                self.ids.add(each["eventId"])
                self.sessions[sessionId].append(each["eventId"])


@pytest.fixture(scope="module")
def days():
    """Two days: the events of 200 sessions at a time are mixed, 12 or 13 in each of 8,000 sessions."""
    numbers = range(EVENTS)
    session_of = [number // 2_500 * 200 + number % 200 for number in numbers]
    events = [
        event(n * SECONDS_APART, f"s{s}", EventId=f"e{n}") for n, s in zip(numbers, session_of, strict=True)
    ]
    expected = defaultdict(list)
    for each in events:
        expected[each["SessionId"]].append(each["EventId"])
    half = EVENTS // 2
    parts = {"dt=2026-01-31/a": events[:half], "dt=2026-02-01/a": events[half:]}
    return archive({key: b"".join(map(to_line, part)) for key, part in parts.items()}), expected


@pytest.mark.slow
def test_100_000_events_at_1_000_calls_a_second(days, tmp_path):
    archived, expected = days
    on_paper = replay(archived, None, tmp_path, rate=RATE)
    assert (on_paper.events, on_paper.refused.total()) == (EVENTS, 0)
    # Ten events of a session travel together; a plan ends between two events of a few sessions.
    fewest = sum(ceil(len(ids) / 10) for ids in expected.values())
    assert fewest <= on_paper.calls <= 1.05 * fewest
    simulated = Simulated(call_seconds=0.0002)
    replay(archived, simulated, tmp_path, rate=RATE, clock=simulated.clock, sleep=simulated.sleep, threads=1)
    assert simulated.sessions == expected
    assert len(simulated.ids) == EVENTS
    assert len(simulated.times) == on_paper.calls
    assert simulated.now == pytest.approx(on_paper.calls / RATE, rel=0.01)
    times = simulated.times
    assert min(later - sooner for sooner, later in zip(times, times[RATE:], strict=False)) >= 1 - 1e-6
    assert all(sooner <= later for sooner, later in pairwise(times))


def small(number=200):
    """Return an archive of that many sessions with an event each, and the ids."""
    events = [event(n, f"s{n}", EventId=f"e{n}") for n in range(number)]
    return archive({"dt=2026-01-31/a": b"".join(map(to_line, events))}), {each["EventId"] for each in events}


def test_a_service_that_is_slow_is_waited_for_as_long_as_it_delivers(tmp_path):
    archived, ids = small()
    slow = Simulated(call_seconds=10)
    counts = replay(archived, slow, tmp_path, clock=slow.clock, sleep=slow.sleep, threads=1)
    assert slow.ids == ids
    assert counts.delivered == len(ids)
    assert slow.now > 4 * 300, "several times what one try of a plan may take"


def test_a_thread_that_dies_loses_no_event(tmp_path):
    archived, ids = small()

    class Dying(Simulated):
        def put_events(self, **arguments):
            if len(self.times) in {3, 50}:
                self.times.append(self.now)
                raise SystemExit
            super().put_events(**arguments)

    dying = Dying(call_seconds=0)
    replay(archived, dying, tmp_path, clock=dying.clock, sleep=dying.sleep, threads=2)
    assert dying.ids == ids


def test_reasons_are_bounded(tmp_path):
    bodies = [{"SessionId": "s", "EventType": "v", "Event": {}, "SentAt": 4e9 + n} for n in range(60)]
    counts = replay(archive({"dt=2026-01-31/a": b"".join(map(to_line, bodies))}), None, tmp_path)
    assert len(counts.broken) <= MAX_REASONS + 1
    assert counts.broken.total() == 60


def test_a_wrong_tracker_is_found_behind_events_that_break_the_contract(tmp_path):
    broken = b"".join(to_line({"SessionId": "s", "UserId": n}) for n in range(300))
    good = b"".join(to_line(event(n, f"s{n}", EventId=f"e{n}")) for n in range(2000))

    class Refusing(Simulated):
        def put_events(self, **_):
            self.times.append(self.now)
            raise ClientError({"Error": {"Code": "InvalidInputException", "Message": "no"}}, "PutEvents")

    refusing = Refusing(call_seconds=0)
    with pytest.raises(InputError, match="Is TRACKER right"):
        replay(archive({"dt=2026-01-31/a": broken + good}), refusing, tmp_path)
    assert len(refusing.times) < 500
