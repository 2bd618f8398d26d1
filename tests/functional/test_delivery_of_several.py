"""Records with several events: each is delivered, quarantined, deferred and remembered on its own."""

import json
from itertools import chain, repeat

import pytest

from chalicelib.delivery import to_response
from chalicelib.delivery.kinesis import MAX_EVENTS_PER_RECORD
from tests.support.factories import NOW, aggregate, json_lines, kinesis_record, request
from tests.support.wire import Wire, deliver, place_of

SHARD = "shardId-000000000000"
FORMS = {"an aggregate": aggregate, "lines of JSON": json_lines}


@pytest.fixture(params=FORMS)
def form(request):
    """A function that makes one record of several requests."""
    return FORMS[request.param]


def of(session="s1", **changes):
    return request(SessionId=session, **changes)


def run(monkeypatch, *batches, **wire_options):
    """The wire and the outcome of each batch, delivered one after another in one sandbox."""
    wire = Wire(**wire_options)
    with wire.connected(monkeypatch) as services:
        return wire, [deliver(batch, services) for batch in batches]


def test_each_event_is_delivered_under_the_id_of_its_place(monkeypatch, form):
    record = kinesis_record(form(of(), of("s2"), of(EventId="own"), of(ReceivedAt="2026-01-31T12:00:00Z")), 7)
    wire, (outcome,) = run(monkeypatch, [record, kinesis_record(of(), 8)])
    assert sorted(wire.trained) == [
        ("s1", "own"),
        ("s1", f"{SHARD}:7:0"),
        ("s1", f"{SHARD}:7:3"),
        ("s1", f"{SHARD}:8"),
        ("s2", f"{SHARD}:7:1"),
    ]
    assert outcome.counts["Delivered"] == 5


def test_the_events_of_a_session_stay_in_order_across_records(monkeypatch, form):
    batch = [kinesis_record(form(*[of(EventId=f"{n}-{m:02}") for m in range(12)]), n) for n in range(1, 4)]
    wire, (outcome,) = run(monkeypatch, batch)
    ids = [event_id for _, event_id in wire.trained]
    assert ids == sorted(ids)
    assert (len(ids), outcome.calls) == (36, 4)


def test_a_bad_event_is_quarantined_alone_with_its_index(monkeypatch, form):
    bad = of(Event={"note": "x" * 1_100})
    refused = of(Event={"itemId": "bad"})
    batch = [kinesis_record(form(of(EventId="a"), bad, refused, of(EventId="b")), 7)]
    wire, (outcome,) = run(monkeypatch, batch, invalid_items=["bad"])
    assert wire.trained == [("s1", "a"), ("s1", "b")]
    first, second = wire.messages
    assert (place_of(first), place_of(second)) == ((SHARD, "7", 1), (SHARD, "7", 2))
    assert [json.loads(message["record"]) for message in wire.messages] == [bad, refused]
    assert [message["reason"] for message in wire.messages] == ["unreadable", "refused"]
    assert [message["arrivedAt"] for message in wire.messages] == [
        "2026-01-31T11:59:59.998Z",
        "2026-01-31T11:59:59.999Z",
    ]
    assert outcome.counts | {"PutEventsCalls": 0, "SpoiledRows": 0} == {
        "Delivered": 2,
        "Quarantined": 2,
        "Retried": 0,
        "PutEventsCalls": 0,
        "SpoiledRows": 0,
    }


def test_large_events_of_one_record_have_objects_of_their_own(monkeypatch, form):
    large = [of(Event={"note": letter * 300_000}) for letter in "xy"]
    wire, _ = run(monkeypatch, [kinesis_record(form(*large), 7)])
    assert [json.loads(wire.objects[f"{SHARD}/7-{index}"]) for index in (0, 1)] == large
    assert [message["recordLocation"][-3:] for message in wire.messages] == ["7-0", "7-1"]


