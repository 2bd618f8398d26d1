"""Which events a record holds: one, lines of JSON, or an aggregate. Which bytes, id and time each has."""

import json
import tracemalloc
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.delivery.kinesis import MAX_EVENTS_PER_RECORD, all_events_of, events_of
from chalicelib.delivery.plan import plan
from tests.support.factories import NOW, aggregate, json_lines, kinesis_record, request, signed

A, B, C = (json.dumps(request(EventId=name)).encode() for name in "abc")
PRETTY = json.dumps(request(), indent=1).encode()
MARK = b"\xef\xbb\xbf"


def contents(data):
    return [event.data for event in events_of(kinesis_record(data))]


def ids(data):
    return [
        event.derived_id.removeprefix("shardId-000000000000:1") for event in events_of(kinesis_record(data))
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (json_lines(request(EventId="a"), request(EventId="b")), [A, B]),
        (A + b"\n" + B, [A, B]),
        (A + b"\r\n" + B + b"\r\n", [A, B]),
        (b"\n\n" + A + b"\n \t\r\n" + B + b"\n\n\n", [A, B]),
        (b"  " + A + b"  \n\t" + B, [A, B]),
        (A + b"\nbroken {\n" + B, [A, b"broken {", B]),
        (b"\xff\xfe\n" + A, [b"\xff\xfe", A]),
        (A + b"\n[]\n7\nnull", [A, b"[]", b"7", b"null"]),
        (MARK + A + b"\n" + B, [MARK + A, B]),
        (MARK + A + b"\nbroken", [MARK + A, b"broken"]),
        (b"[" * 100_000 + b"\n" + A, [b"[" * 100_000, A]),
        (b"9" * 5_000 + b"\n" + A, [b"9" * 5_000, A]),
        (b'{"a": ' + b"9" * 5_000 + b"}\nbroken", [b'{"a": ' + b"9" * 5_000 + b"}", b"broken"]),
        (aggregate(A, B, C), [A, B, C]),
        (aggregate(A + b"\n", B + b"\n"), [A + b"\n", B + b"\n"]),
        (aggregate(A + b"\n" + B + b"\n", C), [A, B, C]),
        (aggregate(PRETTY, A), [PRETTY, A]),
        (aggregate(b"", A, b"\n"), [b"", A, b"\n"]),
    ],
)
def test_each_event_of_a_record_is_judged_on_its_own(data, expected):
    assert contents(data) == expected
    assert ids(data) == [f":{number}" for number in range(len(expected))]


@pytest.mark.parametrize(
    "data",
    [
        A,
        A + b"\n",
        A + b"\r\n",
        A + b"\n\n\n",
        b"\n\n" + A + b"\n",
        PRETTY,
        PRETTY + b"\n",
        PRETTY.replace(b"\n", b"\r\n"),
        b"[\n" + A + b"\n]",
        PRETTY[:-2],
        PRETTY.replace(b'"watch"', b"watch"),
        b"plain\ntext\n",
        b"\n\n\n",
        b"",
        A + B,
        b"[" + A + b",\n" + B + b"]",
        aggregate(A, B)[:-1],
        aggregate(A, B) + b"\n",
        aggregate(A + b"\n", B + b"\n")[:-1] + b"\0",
        # The length of the event has a newline as its last byte, so a line begins with the event.
        aggregate(*[json.dumps({"a": "x" * 1_300}).encode() + b"\n"] * 3)[:-1],
        signed(b"\x1a\x00\x1a\x05"),
        signed(b"\n\x01k"),
    ],
)
def test_everything_else_is_one_record_as_it_is(data):
    assert contents(data) == [data]
    assert ids(data) == [""]


def test_an_aggregate_of_one_event_is_that_event_under_the_id_of_the_record():
    assert (contents(aggregate(A)), ids(aggregate(A))) == ([A], [""])


def test_an_aggregate_in_an_aggregate_is_one_event_that_cannot_be_read():
    inner = aggregate(A, B)
    assert contents(aggregate(inner, C)) == [inner, C]


def test_the_times_of_the_events_are_apart_and_those_of_equal_ones_by_a_second():
    second, millisecond = timedelta(seconds=1), timedelta(milliseconds=1)
    plain = [request(Event={"itemId": name}) for name in "abab"]
    events = events_of(kinesis_record(json_lines(*plain)))
    assert [NOW - event.arrived_at for event in events] == [
        second + millisecond,
        second,
        millisecond,
        timedelta(0),
    ]
    (chain,) = plan(events, tracking_id="t").chains
    entries = [entry for call in chain.calls for entry in call.arguments["eventList"]]
    assert [entry["sentAt"] for entry in entries] == [event.arrived_at for event in events]
    assert events_of(kinesis_record(json_lines(*plain))) == events


@pytest.mark.parametrize("make", [json_lines, aggregate, lambda *events: aggregate(json_lines(*events))])
@pytest.mark.parametrize("surplus", [0, 1])
def test_a_record_with_too_many_events_stays_whole_and_says_so(make, surplus):
    data = make(*[request(EventId=str(number)) for number in range(MAX_EVENTS_PER_RECORD + surplus)])
    events = events_of(kinesis_record(data))
    assert [event.has_too_many_events for event in events] == ([True] if surplus else [False] * 1_000)
    if surplus:
        assert events[0].data == data
        (rejected,) = plan(events, tracking_id="t").rejected
        assert rejected.reason == "too many events"
        assert "more than 1000 events" in rejected.error
        assert len([*all_events_of(kinesis_record(data))]) == 1_001


def test_no_more_of_a_record_is_kept_in_memory_than_the_limit():
    record = kinesis_record(signed(b"\x1a\x00" * 500_000))
    tracemalloc.start()
    (event,) = events_of(record)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert event.has_too_many_events
    assert peak_bytes < 2 * len(record.data)


@pytest.mark.parametrize(
    "data", [b"\n" * 2**20, b"{}\n" * 2**18, b"{\n" * 2**19, b"{}" * 2**19, b'{"":\n' * 2**18]
)
def test_a_record_of_a_mebibyte_has_at_most_the_limit_of_events(data):
    assert len(events_of(kinesis_record(data))) == 1


lines = st.sampled_from([A, B, PRETTY, b"", b" ", b"{}", b"{", b"}", b"[]", b"\xff", b"x"]) | st.binary(
    max_size=9
)


@given(st.lists(lines, max_size=6), st.sampled_from([b"\n", b"\r\n"]))
def test_nothing_but_blanks_of_a_record_is_dropped(parts, newline):
    data = newline.join(parts)
    events = events_of(kinesis_record(data))
    assert b"".join(b"".join(event.data for event in events).split()) == b"".join(data.split())
    assert [event.index for event in events] == ([None] if len(events) == 1 else [*range(len(events))])


@pytest.mark.parametrize(
    "other",
    [
        {"EventId": "e2"},
        {"Event": {"itemId": "i1", "eventValue": 5}},
        {"RecommendationId": "r1"},
    ],
)
def test_events_that_personalize_could_not_tell_apart_are_a_second_apart_though_their_bytes_differ(other):
    record = kinesis_record(json_lines(request(), request(**other)))
    first, second = events_of(record)
    assert second.arrived_at == NOW
    assert second.arrived_at - first.arrived_at == timedelta(seconds=1)
