"""Hypothesis strategies for what a stream may hold, what its delivery may meet, and how Lambda may be set."""

import json
from itertools import count

from hypothesis import strategies as st

from chalicelib.errors import InvalidRequestError
from chalicelib.records import from_request
from simulation.mapping import EventSourceMapping
from tests.support.factories import NOW, aggregate, request
from tests.support.wire import FAULTS

SESSIONS = ("s1", "s2", "s3", "ß ☂")
FAILING = "failing"
"""An item that the contract allows and Personalize refuses."""

# What the stream may hold

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


sessions = st.sampled_from(SESSIONS)
users = st.sampled_from([None, "u1", "u2"])


@st.composite
def requests(draw, sessions=sessions):
    """A request that mostly fits the contract; event ids belong to their session."""
    session = draw(sessions)
    content = draw(st.dictionaries(st.text(max_size=8), json_values, max_size=2))
    content["itemId"] = draw(st.sampled_from(["i1", "i2", FAILING]))
    optional = {
        "EventId": st.sampled_from([f"{session}-{letter}" for letter in "ab"]),
        "SentAt": st.integers(10**9, int(NOW.timestamp()) + 86_400)
        | st.sampled_from(["2026-01-31T12:00:00Z", "2099-01-01T00:00:00Z", "yesterday"]),
        "Impression": st.lists(st.sampled_from(["i1", "i2"]), max_size=3),
        "RecommendationId": st.text(max_size=10),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(optional)), max_size=2))
    return request(
        UserId=draw(users),
        SessionId=session,
        EventType=draw(st.sampled_from(["watch", "buy"])),
        Event=content,
        **{name: draw(optional[name]) for name in sorted(chosen)},
    )


@st.composite
def action_requests(draw, sessions=sessions):
    """A request about an action that mostly fits the contract."""
    session = draw(sessions)
    return request(
        UserId=draw(users),
        SessionId=session,
        EventType=draw(st.sampled_from(["Taken", "Not Taken", "Viewed", "watch"])),
        Event=None,
        Action={"actionId": draw(st.sampled_from(["a1", "a2", FAILING])), "n": draw(st.integers(0, 2))},
        EventId=draw(st.none() | st.sampled_from([f"{session}-{letter}" for letter in "ab"])),
    )


POISON = {
    "empty": b"",
    "blank": b"\n",
    "not UTF-8": b"\xff\xfe\xfd",
    "an array": b"[]",
    "a number for a string": b'{"SessionId": 7, "EventType": "watch", "Event": {}}',
    "cut off": b'{"SessionId": "s1", "EventType": "watch", "Event": {"itemId": "i1"}',
    "half a character": b'{"SessionId": "s1", "EventType": "watch", "Event": {"a": "\\ud800"}}',
    "too long properties": json.dumps(request(Event={"note": "x" * 1100})).encode(),
    "nested too deeply": b"[" * 100_000,
    "a broken aggregate": aggregate(request(), request())[:-1],
    "too many events": json.dumps(request()).encode() + b"\n{}" * 1_000,
}
LARGE_POISON = {
    "too large for a message": json.dumps(request(Event={"note": "x" * 300_000})).encode(),
    "too large once it is ASCII": json.dumps(
        request(Event={"note": "☂" * 50_000}), ensure_ascii=False
    ).encode(),
    "an endless key": json.dumps(request() | {"☂" * 100_000: 1}, ensure_ascii=False).encode(),
}
"""By name, because an example that failed is printed. The large ones go to the bucket."""


def visits(sessions=sessions):
    """Session, user, number of plain events in a row, which one is refused, and whether they share ids."""
    return st.tuples(
        st.just("visit"),
        st.tuples(sessions, users, st.integers(1, 15), st.none() | st.integers(0, 14), st.booleans()),
    )


@st.composite
def several(draw):
    """The contents of one record that a producer aggregates, and how. They are of one session."""
    session = draw(sessions)
    inner = draw(st.lists(single(st.just(session)), min_size=1, max_size=4))
    return draw(st.sampled_from(["aggregate", "lines"])), (session, inner)


def single(sessions=sessions):
    return st.one_of(
        visits(sessions),
        visits(sessions),
        st.tuples(st.just("ingested"), requests(sessions)),
        st.tuples(st.just("ingested"), requests(sessions)),
        st.tuples(st.just("ingested"), action_requests(sessions)),
        st.tuples(st.just("foreign"), requests(sessions) | action_requests(sessions)),
        st.tuples(st.just("raw"), st.binary(max_size=30)),
        st.tuples(st.just("raw"), json_values.map(lambda value: json.dumps(value).encode())),
        st.tuples(st.just("poison"), st.sampled_from(sorted(POISON))),
        st.tuples(st.just("poison"), st.sampled_from(sorted(LARGE_POISON))),
    )


contents = st.lists(st.one_of(single(), single(), single(), several()), max_size=20)


# What the requests of a delivery may meet


def fault_lists(kinds):
    """What the requests of one session, or of the queue, meet; an outage outlasts botocore's retries."""
    lists = st.lists(st.sampled_from([*kinds, "outage", None]), max_size=9)
    return lists.map(
        lambda drawn: [one for kind in drawn for one in (OUTAGE if kind == "outage" else [kind])]
    )


OUTAGE = ["503"] * 4
put_events_faults = fault_lists(FAULTS)
queue_faults = fault_lists([*FAULTS, "partial"])
faults = st.fixed_dictionaries(
    {}, optional={None: queue_faults, **dict.fromkeys(SESSIONS, put_events_faults)}
)


def spread(drawn):
    """The contents with every visit as its single requests."""
    for kind, content in drawn:
        if kind != "visit":
            yield kind, content
            continue
        session, user, length, failing, reuses = content
        for number in range(length):
            yield (
                "ingested",
                request(
                    SessionId=session,
                    UserId=user,
                    Event={"itemId": FAILING if number == failing else "i1"},
                    EventId=f"{session}-{number % 4}" if reuses else None,
                ),
            )


def records(drawn, numbers=None):
    """The drawn contents as (bytes, partition key), the way that ingestion or another producer puts them."""
    numbers = numbers or count(1)
    for kind, content in spread(drawn):
        if kind in ("aggregate", "lines"):
            session, inner = content
            parts = [data for data, _ in records(inner, numbers)]
            if parts:
                yield aggregate(*parts) if kind == "aggregate" else b"\n".join(parts), session
            continue
        if kind in ("raw", "poison"):
            data = (POISON | LARGE_POISON)[content] if kind == "poison" else content
            yield data, SESSIONS[len(data) % len(SESSIONS)]
            continue
        data = json.dumps(content).encode()
        if kind == "ingested":
            try:
                event = from_request(content, received_at=NOW, new_id=lambda: f"id-{next(numbers)}")
            except InvalidRequestError:
                continue  # the client has been told so; nothing is put
            data = event.data
        yield data, content["SessionId"]


# How Lambda is set, and when it kills

mappings = st.builds(
    EventSourceMapping,
    batch_size=st.integers(1, 40),
    report_batch_item_failures=st.booleans(),
    bisect_batch_on_function_error=st.booleans(),
    parallelization_factor=st.integers(1, 3),
)

kill_moments = st.lists(st.none() | st.integers(0, 20), max_size=6)
