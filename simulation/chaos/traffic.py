"""Puts records into a stream as the API and other producers do, and keeps what is expected of each record."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import groupby
from random import Random
from typing import Any

from chalicelib.records import from_request
from local.catalogue import FOLDER
from simulation.chaos.scenario import Scenario
from simulation.mapping import next_batch
from simulation.stream import Record, Stream

FAILING_ITEM = "failing"
"""Events with this item fit the contract, and the engine refuses them."""

EVENTS_PER_CALL = 10
"""Most events of one PutEvents call (API_UBS_PutEvents)."""

SESSION_SHARE = 0.02
"""Duration of a session as a share of the whole traffic. Events of several sessions are mixed."""
SHARED_SESSION_EVENTS = 400
"""Of a session that two people share: a chain of as many calls. At most a hundredth of all events."""
OTHER_PRODUCER_SHARE = 0.02
"""Share of the events that another producer puts, without EventId and ReceivedAt."""
DUPLICATE_DISTANCE_RECORDS = 200
"""A producer's retry comes at most this many records after the first attempt."""


@dataclass(frozen=True)
class _ValidEvent:
    """A valid event: its id and its user."""

    event_id: str
    user_id: str | None


@dataclass
class Expectation:
    """What a run has to do with the records of the stream.

    ``sessions`` has the ids of the events that Personalize has to be trained on, by session, in stream order.
    ``poison`` has the records that have to be quarantined: shard and sequence number, and the kind.
    ``duplicates`` counts the records that a producer's retry put once more.
    """

    sessions: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    poison: dict[tuple[str, str], str] = field(default_factory=dict)
    duplicates: int = 0
    _valid_events: dict[tuple[str, str], _ValidEvent] = field(default_factory=dict)

    @property
    def valid(self) -> int:
        """The number of valid events, each counted once."""
        return sum(map(len, self.sessions.values()))

    @property
    def accepted(self) -> int:
        """The number of events and poison records that were put, each counted once."""
        return self.valid + len(self.poison)

    def add(self, record: Record, event: _ValidEvent) -> None:
        """Expect that Personalize is trained on the event of this record."""
        self.sessions[record.partition_key].setdefault(event.event_id)
        self._valid_events[record.place] = event

    def fewest_calls(self, stream: Stream, batch_size: int) -> int:
        """Return how many PutEvents calls the valid events need when every batch is delivered once.

        A call takes one session and one user, and the calls of a session keep the order of the stream.
        """
        calls = 0
        for shard in stream.shards:
            position = 0
            while batch := next_batch(shard[position:], batch_size):
                position += len(batch)
                sessions: dict[str, dict[_ValidEvent, None]] = defaultdict(dict)
                for record in batch:
                    if record.place in self._valid_events:
                        sessions[record.partition_key].setdefault(self._valid_events[record.place])
                for events_of_session in sessions.values():
                    for _, run in groupby(events_of_session, lambda event: event.user_id):
                        calls += -(-len(list(run)) // EVENTS_PER_CALL)
        return calls


def fill(stream: Stream, scenario: Scenario, random: Random, started: float) -> Expectation:
    """Put the scenario's traffic into the stream and return what is expected of it.

    ``started`` is the time of the first event in seconds since 1970.
    """
    expectation = Expectation()
    writer = _Writer(scenario, random, started)
    duplicates: list[tuple[int, Record, _ValidEvent]] = []
    for number, session in enumerate(_schedule(scenario, random)):
        if random.random() < scenario.poison:
            kind, data = writer.poison(session)
            expectation.poison[stream.put(data, _name(session)).place] = kind
        else:
            data, event_id, user_id = writer.event(session, number)
            record = stream.put(data, _name(session))
            event = _ValidEvent(event_id or ":".join(record.place), user_id)
            expectation.add(record, event)
            if event_id and random.random() < scenario.duplicates:
                duplicates.append((number + random.randrange(DUPLICATE_DISTANCE_RECORDS), record, event))
        for duplicate in [duplicate for duplicate in duplicates if duplicate[0] <= number]:
            duplicates.remove(duplicate)
            _, first, event = duplicate
            expectation.add(stream.put(first.data, first.partition_key), event)
            expectation.duplicates += 1
    return expectation


def _schedule(scenario: Scenario, random: Random) -> list[int]:
    """Return the session of every record, in stream order.

    Every session has at least one record when there are enough records.
    """
    starts = [random.random() for _ in range(scenario.sessions)]
    owners = [*range(scenario.sessions)][: scenario.events]
    each = min(SHARED_SESSION_EVENTS, scenario.events // 100)
    owners += [session for session in range(scenario.shared_sessions) for _ in range(each)][
        : scenario.events - len(owners)
    ]
    owners += [random.randrange(scenario.sessions) for _ in range(scenario.events - len(owners))]
    return [owner for _, owner in sorted((starts[o] + SESSION_SHARE * random.random(), o) for o in owners)]


def _name(session: int) -> str:
    return f"session-{session:06}"


class _Writer:
    """Creates records: those that the API stores, those of other producers, and poison."""

    def __init__(self, scenario: Scenario, random: Random, started: float) -> None:
        self._random = random
        self._started = started
        self._shared_sessions = scenario.shared_sessions
        self._received_at = datetime.fromtimestamp(started, timezone.utc)
        self._signs_in = [random.random() < scenario.sign_ins for _ in range(scenario.sessions)]
        self._events_of: Counter[int] = Counter()
        with (FOLDER / "items.csv").open(newline="", encoding="utf-8") as items:
            self._items = [row["ITEM_ID"] for row in csv.DictReader(items)]

    def event(self, session: int, number: int) -> tuple[bytes, str | None, str | None]:
        """Return a valid record, its event id and its user.

        Without an id, delivery derives it from shard and sequence number.
        """
        request = self._request(session)
        draw = self._random.random()
        if draw < OTHER_PRODUCER_SHARE:
            return json.dumps(request).encode(), None, request.get("UserId")
        if draw < 1 / 3:
            request["EventId"] = f"client-{number}"
        elif draw < 2 / 3:
            request["SentAt"] = round(self._started + number / 1000, 3)
        record = from_request(request, received_at=self._received_at, new_id=self._new_id)
        return record.data, record.event_id, request.get("UserId")

    def poison(self, session: int) -> tuple[str, bytes]:
        """Return the kind and the data of a record that can never be delivered."""
        (kind,) = self._random.choices(list(_POISON), [weight for weight, _ in _POISON.values()])
        _, make = _POISON[kind]
        return kind, make(self._request(session), self._accept)

    def _request(self, session: int) -> dict[str, Any]:
        request: dict[str, Any] = {
            "SessionId": _name(session),
            "EventType": self._random.choice(["view", "read", "rate"]),
            "Event": {
                "itemId": self._random.choice(self._items),
                "eventValue": self._random.randint(1, 5),
                "page": f"seite-{self._events_of[session]} ☂",
            },
        }
        if session < self._shared_sessions:
            request["UserId"] = f"user-{self._events_of[session] % 2}"
        # Every tenth session is anonymous from its first event to its last.
        elif session % 10 and (self._events_of[session] >= 5 or not self._signs_in[session]):
            request["UserId"] = f"user-{session % 997:04}"
        self._events_of[session] += 1
        return request

    def _accept(self, request: dict[str, Any]) -> bytes:
        return from_request(request, received_at=self._received_at, new_id=self._new_id).data

    def _new_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"


_Accept = Callable[[dict[str, Any]], bytes]


def _with(request: dict[str, Any], **changes: object) -> bytes:
    return json.dumps(request | changes).encode()


def _failing(request: dict[str, Any], accept: _Accept) -> bytes:
    return accept(request | {"Event": {"itemId": FAILING_ITEM}})


_POISON: dict[str, tuple[int, Callable[[dict[str, Any], _Accept], bytes]]] = {
    "refused by Personalize": (12, _failing),
    "not UTF-8": (6, lambda request, _: _with(request)[:-2] + b"\xff\xfe"),
    "empty": (6, lambda *_: b""),
    "an array": (6, lambda request, _: b"[" + _with(request) + b"]"),
    "cut off": (6, lambda request, _: _with(request)[:-1]),
    "wrong types": (6, lambda request, _: _with(request, SessionId=7)),
    "missing fields": (6, lambda request, _: _with({"SessionId": request["SessionId"]})),
    "unknown fields": (6, lambda request, _: _with(request, ApiKey="x")),
    "too long properties": (6, lambda request, _: _with(request, Event={"note": "x" * 1100})),
    "too large for a message": (1, lambda request, _: _with(request, Event={"note": "x" * 300_000})),
}
"""The kinds of poison: the weight of each, and the function that creates it."""
