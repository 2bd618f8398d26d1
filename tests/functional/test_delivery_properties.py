"""deliver_events under whatever comes: any contents, any batches, any faults, killed at any moment.

Lambda's rules are played by simulation.event_source, Personalize, SQS and S3 by tests.support.wire;
everything in between is the application's own.
"""

import base64
import io
from collections import defaultdict
from contextlib import contextmanager, redirect_stdout
from itertools import chain
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import records as stream_records
from chalicelib.delivery.kinesis import decode_records, events_of
from chalicelib.errors import InvalidRequestError
from simulation.event_source import EventSource
from simulation.invocation import Runtime
from simulation.stream import LARGEST_GAP, Stream
from tests.support.factories import NOW
from tests.support.strategies import (
    FAILING,
    contents,
    faults,
    kill_moments,
    mappings,
    put_events_faults,
    records,
    visits,
)
from tests.support.wire import Wire, deliver, place_of

# One invocation


@given(contents=contents, faults=faults, concurrency=st.sampled_from([1, 8]))
def test_every_event_ends_delivered_quarantined_or_deferred_exactly_once(contents, faults, concurrency):
    stream = filled(contents, shard_count=1)
    batch = decoded(stream.shards[0])
    wire = Wire(invalid_items=[FAILING], faults=faults)
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        wire.connected(monkeypatch, concurrency=concurrency) as services,
    ):
        outcome = deliver(batch, services)
    deferred = [record for record, _ in outcome.deferred]
    events = [event for record in batch for event in events_of(record)]
    assert ids([*outcome.delivered, *outcome.quarantined, *deferred]) == ids(events)
    # And it is true: what counts as delivered has been taken, what counts as quarantined is in the queue.
    taken = {
        (member, event_id) for (member, _), event_ids in by_session(wire).items() for event_id in event_ids
    }
    for found in outcome.delivered:
        record = stream_records.from_record(found.data, fallback_id=found.derived_id, arrived_at=NOW)
        assert (record.type.MEMBER, record.event_id) in taken
    assert {(*event.place, event.index) for event in outcome.quarantined} <= wire.quarantined
    numbers = [int(record.sequence_number) for record in deferred]
    assert outcome.first_deferred == (str(min(numbers)) if numbers else None)


# All invocations that Lambda makes of it


@pytest.mark.slow
@given(
    contents=contents,
    faults=faults,
    mapping=mappings,
    shard_count=st.integers(1, 3),
    kills=kill_moments,
    seed=st.integers(0, 2**16),
)
def test_in_the_end_everything_valid_is_trained_on_once_in_order_and_the_poison_is_quarantined(
    *, contents, faults, mapping, shard_count, kills, seed
):
    deliver_all(filled(contents, shard_count), faults, mapping, kills, seed)


@pytest.mark.slow
@given(
    contents=st.lists(visits(st.just("s1")), min_size=1, max_size=6),
    faults=put_events_faults,
    mapping=mappings,
    kills=kill_moments,
)
def test_a_long_session_keeps_its_order_whatever_its_calls_meet(contents, faults, mapping, kills):
    deliver_all(filled(contents, 1), {"s1": faults}, mapping, kills)


# Helpers


def deliver_all(stream, faults, mapping, kills, seed=0):
    """Play the event source to the end of the stream, and compare what arrived with what was put."""
    trained, poison = judge(stream)
    wire = Wire(invalid_items=[FAILING], faults=faults)
    moments = iter(kills)
    with deliver_events(wire, mapping, concurrency=1 if kills else 8) as handler:
        runtime = Runtime(
            handler, timeout_seconds=60, now=lambda: 0.0, kill_after=lambda: next(moments, None)
        )
        wire.tick = runtime.tick
        source = EventSource(stream, runtime, mapping, now=lambda: 0.0)
        source.run_in_turns(Random(seed), max_invocations=2_000)
    assert by_session(wire) == trained
    assert wire.quarantined == poison.keys()
    assert kept(wire) == poison
    assert source.counts["finished"] == len(stream)


def judge(stream):
    """What has to become of the events: ids by type and session, in order, and the poison by its place."""
    trained, poison = defaultdict(dict), {}
    for shard in stream.shards:
        for event in chain.from_iterable(map(events_of, decoded(shard))):
            record = read(event)
            if record is None:
                poison[(*event.place, event.index)] = event.data
            else:
                trained[record.type.MEMBER, record.session_id].setdefault(record.event_id)
    return {key: list(ids) for key, ids in trained.items()}, poison


def read(event):
    """The event as a record that Personalize takes, else None."""
    if event.has_too_many_events:
        return None
    try:
        record = stream_records.from_record(event.data, fallback_id=event.derived_id, arrived_at=NOW)
    except InvalidRequestError:
        return None
    return None if FAILING in (record.entry.get("itemId"), record.entry.get("actionId")) else record


def decoded(shard):
    return decode_records({"Records": [record.as_event() for record in shard]})


def filled(contents, shard_count):
    # After a few records the numbers get longer, so that comparing them as text shows.
    first = 10**22 - 4 * LARGEST_GAP
    stream = Stream(shard_count, now=NOW.timestamp, random=Random(1), first_sequence_number=first)
    for data, partition_key in records(contents):
        stream.put(data, partition_key)
    return stream


def ids(events):
    return sorted(event.derived_id for event in events)


def by_session(wire):
    """What Personalize took, by type and session: the order holds within both."""
    sessions = defaultdict(list)
    for member, taken in (("Event", wire.trained), ("Action", wire.acted)):
        for session, event_id in taken:
            sessions[member, session].append(event_id)
    return dict(sessions)


def kept(wire):
    """The quarantined bytes by their place, from the message or from the bucket."""
    found = {}
    for message in wire.messages:
        place = shard, number, index = place_of(message)
        if message["record"] is None:
            found[place] = wire.objects[f"{shard}/{number}" + ("" if index is None else f"-{index}")]
        elif message.get("encoding") == "base64":
            found[place] = base64.b64decode(message["record"])
        else:
            found[place] = message["record"].encode()
    return found


@contextmanager
def deliver_events(wire, mapping, concurrency):
    """The application's handler, configured as the event source mapping is, on this wire."""
    import app  # noqa: PLC0415 - it reads its settings at import, which tests/conftest.py provides first

    report = str(mapping.report_batch_item_failures).lower()
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        wire.connected(monkeypatch, concurrency=concurrency, REPORT_BATCH_ITEM_FAILURES=report) as services,
    ):
        monkeypatch.setattr(app, "services", services)
        # The lines of a thousand batches would bury the example that failed.
        with redirect_stdout(io.StringIO()):
            yield app.deliver_events
