"""The chaos run's traffic and report: records are told apart, and every broken promise is reported."""

import re
from dataclasses import replace
from random import Random

import pytest

from chalicelib.delivery.aggregation import MAGIC
from chalicelib.delivery.kinesis import decode_records, events_of
from chalicelib.errors import InvalidRequestError
from chalicelib.records import action_interactions, from_record
from simulation.chaos.report import Result, order_violations, table
from simulation.chaos.scenario import Scenario
from simulation.chaos.traffic import FAILING_ITEM, actions_of, fill
from simulation.stream import Stream
from tests.support.factories import NOW

SCENARIO = Scenario(events=3_000, sessions=150, poison=0.05, duplicates=0.05, sign_ins=0.5)

COMPLETE = Result(
    label="complete",
    accepted=100,
    duplicates=1,
    aggregated=40,
    poison=10,
    trained=90,
    lost=0,
    unexpected=0,
    violations=0,
    quarantined=10,
    wrongly_quarantined=0,
    messages=12,
    discarded=0,
    invocations=5,
    failures=1,
    redelivered=20,
    kills=1,
    errors={},
    requests={"processed": 30, "throttled": 3},
    fewest_calls=20,
    elapsed_seconds=1.5,
)


@pytest.fixture(scope="module")
def filled():
    stream = Stream(4, now=NOW.timestamp, random=Random(1))
    return stream, fill(stream, SCENARIO, Random(1), NOW.timestamp())


def all_of(stream):
    return [record for shard in stream.shards for record in shard]


def events_in(stream):
    """Return every event of the stream, in order."""
    batch = {"Records": [record.as_event() for record in all_of(stream)]}
    return [event for record in decode_records(batch) for event in events_of(record)]


def read(event):
    """Return an event that can be delivered as a record, else None."""
    if event.has_too_many_events:
        return None
    try:
        record = from_record(event.data, fallback_id=event.derived_id, arrived_at=NOW)
    except InvalidRequestError:
        return None
    return None if record.entry.get("itemId") == FAILING_ITEM else record


# Traffic


def test_as_many_events_are_put_as_asked_for_and_some_of_them_twice(filled):
    stream, expectation = filled
    assert expectation.accepted == SCENARIO.events
    assert len(events_in(stream)) == SCENARIO.events + expectation.duplicates
    assert expectation.duplicates > 0


def test_the_share_of_aggregated_events_is_that_of_the_scenario_and_both_forms_are_put(filled):
    stream, expectation = filled
    assert 0.07 < expectation.aggregated / SCENARIO.events < 0.13
    assert sum(event.index is not None for event in events_in(stream)) == expectation.aggregated
    several = [record.data for record in all_of(stream) if b"\n" in record.data[:-1]]
    assert len([data for data in several if data.startswith(MAGIC)]) > 5
    assert len([data for data in several if data.startswith(b"{")]) > 5
    assert {place[2] is None for place in expectation.poison} == {True, False}


def test_the_expectation_tells_poison_from_valid_events(filled):
    stream, expectation = filled
    for event in events_in(stream):
        assert (read(event) is None) == ((*event.place, event.index) in expectation.poison)


def test_every_kind_of_poison_is_put():
    stream = Stream(1, now=NOW.timestamp, random=Random(1))
    expectation = fill(stream, Scenario(events=500, sessions=5, poison=1.0), Random(1), NOW.timestamp())
    assert {
        "refused by Personalize",
        "not UTF-8",
        "empty",
        "too large for a message",
        "more than 1,000 events",
    } < set(expectation.poison.values())


def test_the_expectation_has_each_sessions_events_in_stream_order(filled):
    stream, expectation = filled
    sessions = {}
    for event in filter(None, map(read, events_in(stream))):
        is_action = event.type is action_interactions
        chain = actions_of(event.session_id) if is_action else event.session_id
        sessions.setdefault(chain, {}).setdefault(event.event_id)
    assert {name: list(ids) for name, ids in sessions.items()} == {
        name: list(ids) for name, ids in expectation.sessions.items()
    }


def test_a_session_stays_in_one_shard_and_has_several_events(filled):
    stream, expectation = filled
    events = [(event.shard_id, read(event)) for event in events_in(stream)]
    shards = {(record.session_id, shard_id) for shard_id, record in events if record is not None}
    assert len(shards) == len({session for session, _ in shards}) == SCENARIO.sessions
    assert expectation.valid / len(expectation.sessions) > 10


