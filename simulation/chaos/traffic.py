"""Fills a stream as ingestion and other producers do, and notes what has to become of every record."""

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

from chalicelib.records import events
from local.catalogue import FOLDER
from simulation.chaos.scenario import Scenario
from simulation.event_source import cut
from simulation.stream import Record, Stream

CURSED_ITEM = "cursed"
"""Events with it fit the contract, and Personalize is told to refuse them."""

EVENTS_PER_CALL = 10
"""Of PutEvents (API_UBS_PutEvents)."""

SESSION_SPAN = 0.02
"""How long a session lasts, as a share of the whole traffic. Its events are mixed with those of others."""
FOREIGN = 0.02
"""Share of the events that another producer puts, without EventId and ReceivedAt."""
ECHO_DISTANCE = 200
"""A producer's retry comes at most so many records after the first try."""


@dataclass(frozen=True)
class _Written:
    """A valid event: its id, and the user it was written for."""

    event_id: str
    user_id: str | None


@dataclass
class Ledger:
    """What was put.

    ``sessions`` holds the event ids that have to be trained on, by session, in stream order; ``poison`` the
    places of the records that have to be quarantined, with their kind.
    """

    sessions: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    poison: dict[tuple[str, str], str] = field(default_factory=dict)
    echoes: int = 0
    _written: dict[tuple[str, str], _Written] = field(default_factory=dict)

    @property
    def valid(self) -> int:
        return sum(map(len, self.sessions.values()))

    @property
    def accepted(self) -> int:
        """Everything that was put, each event once."""
        return self.valid + len(self.poison)

    def note(self, record: Record, written: _Written) -> None:
        self.sessions[record.partition_key].setdefault(written.event_id)
        self._written[record.place] = written

    def fewest_calls(self, stream: Stream, batch_size: int) -> int:
        """How many PutEvents calls the valid events need when every batch is delivered once and at once.

        A call takes one session and one user, and must not overtake an earlier one.
        """
        calls = 0
        for shard in stream.shards:
            position = 0
            while batch := cut(shard[position:], batch_size):
                position += len(batch)
                sessions: dict[str, dict[_Written, None]] = defaultdict(dict)
                for record in batch:
                    if record.place in self._written:
                        sessions[record.partition_key].setdefault(self._written[record.place])
                for written in sessions.values():
                    for _, run in groupby(written, lambda one: one.user_id):
                        calls += -(-len(list(run)) // EVENTS_PER_CALL)
        return calls


def fill(stream: Stream, scenario: Scenario, random: Random, started: float) -> Ledger:
    """Put the scenario's traffic. ``started`` is the moment of the first event, in seconds since 1970."""
    ledger = Ledger()
    writer = _Writer(scenario, random, started)
    echoes: list[tuple[int, Record, _Written]] = []
    for number, session in enumerate(_schedule(scenario, random)):
        if random.random() < scenario.poison:
            kind, data = writer.poison(session)
            ledger.poison[stream.put(data, _name(session)).place] = kind
        else:
            data, event_id, user_id = writer.event(session, number)
            record = stream.put(data, _name(session))
            written = _Written(event_id or ":".join(record.place), user_id)
            ledger.note(record, written)
            if event_id and random.random() < scenario.duplicates:
                echoes.append((number + random.randrange(ECHO_DISTANCE), record, written))
        for echo in [echo for echo in echoes if echo[0] <= number]:
            echoes.remove(echo)
            _, first, written = echo
            ledger.note(stream.put(first.data, first.partition_key), written)
            ledger.echoes += 1
    return ledger


def _schedule(scenario: Scenario, random: Random) -> list[int]:
    """The session of every record, in stream order. Every session has at least one while they suffice."""
    starts = [random.random() for _ in range(scenario.sessions)]
    owners = [*range(scenario.sessions)][: scenario.events]
    owners += [random.randrange(scenario.sessions) for _ in range(scenario.events - len(owners))]
    return [owner for _, owner in sorted((starts[o] + SESSION_SPAN * random.random(), o) for o in owners)]


def _name(session: int) -> str:
    return f"session-{session:06}"


class _Writer:
    """Makes records: those that ingestion would store, and those that nobody should have put."""

    def __init__(self, scenario: Scenario, random: Random, started: float) -> None:
        self._random = random
        self._started = started
        self._received_at = datetime.fromtimestamp(started, timezone.utc)
        self._signs_in = [random.random() < scenario.sign_ins for _ in range(scenario.sessions)]
        self._written: Counter[int] = Counter()
        with (FOLDER / "items.csv").open(newline="", encoding="utf-8") as items:
            self._items = [row["ITEM_ID"] for row in csv.DictReader(items)]

    def event(self, session: int, number: int) -> tuple[bytes, str | None, str | None]:
        """A valid record, its event id and its user; no id: it will be derived from the record's place."""
        request = self._request(session)
        draw = self._random.random()
        if draw < FOREIGN:
            return json.dumps(request).encode(), None, request.get("UserId")
        if draw < 1 / 3:
            request["EventId"] = f"client-{number}"
        elif draw < 2 / 3:
            request["SentAt"] = round(self._started + number / 1000, 3)
        event = events.accept(request, received_at=self._received_at, new_id=self._new_id)
        return event.record, event.event_id, event.user_id

    def poison(self, session: int) -> tuple[str, bytes]:
        """A record that can never be delivered, and its kind."""
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
                "page": f"seite-{self._written[session]} ☂",
            },
        }
        # Every tenth visitor is anonymous throughout.
        if session % 10 and (self._written[session] >= 5 or not self._signs_in[session]):
            request["UserId"] = f"user-{session % 997:04}"
        self._written[session] += 1
        return request

    def _accept(self, request: dict[str, Any]) -> bytes:
        return events.accept(request, received_at=self._received_at, new_id=self._new_id).record

    def _new_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"


_Accept = Callable[[dict[str, Any]], bytes]


def _with(request: dict[str, Any], **changes: object) -> bytes:
    return json.dumps(request | changes).encode()


def _cursed(request: dict[str, Any], accept: _Accept) -> bytes:
    return accept(request | {"Event": {"itemId": CURSED_ITEM}})


_POISON: dict[str, tuple[int, Callable[[dict[str, Any], _Accept], bytes]]] = {
    "refused by Personalize": (12, _cursed),
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
"""Kind -> weight and maker."""
