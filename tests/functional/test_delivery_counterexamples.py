"""What the properties and the chaos run brought to light in delivery, each as small as it gets."""

import json

import pytest

from chalicelib import clients, delivery
from chalicelib.quarantine import Quarantine
from local.personalize import TRACKING_ID
from tests.factories import NOW, arrival, request
from tests.wire import Wire


@pytest.fixture
def deliver(monkeypatch):
    """``deliver(wire, *batch)`` delivers one batch over the wire and returns the outcome."""

    def run(wire, *batch, seconds_left=lambda: 60.0):
        with wire.connected(monkeypatch):
            return delivery.deliver(
                batch,
                tracking_id=TRACKING_ID,
                client=clients.personalize_events(),
                quarantine_to=Quarantine("https://queue", "bucket", clients.sqs, clients.s3),
                concurrency=1,
                seconds_left=seconds_left,
                now=lambda: NOW,
            )

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
