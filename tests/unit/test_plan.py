"""Planning a Kinesis batch: groups, order, packing, rejects."""

import json
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from chalicelib import delivery
from tests.support.factories import arrival, kinesis_event, request


def items(plan, session="s1"):
    (found,) = [s for s in plan.sessions if s.session_id == session]
    return [[parcel.event.entry["itemId"] for parcel in call.parcels] for call in found.calls]


def test_lambdas_event_is_decoded_whole():
    (record,) = delivery.arrivals(kinesis_event(b"payload", first=7))
    assert record == arrival(b"payload", 7)


def test_events_of_one_session_share_calls_of_ten_in_stream_order():
    batch = [arrival(request(Event={"itemId": f"i{n}"}), n) for n in range(25)]
    assert items(delivery.plan(batch)) == [
        [f"i{n}" for n in range(10)],
        [f"i{n}" for n in range(10, 20)],
        [f"i{n}" for n in range(20, 25)],
    ]


def test_a_visitor_who_signs_in_starts_a_new_call_of_the_same_session():
    batch = [arrival(request(UserId=None), 1), arrival(request(), 2), arrival(request(), 3)]
    (session,) = delivery.plan(batch).sessions
    assert [(call.user_id, len(call.parcels)) for call in session.calls] == [(None, 1), ("u1", 2)]


def test_a_record_put_twice_is_one_event_for_both_arrivals():
    data = json.dumps(request(EventId="e1")).encode()
    (session,) = delivery.plan([arrival(data, 1), arrival(data, 2)]).sessions
    (parcel,) = session.parcels
    assert [a.sequence_number for a in parcel.arrivals] == ["1", "2"]


def test_two_records_without_id_are_two_events_though_their_bytes_are_equal():
    data = json.dumps(request()).encode()
    (session,) = delivery.plan([arrival(data, 1), arrival(data, 2)]).sessions
    assert [parcel.event.event_id for parcel in session.parcels] == [
        "shardId-000000000000:1",
        "shardId-000000000000:2",
    ]


def test_one_id_with_two_contents_is_left_to_personalize():
    first, second = (arrival(request(EventId="e1", Event={"itemId": i}), n) for n, i in enumerate("ab"))
    assert items(delivery.plan([first, second])) == [["a", "b"]]


def test_what_cannot_be_read_is_rejected_with_its_bytes_and_place():
    plan = delivery.plan([arrival(b"\xff\x00", 3), arrival(request(), 4)])
    ((rejected, reject),) = plan.rejects
    assert rejected.sequence_number == reject.sequence_number == "3"
    assert reject.record == b"\xff\x00"
    assert reject.reason == "unreadable"
    assert len(plan.sessions) == 1


def test_the_longest_session_starts_first():
    batch = [arrival(request(SessionId="short"), 0)]
    batch += [arrival(request(SessionId="long", Event={"itemId": str(n)}), n) for n in range(1, 30)]
    assert [session.session_id for session in delivery.plan(batch).sessions] == ["long", "short"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "u", "v"]), st.booleans())))
def test_every_record_is_planned_once_in_session_order_in_the_fewest_calls(shape):
    batch = [
        arrival(b"poison" if bad else request(SessionId=session, UserId=user), number)
        for number, (session, user, bad) in enumerate(shape)
    ]
    plan = delivery.plan(batch)
    planned = [a for s in plan.sessions for parcel in s.parcels for a in parcel.arrivals]
    rejected = [a for a, _ in plan.rejects]
    assert sorted(int(a.sequence_number) for a in planned + rejected) == list(range(len(batch)))
    for session in plan.sessions:
        numbers = [int(a.sequence_number) for parcel in session.parcels for a in parcel.arrivals]
        assert numbers == sorted(numbers)
    runs = sum(
        -(-len(list(run)) // 10)
        for name in "abc"
        for _, run in groupby(user for session, user, bad in shape if session == name and not bad)
    )
    assert sum(len(s.calls) for s in plan.sessions) == runs


def test_what_is_not_read_when_the_reserve_begins_is_left_and_the_rest_is_planned():
    clock = iter([60.0, 10.0, 9.9])
    batch = [arrival(request(Event={"itemId": f"i{n}"}), n) for n in range(5)]
    plan = delivery.plan(batch, clock.__next__)
    assert items(plan) == [["i0", "i1"]]
    assert [a.sequence_number for a in plan.unread] == ["2", "3", "4"]
