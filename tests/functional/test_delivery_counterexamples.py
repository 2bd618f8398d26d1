"""What the properties, the chaos run and a review brought to light in delivery, each as small as it gets."""

import json
from dataclasses import replace

from tests.support.factories import kinesis_record, request
from tests.support.wire import Wire, deliver


def test_a_session_keeps_its_order_when_the_user_signs_in_midway(monkeypatch):
    names = [f"e{number}" for number in range(14)]
    wire = Wire()
    batch = [kinesis_record(request(EventId="e0", UserId=None), 0)]
    batch += [kinesis_record(request(EventId=name), number) for number, name in enumerate(names[1:], 1)]
    with wire.connected(monkeypatch, concurrency=2) as services:
        deliver(batch, services)
    assert [event_id for _, event_id in wire.trained] == names


def test_a_record_with_an_endless_key_does_not_block_its_shard(monkeypatch):
    endless = json.dumps(request() | {"☂" * 200_000: 1}, ensure_ascii=False).encode()
    with Wire().connected(monkeypatch) as services:
        outcome = deliver([kinesis_record(endless)], services)
    assert len(outcome.quarantined) == 1


def test_a_slow_quarantine_queue_leaves_time_to_answer(monkeypatch):
    left = [60.0]

    def pass_half_a_call():
        left[0] -= 2.0

    poison = [kinesis_record(b"poison", number) for number in range(300)]
    with Wire(tick=pass_half_a_call).connected(monkeypatch) as services:
        outcome = deliver(poison, services, seconds_left=lambda: left[0])
    assert left[0] > 0
    assert len(outcome.quarantined) + len(outcome.deferred) == 300


def test_a_fault_of_ours_in_one_session_does_not_cost_the_others(monkeypatch):
    wire = Wire(faults={"unlucky": ["throttled"] * 4})
    batch = [kinesis_record(request(SessionId=name), n) for n, name in enumerate(("unlucky", "lucky"))]
    with wire.connected(monkeypatch) as services:
        outcome = deliver(batch, replace(services, chance=lambda: 1 / 0))
    assert [record.sequence_number for record in outcome.delivered] == ["1"]
    assert outcome.reasons == {"Delivery of a session failed with ZeroDivisionError.": 1}


def test_an_event_that_botocore_cannot_send_is_quarantined_and_its_neighbours_arrive(monkeypatch):
    """A SentAt whose zone led out of the calendar was accepted, and then retried for ever."""

    def serialise(params, **_):
        if any(entry["eventId"] == "bad" for entry in params["eventList"]):
            raise OverflowError("date value out of range")

    wire = Wire()
    with wire.connected(monkeypatch) as services:
        hooks = services.clients.personalize_events.meta.events
        hooks.register("provide-client-params.personalize-events.PutEvents", serialise)
        outcome = deliver(
            [kinesis_record(request(EventId=name), number) for number, name in enumerate(("a", "bad", "b"))],
            services,
        )
    assert [event_id for _, event_id in wire.trained] == ["a", "b"]
    assert [found.sequence_number for found in outcome.quarantined] == ["1"]
    assert outcome.deferred == []
