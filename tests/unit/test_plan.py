"""Planning a Kinesis batch: groups, order, packing, rejects."""

import json
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.delivery.kinesis import decode_records
from chalicelib.delivery.plan import plan
from tests.support.factories import kinesis_event, kinesis_record, request


def plan_of(batch, seconds_left=lambda: 60.0):
    return plan(batch, tracking_id="tracker", seconds_left=seconds_left)


def session_of(chain):
    """The session whose chain it is: every call names it."""
    (session,) = {call.arguments["sessionId"] for call in chain.calls}
    return session


def events_of(chain):
    return [event for call in chain.calls for event in call.events]


def items(found, session="s1"):
    (chain,) = [chain for chain in found.chains if session_of(chain) == session]
    return [[entry["itemId"] for entry in call.arguments["eventList"]] for call in chain.calls]


def test_lambdas_event_is_decoded_whole():
    (record,) = decode_records(kinesis_event(b"payload", first=7))
    assert record == kinesis_record(b"payload", 7)


def test_events_of_one_session_share_calls_of_ten_in_stream_order():
    batch = [kinesis_record(request(Event={"itemId": f"i{n}"}), n) for n in range(25)]
    assert items(plan_of(batch)) == [
        [f"i{n}" for n in range(10)],
        [f"i{n}" for n in range(10, 20)],
        [f"i{n}" for n in range(20, 25)],
    ]


def test_a_visitor_who_signs_in_starts_a_new_call_of_the_same_session():
    users = (None, "u1", "u1")
    batch = [kinesis_record(request(UserId=user), number) for number, user in enumerate(users)]
    (chain,) = plan_of(batch).chains
    found = [(call.arguments.get("userId"), len(call.events)) for call in chain.calls]
    assert found == [(None, 1), ("u1", 2)]


def test_a_record_put_twice_is_one_event_for_both_arrivals():
    data = json.dumps(request(EventId="e1")).encode()
    (chain,) = plan_of([kinesis_record(data, 1), kinesis_record(data, 2)]).chains
    (event,) = events_of(chain)
    assert [record.sequence_number for record in event.kinesis_records] == ["1", "2"]


def test_two_records_without_id_are_two_events_though_their_bytes_are_equal():
    data = json.dumps(request()).encode()
    (chain,) = plan_of([kinesis_record(data, 1), kinesis_record(data, 2)]).chains
    assert [event.record.event_id for event in events_of(chain)] == [
        "shardId-000000000000:1",
        "shardId-000000000000:2",
    ]


def test_one_id_with_two_contents_is_left_to_personalize():
    requests = [request(EventId="e1", Event={"itemId": item}) for item in "ab"]
    batch = [kinesis_record(content, number) for number, content in enumerate(requests)]
    assert items(plan_of(batch)) == [["a", "b"]]


def test_what_cannot_be_read_is_rejected_with_its_bytes_and_place():
    found = plan_of([kinesis_record(b"\xff\x00", 3), kinesis_record(request(), 4)])
    (rejected,) = found.rejected
    assert rejected.record.sequence_number == "3"
    assert rejected.record.data == b"\xff\x00"
    assert rejected.reason == "unreadable"
    assert len(found.chains) == 1


def test_the_longest_session_starts_first():
    batch = [kinesis_record(request(SessionId="short"), 0)]
    batch += [kinesis_record(request(SessionId="long", Event={"itemId": str(n)}), n) for n in range(1, 30)]
    assert [session_of(chain) for chain in plan_of(batch).chains] == ["long", "short"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "u", "v"]), st.booleans())))
def test_every_record_is_planned_once_in_session_order_in_the_fewest_calls(shape):
    batch = [
        kinesis_record(b"poison" if bad else request(SessionId=session, UserId=user), number)
        for number, (session, user, bad) in enumerate(shape)
    ]
    found = plan_of(batch)
    planned = [record for chain in found.chains for record in chain.kinesis_records]
    rejected = [each.record for each in found.rejected]
    assert sorted(int(r.sequence_number) for r in planned + rejected) == list(range(len(batch)))
    for chain in found.chains:
        numbers = [int(record.sequence_number) for record in chain.kinesis_records]
        assert numbers == sorted(numbers)
    runs = sum(
        -(-len(list(run)) // 10)
        for name in "abc"
        for _, run in groupby(user for session, user, bad in shape if session == name and not bad)
    )
    assert sum(len(chain.calls) for chain in found.chains) == runs


def test_what_is_not_read_when_the_reserve_begins_is_left_and_the_rest_is_planned():
    clock = iter([60.0, 10.0, 9.9])
    batch = [kinesis_record(request(Event={"itemId": f"i{n}"}), n) for n in range(5)]
    found = plan_of(batch, clock.__next__)
    assert items(found) == [["i0", "i1"]]
    assert [a.sequence_number for a in found.unread] == ["2", "3", "4"]
