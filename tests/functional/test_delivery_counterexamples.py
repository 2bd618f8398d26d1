"""What the properties and the chaos run brought to light in delivery, each as small as it gets."""

import json

import pytest

from chalicelib import clients, delivery
from chalicelib.quarantine import Quarantine
from local.personalize import TRACKING_ID
from tests.factories import NOW, arrival, request
from tests.wire import Wire


def deliver_with(client, *batch, seconds_left=lambda: 60.0):
    return delivery.deliver(
        batch,
        tracking_id=TRACKING_ID,
        client=client,
        quarantine_to=Quarantine("https://queue", "bucket", clients.sqs, clients.s3),
        concurrency=1,
        seconds_left=seconds_left,
        now=lambda: NOW,
    )


@pytest.fixture
def deliver(monkeypatch):
    """``deliver(wire, *batch)`` delivers one batch over the wire and returns the outcome."""

    def run(wire, *batch, **time):
        with wire.connected(monkeypatch):
            return deliver_with(clients.personalize_events(), *batch, **time)

    return run


def test_a_session_keeps_its_order_when_the_user_signs_in_midway(deliver):
    names = [f"e{number}" for number in range(14)]
    wire = Wire()
    deliver(
        wire,
        arrival(request(EventId="e0", UserId=None), 1),
        *[arrival(request(EventId=name), number) for number, name in enumerate(names[1:], 2)],
    )
    assert [event_id for _, event_id in wire.trained] == names


def test_a_record_with_an_endless_key_does_not_block_its_shard(deliver):
    endless = json.dumps(request() | {"☂" * 200_000: 1}, ensure_ascii=False).encode()
    outcome = deliver(Wire(), arrival(endless))
    assert len(outcome.quarantined) == 1


def test_a_slow_quarantine_queue_leaves_time_to_answer(deliver):
    left = [60.0]

    def pass_half_a_call():
        left[0] -= 2.0

    wire = Wire(tick=pass_half_a_call)
    poison = [arrival(b"poison", number) for number in range(300)]
    outcome = deliver(wire, *poison, seconds_left=lambda: left[0])
    assert left[0] > 0
    assert len(outcome.quarantined) + len(outcome.deferred) == 300


def test_an_event_that_botocore_cannot_send_is_quarantined_and_its_neighbours_arrive(monkeypatch):
    """Found in review: a SentAt whose zone led out of the calendar was retried for ever."""

    def serialise(params, **_):
        if any(entry["eventId"] == "bad" for entry in params["eventList"]):
            raise OverflowError("date value out of range")

    wire = Wire()
    batch = [arrival(request(EventId=name), number) for number, name in enumerate(("a", "bad", "b"))]
    with wire.connected(monkeypatch):
        client = clients.personalize_events()
        client.meta.events.register("provide-client-params.personalize-events.PutEvents", serialise)
        outcome = deliver_with(client, *batch)
    assert [event_id for _, event_id in wire.trained] == ["a", "b"]
    assert [found.sequence_number for found in outcome.quarantined] == ["1"]
    assert outcome.deferred == []
