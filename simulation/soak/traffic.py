"""The requests of a soak: what each client sends, and when. Pure: the same seed gives the same requests.

Every event has a mark of its own, a property that tells it from all others wherever it arrives.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

from local.catalogue import FOLDER
from simulation.soak.bodies import STYLES, put_events
from simulation.soak.invalid import INVALID, Invalid
from simulation.soak.scenario import Scenario

MARK = "mark"
"""The property with the mark of an event."""

VISIT_REQUESTS = 20
"""Requests of a client until its next visit, which is another session."""
MAX_BATCH_EVENTS = 20
PUT_EVENTS_SHARE = 0.2
"""Share of the batches that have the form of a PutEvents body."""
WITH_TIME_ONLY = 0.5
"""The draw for an event with SentAt and without EventId."""
RECOMMENDATIONS_SHARE, BATCH_SHARE, INVALID_SHARE = 0.2, 0.1, 0.1
"""Shares of the requests. The others have one event."""


@dataclass(frozen=True)
class Event:
    """An event as a client sends it. ``body`` has its mark."""

    mark: str
    body: Mapping[str, Any]
    valid: bool = True

    @property
    def session_id(self) -> str:
        return str(self.body["SessionId"])

    @property
    def repeatable(self) -> bool:
        """Whether the same request, sent again, is the same event (docs/api.md)."""
        return "EventId" in self.body or "SentAt" in self.body


@dataclass(frozen=True)
class Request:
    """A request, and the time at which it is sent, in seconds since the start of the traffic.

    ``route`` is its name in the report. A request for recommendations has ``body`` and no events, an invalid
    one has ``invalid``. ``is_put_events`` is a batch in the form of a PutEvents body.
    """

    at_seconds: float
    route: str
    path: str
    events: tuple[Event, ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict)
    style: str = "compact"
    is_put_events: bool = False
    content_type: str = "application/json"
    invalid: Invalid | None = None

    @property
    def is_batch(self) -> bool:
        return len(self.events) > 1

    def content(self, events: Sequence[Event]) -> bytes:
        """Return the content with those of its events that are still to be accepted."""
        if self.invalid is not None:
            return self.invalid.content
        if not self.events:
            return STYLES[self.style](self.body)
        bodies = [event.body for event in events]
        if self.is_put_events:
            return STYLES[self.style](put_events(bodies))
        return STYLES[self.style]({"Events": bodies} if self.is_batch else bodies[0])


def schedule(scenario: Scenario, random: Random, started: datetime) -> list[list[Request]]:
    """Return the requests of each client, in order. All clients together send at the scenario's rate.

    ``started`` is the time at which the traffic begins.
    """
    writers = [_Writer(number, random, started) for number in range(scenario.clients)]
    requests: list[list[Request]] = [[] for _ in writers]
    for number in range(int(scenario.seconds * scenario.rate)):
        client = number % scenario.clients
        requests[client].append(writers[client].request(number / scenario.rate))
    return requests


class _Writer:
    """Writes the requests of one client."""

    def __init__(self, client: int, random: Random, started: datetime) -> None:
        self._client = client
        self._random = random
        self._started = started
        self._requests = 0
        self._events = 0
        # Every fifth client is never signed in. Another fifth signs in during each visit.
        self._signs_in = client % 5 == 1
        self._user_id = None if client % 5 == 0 else f"user-{client:03}"
        with (FOLDER / "items.csv").open(newline="", encoding="utf-8") as items:
            self._items = [row["ITEM_ID"] for row in csv.DictReader(items)]

    def request(self, at_seconds: float) -> Request:
        """Return the next request."""
        self._requests += 1
        draw = self._random.random()
        if draw < RECOMMENDATIONS_SHARE:
            return self._recommendations(at_seconds)
        if draw < RECOMMENDATIONS_SHARE + INVALID_SHARE:
            return self._invalid(at_seconds)
        path = self._random.choice(["/history", "/history", "/history", "/events"])
        style = self._random.choice(list(STYLES))
        content_type = self._random.choice(["application/json", "application/json; charset=utf-8"])
        if draw < RECOMMENDATIONS_SHARE + INVALID_SHARE + BATCH_SHARE:
            is_put_events = self._random.random() < PUT_EVENTS_SHARE
            events = tuple(self._put_events(at_seconds) if is_put_events else self._batch(at_seconds))
            return Request(at_seconds, "batch", path, events, {}, style, is_put_events, content_type)
        event = self._event(at_seconds, self._random.random())
        return Request(at_seconds, "event", path, (event,), style=style, content_type=content_type)

    def _recommendations(self, at_seconds: float) -> Request:
        body: dict[str, Any] = {"userId": self._user_id or self._session_id}
        if self._random.random() < 0.5:
            body["numResults"] = self._random.randint(1, 50)
        if self._random.random() < 0.2:
            body["itemId"] = self._random.choice(self._items)
        return Request(at_seconds, "recommendations", "/recommendations", body=body)

    def _invalid(self, at_seconds: float) -> Request:
        invalid = self._random.choice(INVALID)
        return Request(
            at_seconds, "invalid", invalid.path, content_type=invalid.content_type, invalid=invalid
        )

    def _batch(self, at_seconds: float) -> Iterator[Event]:
        """Yield at least two valid events, and sometimes an invalid one among them."""
        draw = self._random.random()
        for _ in range(self._random.randint(2, MAX_BATCH_EVENTS)):
            yield self._event(at_seconds, draw)
        if self._random.random() < 0.3:
            event = self._event(at_seconds, draw)
            yield Event(event.mark, {**event.body, "EventType": ""}, valid=False)

    def _put_events(self, at_seconds: float) -> Iterator[Event]:
        """Yield the events of a PutEvents body: each has a time, and the SDKs make the ids of none."""
        for _ in range(self._random.randint(2, 10)):
            yield self._event(at_seconds, WITH_TIME_ONLY)

    def _event(self, at_seconds: float, draw: float) -> Event:
        """Return an event. ``draw`` decides whether it has an EventId, SentAt, both or neither."""
        self._events += 1
        mark = f"{self._client:03}-{self._events:05}"
        body: dict[str, Any] = {
            "SessionId": self._session_id,
            "EventType": self._random.choice(["view", "read", "rate"]),
            "Event": {"itemId": self._random.choice(self._items), MARK: mark},
        }
        midway = self._requests % VISIT_REQUESTS >= VISIT_REQUESTS // 2
        if self._user_id is not None and (midway or not self._signs_in):
            body["UserId"] = self._user_id
        if draw < WITH_TIME_ONLY:
            body["EventId"] = f"client-{mark}"
        if 0.4 <= draw < 0.75:
            body["SentAt"] = self._time(self._started + timedelta(seconds=at_seconds))
        self._add_odd_members(body)
        return Event(mark, body)

    def _add_odd_members(self, body: dict[str, Any]) -> None:
        """Add what the contract allows and few clients send."""
        draw = self._random.random()
        if draw < 0.05:
            body["Impression"] = self._random.sample(self._items, 25)
        elif draw < 0.10:
            body["Event"]["note"] = "x" * 900
        elif draw < 0.15:
            body["Event"] |= {
                "título": 'Drácula "☂"\n',
                "nested": {"list": [1, None, True]},
                "eventValue": -0.5,
            }
        elif draw < 0.20:
            body["EventAttributionSource"] = "newsletter 47"
        elif draw < 0.25:
            body["Event"]["itemId"] = "i" * 256
        elif draw < 0.30:
            body |= {"RecommendationId": None, "EventAttributionSource": None}

    def _time(self, moment: datetime) -> str | float:
        """Return a time in one of the spellings of the contract."""
        spellings: list[str | float] = [
            round(moment.timestamp(), 3),
            moment.isoformat().replace("+00:00", "Z"),
            moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat(timespec="milliseconds"),
        ]
        return self._random.choice(spellings)

    @property
    def _session_id(self) -> str:
        return f"visita-{self._client:03}-{self._requests // VISIT_REQUESTS:03} ☂"
