"""Action interactions through the delivery: full calls of mixed sessions, halving, order, quarantine."""

import json
from itertools import pairwise

from chalicelib.delivery.plan import plan
from chalicelib.records import action_interactions
from tests.support.factories import kinesis_record, request
from tests.support.wire import Wire, deliver


def record(number, **changes):
    body = request(**{"Event": None, "EventType": "Taken", "Action": {"actionId": f"a{number}"}} | changes)
    return kinesis_record(json.dumps(body | {"EventId": f"e{number}"}).encode(), number)


def test_calls_are_full_whatever_sessions_and_users_are_in_them():
    batch = [record(number, SessionId=f"s{number}", UserId=f"u{number}") for number in range(200)]
    chains = plan(batch, tracking_id="t").chains
    assert len(chains) <= action_interactions.LANES
    sizes = [len(call.events) for chain in chains for call in chain.calls]
    assert sum(sizes) == 200
    assert max(sizes) == 10
    # Each lane leaves at most one call that is not full.
    assert sum(size < 10 for size in sizes) <= action_interactions.LANES
    assert {call.method for chain in chains for call in chain.calls} == {"put_action_interactions"}


def test_a_session_stays_in_order_beside_events_of_the_same_session(monkeypatch):
    wire = Wire()
    batch = [
        record(number) if number % 2 else kinesis_record(request(EventId=f"e{number}"), number)
        for number in range(40)
    ]
    with wire.connected(monkeypatch) as services:
        outcome = deliver(batch, services)
    assert len(outcome.delivered) == 40
    for taken in (wire.trained, wire.acted):
        numbers = [int(event_id[1:]) for _, event_id in taken]
        assert len(numbers) == 20
        assert all(earlier < later for earlier, later in pairwise(numbers))


def test_a_refused_call_is_halved_until_the_guilty_one_is_alone(monkeypatch):
    wire = Wire(invalid_items=["a7"])
    with wire.connected(monkeypatch) as services:
        outcome = deliver([record(number) for number in range(10)], services)
    assert [event.sequence_number for event in outcome.quarantined] == ["7"]
    assert len(outcome.delivered) == 9
    assert wire.messages[0]["reason"] == "refused"


def test_a_failing_personalize_defers_and_what_comes_again_is_taken_once(monkeypatch):
    wire = Wire(faults={"s1": ["503"] * 100})
    batch = [record(number) for number in range(5)]
    with wire.connected(monkeypatch) as services:
        first = deliver(batch, services, seconds_left=lambda: 10.1)
        wire.faults.clear()
        second = deliver(batch, services)
    assert [len(first.deferred), len(second.delivered)] == [5, 5]
    assert [event_id for _, event_id in wire.acted] == [f"e{number}" for number in range(5)]
