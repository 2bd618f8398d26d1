"""A replay of 100,000 events at 1,000 calls a second: on paper, and in simulation with a clock of its own."""

from collections import defaultdict
from itertools import pairwise
from math import ceil

import pytest

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
    assert len(simulated.times) == on_paper.calls
    assert simulated.now == pytest.approx(on_paper.calls / RATE, rel=0.01)
    times = simulated.times
    assert min(later - sooner for sooner, later in zip(times, times[RATE:], strict=False)) >= 1 - 1e-6
    assert all(sooner <= later for sooner, later in pairwise(times))
    calls = on_paper.calls
    replay(archived, simulated, tmp_path, rate=RATE, clock=simulated.clock, sleep=simulated.sleep, threads=1)
    assert simulated.sessions == expected, "a second run trains nothing twice"
    assert len(simulated.times) == 2 * calls
    assert len(simulated.ids) == EVENTS