def test_a_sandbox_that_delivered_one_event_of_a_record_delivers_the_others(monkeypatch, form):
    record = kinesis_record(form(of("s1"), of("s2"), {}), 7)
    wire, (first, second, third) = run(monkeypatch, *[[record]] * 3, faults={"s2": ["denied"]})
    assert [event.index for event, _ in first.deferred] == [1]
    assert first.first_deferred == "7"
    assert to_response(first, report_batch_item_failures=True) == {
        "batchItemFailures": [{"itemIdentifier": "7"}]
    }
    assert (second.finished, [event.index for event in second.delivered]) == (2, [1])
    assert (third.finished, third.counts["Delivered"], third.counts["Quarantined"]) == (3, 0, 0)
    assert [session for session, _ in wire.trained] == ["s1", "s2"]
    assert len(wire.messages) == 1


def test_spoiled_rows_count_at_each_delivery_until_the_events_are_finished(monkeypatch, form):
    record = kinesis_record(form(of("s1"), of("s2")).removesuffix(b"\n"), 7)
    fine = kinesis_record(json_lines(of("s3")), 8)
    _, outcomes = run(monkeypatch, *[[record, fine]] * 3, faults={"s2": ["denied"]})
    each = 2 if form is aggregate else 1
    assert [outcome.counts["SpoiledRows"] for outcome in outcomes] == [each, each, 0]
    assert (len(outcomes[0].deferred) > 0, outcomes[2].finished) == (True, 3)


def test_when_the_time_is_up_the_events_that_were_not_read_are_deferred(monkeypatch, form):
    seconds = chain([60.0, 60.0, 9.0], repeat(60.0))
    with Wire().connected(monkeypatch) as services:
        batch = [kinesis_record(form(of("s1"), of("s2"), of("s3")), 7), kinesis_record(of("s4"), 8)]
        outcome = deliver(batch, services, seconds_left=seconds.__next__)
    assert [event.derived_id for event, _ in outcome.deferred] == [f"{SHARD}:7:2", f"{SHARD}:8"]


def test_a_record_with_too_many_events_is_quarantined_whole_and_its_neighbours_arrive(monkeypatch, form):
    record = form(*[{}] * (MAX_EVENTS_PER_RECORD + 1))
    batch = [
        kinesis_record(of(EventId="a"), 1),
        kinesis_record(record, 2),
        kinesis_record(of(EventId="b"), 3),
    ]
    wire, (outcome,) = run(monkeypatch, batch)
    assert [event_id for _, event_id in wire.trained] == ["a", "b"]
    (message,) = wire.messages
    assert (message["reason"], "index" in message) == ("too many events", False)
    assert outcome.quarantined[0].data == record


def test_equal_events_of_one_record_have_different_times(monkeypatch, form):
    sent = []
    wire = Wire()
    with wire.connected(monkeypatch) as services:
        services.clients.personalize_events.meta.events.register(
            "provide-client-params.personalize-events.PutEvents", lambda params, **_: sent.append(params)
        )
        deliver([kinesis_record(form(of(), of(), of(Event={"itemId": "i2"})), 7)], services)
    (call,) = sent
    assert [(NOW - entry["sentAt"]).total_seconds() for entry in call["eventList"]] == [1.001, 0.001, 0.0]


@pytest.mark.parametrize("report", [False, True])
def test_a_batch_with_more_events_than_an_invocation_takes_ends(monkeypatch, report):
    monkeypatch.setattr("chalicelib.delivery.MAX_EVENTS_PER_INVOCATION", 50)
    batch = [
        kinesis_record(
            json_lines(*[of(f"s{number}", EventId=f"{number}-{index}") for index in range(20)]), number
        )
        for number in range(1, 11)
    ]
    wire = Wire()
    invocations = 0
    with wire.connected(monkeypatch) as services:
        while batch:
            invocations += 1
            outcome = deliver(batch, services)
            first = outcome.first_deferred
            if first is None:
                break
            assert outcome.counts["Delivered"] == 60
            if report:
                batch = [record for record in batch if int(record.sequence_number) >= int(first)]
    assert invocations == 4
    assert len(wire.trained) == len(set(wire.trained)) == 200
