"""Puts records into a stream as the API and other producers do, and keeps what is expected of each record."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import groupby
from random import Random
from typing import Any, TypeAlias

from aws_kinesis_agg.aggregator import AggRecord

from chalicelib.records import action_interactions, from_request
from local.catalogue import FOLDER
from simulation.chaos.scenario import Scenario
from simulation.mapping import next_batch
from simulation.poison import POISON
from simulation.stream import Record, Stream

FAILING_ITEM = "failing"
"""Events with this item fit the contract, and the engine refuses them."""
REFUSED = "refused by Personalize"
REFUSED_WEIGHT = 12
"""The kind of poison with such an item, beside those that break the contract, and its weight."""

EVENTS_PER_CALL = 10
"""Most events of one PutEvents call (API_UBS_PutEvents)."""

SESSION_SHARE = 0.02
"""Duration of a session as a share of the whole traffic. Events of several sessions are mixed."""
SHARED_SESSION_EVENTS = 400
"""Of a session that two people share: a chain of as many calls. At most a hundredth of all events."""
OTHER_PRODUCER_SHARE = 0.04
"""Share of the events that come without EventId and ReceivedAt, as another producer writes them."""
DUPLICATE_DISTANCE_RECORDS = 200
"""A producer's retry comes at most this many events after the first attempt."""
EVENTS_PER_AGGREGATE = 8
"""Of a record with several events, on average."""
FULL_BYTES = 400_000
"""A record with more of them takes no further event: the largest poison still fits into a megabyte."""


@dataclass(frozen=True)
class _Draft:
    """An event before it is put: data, session, the id that it brings along, user, or the kind of poison."""

    data: bytes
    session: str
    event_id: str | None = None
    user_id: str | None = None
    poison: str | None = None
    is_action: bool = False


Place: TypeAlias = tuple[str, str, int | None]
"""Shard, sequence number and, in a record with several events, the index."""


@dataclass(frozen=True)
class _ValidEvent:
    """A valid event: its session, its id and its user."""

    session: str
    event_id: str
    user_id: str | None
    is_action: bool = False

    @property
    def chain(self) -> str:
        """What keeps its order: a session's events, and a session's interactions with actions."""
        return actions_of(self.session) if self.is_action else self.session


