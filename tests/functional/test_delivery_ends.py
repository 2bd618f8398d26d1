"""A batch ends, whatever was sent: within a bounded number of invocations, however long its chains are."""

import io
from contextlib import contextmanager, redirect_stdout
from itertools import groupby
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.delivery.plan import MAX_CALLS_PER_CHAIN
from chalicelib.sandbox import FinishedRecords
from simulation.event_source import EventSource
from simulation.invocation import Runtime
from simulation.mapping import EventSourceMapping
from simulation.stream import Stream
from tests.support.factories import NOW, kinesis_record, request
from tests.support.wire import Wire

TIMEOUT_SECONDS = 120
RESERVED = 10


class World:
    """A stream, Personalize that takes ``latency`` seconds for a call, and Lambda with one sandbox."""

    def __init__(self, monkeypatch, users, *, latency, report=False, faults=(), kills=()):
        self.clock = 0.0
        self.latency = latency
        self.stream = Stream(1, now=NOW.timestamp, random=Random(1))
        for number, user in enumerate(users):
            body = request(SessionId="s", UserId=user, EventId=f"{number:05}")
            self.stream.put(kinesis_record(body).data, "s")
        self.wire = Wire(faults={"s": faults}, sleep=self.pass_time)
        self.mapping = EventSourceMapping(batch_size=10_000, report_batch_item_failures=report)
        self.monkeypatch = monkeypatch
        self.kills = iter(kills)

    def pass_time(self, seconds):
        self.clock += seconds

    @contextmanager
    def source(self):
        import app  # noqa: PLC0415 - it reads its settings at import, which tests/conftest.py provides first

        report = str(self.mapping.report_batch_item_failures).lower()
        with self.wire.connected(self.monkeypatch, REPORT_BATCH_ITEM_FAILURES=report) as services:
            self.monkeypatch.setattr(app, "services", services)
            runtime = Runtime(
                app.deliver_events,
                timeout_seconds=TIMEOUT_SECONDS,
                now=lambda: self.clock,
                kill_after=lambda: next(self.kills, None),
            )

            def tick():
                # Before a request is carried out and after: half of its time each.
                self.clock += self.latency / 2
                runtime.tick()

            self.wire.tick = tick
            yield EventSource(self.stream, runtime, self.mapping, now=lambda: self.clock)

    def run(self, max_invocations):
        """Deliver everything; the number of invocations that it took."""
        with self.source() as source, redirect_stdout(io.StringIO()):
            source.run_in_turns(Random(1), max_invocations=max_invocations + 1)
        assert source.counts["finished"] == len(self.stream), "the batch did not end"
        assert sorted(event_id for _, event_id in self.wire.trained) == [
            f"{number:05}" for number in range(len(self.stream))
        ]
        return source.counts["invocations"]


def alternating(count):
    return [f"u{number % 2}" for number in range(count)]


@pytest.mark.parametrize("report", [False, True])
def test_a_session_of_a_thousand_events_of_two_users_ends_when_calls_are_slow(monkeypatch, report):
    world = World(monkeypatch, alternating(1_000), latency=0.5, report=report)
    assert world.run(max_invocations=3) == 1
    by_user = {user: [] for user in ("u0", "u1")}
    for _, event_id in world.wire.trained:
        by_user[f"u{int(event_id) % 2}"].append(event_id)
    assert all(ids == sorted(ids) for ids in by_user.values())


@pytest.mark.parametrize("report", [False, True])
def test_a_chain_that_takes_longer_than_an_invocation_goes_on_where_it_stopped(monkeypatch, report):
    world = World(monkeypatch, alternating(400), latency=0.5, report=report)
    fewest = 400 * 0.5 / (TIMEOUT_SECONDS - RESERVED)
    assert world.run(max_invocations=10) <= fewest + 2
    assert [event_id for _, event_id in world.wire.trained] == [f"{number:05}" for number in range(400)]


def test_calls_that_fail_now_and_then_do_not_make_a_chain_begin_anew(monkeypatch):
    faults = ["throttled" if number % 3 else "503" for number in range(300)]
    world = World(monkeypatch, alternating(400), latency=0.01, faults=faults)
    assert world.run(max_invocations=10) <= 3


def test_a_chain_is_cut_by_user_only_when_it_is_too_long(monkeypatch):
    for events, in_order in ((MAX_CALLS_PER_CHAIN, True), (MAX_CALLS_PER_CHAIN + 1, False)):
        world = World(monkeypatch, alternating(events), latency=0.0)
        world.run(max_invocations=1)
        ids = [event_id for _, event_id in world.wire.trained]
        assert (ids == sorted(ids)) is in_order


@pytest.mark.slow
@settings(max_examples=min(40, settings().max_examples))
@given(
    users=st.lists(st.sampled_from([None, "u0", "u1"]), min_size=1, max_size=150),
    latency=st.sampled_from([0.001, 0.5, 2.0, 7.0]),
    report=st.booleans(),
    faults=st.lists(st.sampled_from(["throttled", "503", "lost", None]), max_size=30),
    kills=st.lists(st.one_of(st.none(), st.integers(0, 60)), max_size=5),
)
def test_every_batch_ends_within_a_bounded_number_of_invocations(users, latency, report, faults, kills):
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World(monkeypatch, users, latency=latency, report=report, faults=faults, kills=kills)
        calls = sum(-(-len([*run]) // 10) for _, run in groupby(users))
        # A call is given up after four tries of botocore's, at most; each invocation that is not killed makes
        # as many calls as its time allows.
        per_invocation = max(1, int((TIMEOUT_SECONDS - RESERVED) / max(latency, 0.01) / 4))
        bound = len(kills) + len(faults) + 2 + -(-calls // per_invocation)
        world.run(max_invocations=bound)


def test_what_a_sandbox_remembers_is_bounded_and_the_oldest_goes_first(monkeypatch):
    monkeypatch.setattr("chalicelib.sandbox.MAX_FINISHED_RECORDS", 3)
    finished = FinishedRecords()
    records = [kinesis_record(request(), number) for number in range(5)]
    finished.add(records)
    assert finished.split(records) == (records[2:], records[:2])