def test_some_users_sign_in_midway(filled):
    stream, _ = filled
    users = {}
    for event in filter(None, map(read, events_in(stream))):
        users.setdefault(event.session_id, []).append(event.body.get("UserId"))
    assert any(None in seen and set(seen) != {None} for seen in users.values())


def test_the_same_seed_draws_the_same_traffic(filled):
    stream, _ = filled
    again = Stream(4, now=NOW.timestamp, random=Random(1))
    fill(again, SCENARIO, Random(1), NOW.timestamp())
    assert again.shards == stream.shards


def test_the_fewest_calls_are_ten_events_of_one_user_and_session_in_order():
    stream = Stream(1, now=NOW.timestamp, random=Random(1))
    scenario = Scenario(
        events=95, sessions=1, poison=0, duplicates=0, sign_ins=0, shared_sessions=0, actions=0, aggregated=0
    )
    expectation = fill(stream, scenario, Random(1), NOW.timestamp())
    assert expectation.fewest_calls(stream, 1000) == 10
    assert expectation.fewest_calls(stream, 25) == 3 + 3 + 3 + 2


def test_each_event_of_a_shared_session_is_a_call_of_its_own():
    stream = Stream(1, now=NOW.timestamp, random=Random(1))
    scenario = Scenario(events=1_000, sessions=50, poison=0, duplicates=0, shared_sessions=1, aggregated=0)
    fill(stream, scenario, Random(1), NOW.timestamp())
    found = [read(event) for event in events_in(stream)]
    users = [event.body["UserId"] for event in found if event.session_id == "session-000000"]
    assert len(users) >= 10
    assert users == [f"user-{number % 2}" for number in range(len(users))]


def test_interactions_with_actions_fill_calls_whatever_their_sessions_are():
    stream = Stream(1, now=NOW.timestamp, random=Random(1))
    scenario = Scenario(events=400, sessions=100, poison=0, duplicates=0, actions=1, aggregated=0)
    expectation = fill(stream, scenario, Random(1), NOW.timestamp())
    assert {event.type for event in map(read, events_in(stream))} == {action_interactions}
    assert 40 <= expectation.fewest_calls(stream, 1000) < 40 + action_interactions.LANES


def test_a_sign_in_costs_a_call_of_its_own():
    stream = Stream(1, now=NOW.timestamp, random=Random(1))
    scenario = Scenario(
        events=40, sessions=2, poison=0, duplicates=0, sign_ins=1, shared_sessions=0, actions=0, aggregated=0
    )
    expectation = fill(stream, scenario, Random(1), NOW.timestamp())
    events_of = {name: len(ids) for name, ids in expectation.sessions.items()}
    anonymous, signing_in = events_of["session-000000"], events_of["session-000001"]
    expected = -(-anonymous // 10) + 1 + -(-(signing_in - 5) // 10)
    assert expectation.fewest_calls(stream, 1000) == expected


# The report


def test_a_run_without_a_difference_keeps_every_promise():
    assert COMPLETE.broken == []


@pytest.mark.parametrize(
    "change",
    [
        {"lost": 1},
        {"discarded": 1},
        {"trained": 89},
        {"trained": 91, "unexpected": 1},
        {"violations": 1},
        {"quarantined": 9},
        {"quarantined": 11, "wrongly_quarantined": 1},
        {"wrongly_quarantined": 1},
    ],
)
def test_every_difference_breaks_a_promise(change):
    assert replace(COMPLETE, **change).broken


@pytest.mark.parametrize(
    ("arrived", "violations"),
    [("abcd", 0), ("acd", 0), ("", 0), ("bacd", 1), ("dabc", 3), ("abxcd", 0)],
)
def test_an_event_that_arrives_after_a_later_one_of_the_stream_is_a_violation(arrived, violations):
    assert order_violations("abcd", arrived) == violations


def test_the_table_shows_results_side_by_side_and_names_a_broken_promise():
    broken = replace(COMPLETE, label="broken", lost=1, errors={"DeliveryIncompleteError": 2})
    rows = (re.split(r"\s{2,}", line.strip()) for line in table([COMPLETE, broken]).splitlines())
    lines = {name: cells for name, *cells in rows}
    assert lines["events lost"] == ["0", "1"]
    assert lines["raised DeliveryIncompleteError"] == ["0", "2"]
    assert lines["requests to Personalize"] == ["33", "33"]
    assert lines["requests / fewest"] == ["1.65", "1.65"]
    assert lines["processed / fewest"] == ["1.50", "1.50"]
    assert lines["no event is lost"] == ["kept", "BROKEN"]