@dataclass
class Expectation:
    """What a run has to do with the events of the stream.

    ``sessions`` has the ids of the events that Personalize has to be trained on, by session, in stream order.
    ``poison`` has what has to be quarantined, by its place, and the kind. ``duplicates`` counts the records
    that a producer's retry put once more, ``aggregated`` the events in records of several.
    """

    sessions: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    poison: dict[Place, str] = field(default_factory=dict)
    duplicates: int = 0
    aggregated: int = 0
    _valid_events: dict[tuple[str, str], list[_ValidEvent]] = field(default_factory=lambda: defaultdict(list))

    @property
    def valid(self) -> int:
        """The number of valid events, each counted once."""
        return sum(map(len, self.sessions.values()))

    @property
    def accepted(self) -> int:
        """The number of events that were put, poison included, each counted once."""
        return self.valid + len(self.poison)

    def add(self, record: Record, drafts: Sequence[_Draft]) -> None:
        """Expect that Personalize is trained on the events of a record, or that they are quarantined."""
        for position, draft in enumerate(drafts):
            index = position if len(drafts) > 1 else None
            if draft.poison:
                self.poison[(*record.place, index)] = draft.poison
                continue
            derived_id = ":".join((*record.place, *([] if index is None else [str(index)])))
            event = _ValidEvent(draft.session, draft.event_id or derived_id, draft.user_id, draft.is_action)
            self.sessions[event.chain].setdefault(event.event_id)
            self._valid_events[record.place].append(event)

    def fewest_calls(self, stream: Stream, batch_size: int) -> int:
        """Return how many calls the valid events need when every batch is delivered once.

        A PutEvents call takes one session and one user, and the calls of a session keep the order of the
        stream. A PutActionInteractions call takes those of any sessions of a lane.
        """
        calls = 0
        for shard in stream.shards:
            position = 0
            while batch := next_batch(shard[position:], batch_size):
                position += len(batch)
                sessions: dict[str, dict[_ValidEvent, None]] = defaultdict(dict)
                lanes: dict[str, dict[_ValidEvent, None]] = defaultdict(dict)
                for record in batch:
                    for event in self._valid_events.get(record.place, ()):
                        if event.is_action:
                            lanes[action_interactions.chain({"SessionId": event.session})].setdefault(event)
                        else:
                            sessions[event.session].setdefault(event)
                calls += sum(-(-len(lane) // EVENTS_PER_CALL) for lane in lanes.values())
                for events_of_session in sessions.values():
                    for _, run in groupby(events_of_session, lambda event: event.user_id):
                        calls += -(-len(list(run)) // EVENTS_PER_CALL)
        return calls


def actions_of(session: str) -> str:
    """Return the name under which the action interactions of a session are counted."""
    return f"actions of {session}"


def fill(stream: Stream, scenario: Scenario, random: Random, started: float) -> Expectation:
    """Put the scenario's traffic into the stream and return what is expected of it.

    ``started`` is the time of the first event in seconds since 1970.
    """
    expectation = Expectation()
    writer = _Writer(scenario, random, started)
    producer = Aggregator(stream, expectation, random)
    duplicates: list[tuple[int, Record, _Draft]] = []
    for number, session in enumerate(_schedule(scenario, random)):
        is_poison = random.random() < scenario.poison
        draft = writer.poison(session) if is_poison else writer.event(session, number)
        if random.random() < scenario.aggregated and draft.poison not in WHOLE_RECORDS:
            producer.add(draft)
            continue
        record = stream.put(draft.data, draft.session)
        expectation.add(record, [draft])
        if draft.event_id and random.random() < scenario.duplicates:
            duplicates.append((number + random.randrange(DUPLICATE_DISTANCE_RECORDS), record, draft))
        for duplicate in [duplicate for duplicate in duplicates if duplicate[0] <= number]:
            duplicates.remove(duplicate)
            _, first, again = duplicate
            expectation.add(stream.put(first.data, first.partition_key), [again])
            expectation.duplicates += 1
    producer.flush()
    return expectation


class Aggregator:
    """A producer that puts several events into one record: an aggregate of KPL, or lines of JSON.

    Like KPL it keeps a record for each shard, so the events of a session stay in their shard.
    """

    def __init__(self, stream: Stream, expectation: Expectation, random: Random) -> None:
        self._stream = stream
        self._expectation = expectation
        self._random = random
        self._drafts: dict[int, list[_Draft]] = defaultdict(list)

    def add(self, draft: _Draft) -> None:
        """Keep an event, and put the record that it makes full."""
        shard = self._stream.shard_of(draft.session)
        drafts = self._drafts[shard]
        drafts.append(draft)
        if (
            self._random.random() < 1 / EVENTS_PER_AGGREGATE
            or sum(len(one.data) for one in drafts) > FULL_BYTES
        ):
            self._put(self._drafts.pop(shard))

    def flush(self) -> None:
        """Put what is not full yet."""
        while self._drafts:
            self._put(self._drafts.popitem()[1])

    def _put(self, drafts: Sequence[_Draft]) -> None:
        # A blank line is no event, and lines without any object are no lines of JSON.
        are_lines = any(not draft.poison for draft in drafts) and all(draft.data.strip() for draft in drafts)
        if are_lines and self._random.random() < 1 / 2:
            data = b"".join(draft.data.removesuffix(b"\n") + b"\n" for draft in drafts)
        else:
            data = _aggregate(drafts)
        self._expectation.add(self._stream.put(data, drafts[0].session), drafts)
        self._expectation.aggregated += len(drafts) if len(drafts) > 1 else 0


def _aggregate(drafts: Sequence[_Draft]) -> bytes:
    record = AggRecord()
    for draft in drafts:
        record.add_user_record(draft.session, draft.data)
    data: bytes = record.get_contents()[2]
    return data


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
        self._actions = scenario.actions
        self._received_at = datetime.fromtimestamp(started, timezone.utc)
        self._signs_in = [random.random() < scenario.sign_ins for _ in range(scenario.sessions)]
        self._events_of: Counter[int] = Counter()
        with (FOLDER / "items.csv").open(newline="", encoding="utf-8") as items:
            self._items = [row["ITEM_ID"] for row in csv.DictReader(items)]

    def event(self, session: int, number: int) -> _Draft:
        """Return a valid event. Without an id, delivery derives it from its place."""
        request = self._request(session)
        is_action = self._random.random() < self._actions
        if is_action:
            del request["Event"]
            action = {"actionId": f"action-{self._random.randrange(9)}", "page": "☂"}
            request |= {"EventType": self._random.choice(["Taken", "Not Taken", "Viewed"]), "Action": action}
        user_id = request.get("UserId")
        draw = self._random.random()
        if draw < OTHER_PRODUCER_SHARE:
            return _Draft(json.dumps(request).encode(), _name(session), user_id=user_id, is_action=is_action)
        if draw < 1 / 3:
            request["EventId"] = f"client-{number}"
        elif draw < 2 / 3:
            request["SentAt"] = round(self._started + number / 1000, 3)
        record = from_request(request, received_at=self._received_at, new_id=self._new_id)
        return _Draft(record.data, _name(session), record.event_id, user_id, is_action=is_action)

    def poison(self, session: int) -> _Draft:
        """Return an event, or what is none, that can never be delivered."""
        made: dict[str, tuple[int, Callable[[dict[str, Any]], bytes]]] = {
            REFUSED: (REFUSED_WEIGHT, self._refused),
            **POISON,
            "more than 1,000 events": (2, lambda request: (json.dumps(request).encode() + b"\n") * 1_001),
            "a broken aggregate": (2, self._broken_aggregate),
        }
        (kind,) = self._random.choices(list(made), [weight for weight, _ in made.values()])
        _, make = made[kind]
        return _Draft(make(self._request(session)), _name(session), poison=kind)

    def _refused(self, request: dict[str, Any]) -> bytes:
        return self._accept(request | {"Event": {"itemId": FAILING_ITEM}})

    def _broken_aggregate(self, request: dict[str, Any]) -> bytes:
        return _aggregate([_Draft(self._accept(request), "s")] * 3)[:-1]

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


WHOLE_RECORDS = ("more than 1,000 events", "a broken aggregate")
"""The kinds of poison that are a record by themselves and cannot be in one with others."""
