"""Batches at the edges of what Lambda hands over."""

import json
import threading

import pytest

from chalicelib.services import DELIVERY_CONCURRENCY
from tests.support.factories import kinesis_record, request
from tests.support.wire import Wire, deliver, response


@pytest.mark.slow
def test_ten_thousand_records_in_one_batch_arrive_in_order_in_the_fewest_calls(monkeypatch):
    wire = Wire()
    batch = [
        kinesis_record(request(SessionId=f"s{number % 700}", EventId=f"{number:05}"), number)
        for number in range(10_000)
    ]
    with wire.connected(monkeypatch, concurrency=DELIVERY_CONCURRENCY) as services:
        outcome = deliver(batch, services)
    assert len(outcome.delivered) == 10_000
    by_session: dict[str, list[str]] = {}
    for session, event_id in wire.trained:
        by_session.setdefault(session, []).append(event_id)
    assert sum(map(len, by_session.values())) == 10_000
    assert all(ids == sorted(ids) for ids in by_session.values())
    assert outcome.calls == sum(-(-len(ids) // 10) for ids in by_session.values()) == wire.requests


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(b"\xff" * 1024 * 1024, id="bytes"),
        pytest.param(b'"' + b"a" * (1024 * 1024 - 2) + b'"', id="text"),
        pytest.param(
            json.dumps(request(Event={"itemId": "i", "note": "n" * 1_048_000})).encode(), id="event"
        ),
        pytest.param(b"[" * 1024 * 1024, id="nesting"),
    ],
)
def test_a_record_of_one_mebibyte_is_kept_whole_and_its_neighbours_arrive(monkeypatch, record):
    wire = Wire()
    contents = (request(EventId="a"), record, request(EventId="b"))
    batch = [kinesis_record(content, number) for number, content in enumerate(contents, 1)]
    with wire.connected(monkeypatch) as services:
        outcome = deliver(batch, services)
    assert [event_id for _, event_id in wire.trained] == ["a", "b"]
    assert [found.sequence_number for found in outcome.quarantined] == ["2"]
    (message,) = wire.messages
    assert message["recordLocation"].startswith("s3://archive/quarantine/")
    assert record in wire.objects.values()


def test_a_call_that_hangs_costs_its_own_session_and_not_the_next_batch(monkeypatch):
    asked, hang = threading.Event(), threading.Event()
    delivers = threading.get_ident()
    reads = iter([60.0])

    def hold_up(request, **_):
        asked.set()
        hang.wait(30)
        return response(request.url, 200, {})

    def seconds_left():
        # The one who waits for the workers finds the time up as soon as Personalize has been asked. Before,
        # it looks at the clock once, to read the record.
        if threading.get_ident() != delivers:
            return 60.0
        return next(reads, None) or (2.0 if asked.wait(30) else 60.0)

    with Wire().connected(monkeypatch) as services:
        events = services.clients.personalize_events.meta.events
        events.register_first("before-send.personalize-events.PutEvents", hold_up)
        hung = deliver([kinesis_record(request(SessionId="s1"), 1)], services, seconds_left=seconds_left)
        events.unregister("before-send.personalize-events.PutEvents", hold_up)
        # Three seconds for the next batch, and thirty for the call that hangs.
        free = deliver([kinesis_record(request(SessionId="s2"), 2)], services, seconds_left=lambda: 13.0)
        hang.set()
    assert [str(error) for _, error in hung.deferred] == [
        "Personalize had not responded when the time was up."
    ]
    assert [found.sequence_number for found in free.delivered] == ["2"]
