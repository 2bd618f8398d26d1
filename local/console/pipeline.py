"""What became of each event of this run, put together from what was read. Pure: ``sources`` reads.

An event is known by its EventId; one of another producer by the id that delivery derives. Stream, engine,
archive and quarantine name it each in its own way, and are joined here.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from chalicelib import contract
from chalicelib.delivery.kinesis import KinesisRecord, events_of
from chalicelib.errors import InvalidRequestError
from chalicelib.records import from_record
from chalicelib.timestamps import to_rfc3339

MAX_EVENTS = 20_000
"""Events that are kept. Of more, the oldest that are finished go first; the counters go on counting them."""
MAX_LOG_LINES = 500
MAX_CHANGES_PER_RESPONSE = 500
MAX_RECORD_CHARACTERS = 2000
"""Of a quarantined record that is shown."""

_Name = TypeVar("_Name", str, bytes)


@dataclass
class PipelineEvent:
    """One event. The times are RFC 3339; None for what has not happened, or was not seen here.

    ``kind`` is ``event``, ``action`` or ``unreadable``. ``isEarlier``: it was trained on or quarantined
    before this run, and no counter counts it.
    """

    id: str
    kind: str = "unreadable"
    userId: str | None = None
    sessionId: str | None = None
    eventType: str | None = None
    itemId: str | None = None
    actionId: str | None = None
    isOtherProducers: bool = False
    acceptedAt: str | None = None
    streamedAt: str | None = None
    trainedAt: str | None = None
    archivedAt: str | None = None
    archiveKey: str | None = None
    quarantinedAt: str | None = None
    reason: str | None = None
    error: str | None = None
    record: str | None = None
    isEarlier: bool = False
    version: int = field(default=0, compare=False)

    @property
    def state(self) -> str:
        """``trained``, ``quarantined`` or ``pending``: what was put back and trained on is trained."""
        if self.trainedAt is not None:
            return "trained"
        return "pending" if self.quarantinedAt is None else "quarantined"

    def as_json(self) -> dict[str, Any]:
        """Return the event as the page gets it."""
        members = asdict(self)
        del members["version"]
        return {**members, "state": self.state}


@dataclass(frozen=True)
class Trained:
    """An event or action interaction that the engine has. ``at`` is when it arrived there."""

    id: str
    kind: str
    user_id: str | None
    session_id: str
    event_type: str
    item_id: str | None
    at: datetime


@dataclass(frozen=True)
class Quarantined:
    """A message of the quarantine. ``derived_id`` is the place of its record in the stream."""

    derived_id: str
    reason: str
    error: str
    at: str
    record: str | None


@dataclass(frozen=True)
class LogLine:
    """A line of the functions' log, readable. ``delivery`` has the numbers of a delivery's line."""

    at: str
    text: str
    delivery: dict[str, Any] | None = None


class Pipeline:
    """The events that were seen, the counters, and what has changed after a cursor.

    ``run_id`` is another one in each run, so that a page notices a new run by its cursor.
    """

    def __init__(self, run_id: str, since: datetime, max_events: int = MAX_EVENTS) -> None:
        self._run_id = run_id
        self._since = to_rfc3339(since)
        self._max_events = max_events
        self._version = 0
        self._events: dict[str, PipelineEvent] = {}
        self._id_of_place: dict[str, str] = {}
        self._id_of_content: dict[bytes, str] = {}
        self._counts: Counter[str] = Counter()
        self._log: deque[tuple[int, LogLine]] = deque(maxlen=MAX_LOG_LINES)

    @property
    def has_pending(self) -> bool:
        """Whether events were accepted that are neither trained on nor quarantined."""
        return self._counts["accepted"] > self._counts["trained"] + self._counts["quarantined"]

    @property
    def has_unarchived(self) -> bool:
        """Whether events were accepted that were not seen in the archive."""
        return self._counts["accepted"] > self._counts["archived"]

    def streamed(self, record: KinesisRecord) -> None:
        """Note a record of the stream: each of its events."""
        for each in events_of(record):
            found = _read(each)
            self._id_of_place[each.derived_id] = found.id
            self._id_of_content[_digest(each.data)] = found.id
            self._change(found.id, partial(_merge_streamed, found=found))
        self._trim()

    def trained(self, found: Trained) -> None:
        """Note an event that the engine has."""
        is_earlier = found.id not in self._events and to_rfc3339(found.at) < self._since

        def change(event: PipelineEvent) -> None:
            event.kind, event.userId, event.sessionId = found.kind, found.user_id, found.session_id
            event.eventType = found.event_type
            if found.kind == "action":
                event.actionId = found.item_id
            else:
                event.itemId = found.item_id
            event.trainedAt = to_rfc3339(found.at)
            event.isEarlier = event.isEarlier or is_earlier

        self._change(found.id, change)
        self._trim()

    def archived(self, content: bytes, key: str, at: datetime) -> None:
        """Note the lines of an object of the archive. Lines of events that were not seen are ignored."""
        for line in content.split(b"\n"):
            event = self._events.get(self._id_of_content.get(_digest(line), ""))
            if event is not None and event.archivedAt is None:
                self._change(event.id, partial(_set_archived, key=key, at=to_rfc3339(at)))

    def quarantined(self, found: Quarantined) -> None:
        """Note a message of the quarantine, which may have been noted before."""
        event_id = self._id_of_place.get(found.derived_id, found.derived_id)
        known = self._events.get(event_id)
        if known is not None and known.quarantinedAt == found.at:
            return

        def change(event: PipelineEvent) -> None:
            event.quarantinedAt, event.reason, event.error = found.at, found.reason, found.error
            event.record = found.record[:MAX_RECORD_CHARACTERS] if found.record else None
            event.isEarlier = event.isEarlier or (known is None and found.at < self._since)

        self._change(event_id, change)
        self._trim()

    def logged(self, lines: Iterable[LogLine]) -> None:
        """Note lines of the functions' log, oldest first."""
        for line in lines:
            self._version += 1
            self._log.append((self._version, line))

    def changes(self, cursor: str) -> dict[str, Any]:
        """Return what has changed after a cursor, and the next cursor.

        A cursor of another run, or none, begins anew; ``reset`` says so. ``more``: there are more changes.
        """
        run_id, _, number = cursor.partition(".")
        is_ours = run_id == self._run_id and number.isdecimal() and int(number) <= self._version
        after = int(number) if is_ours else 0
        events = [event for event in self._events.values() if event.version > after]
        lines = [(version, line) for version, line in self._log if version > after]
        versions = sorted([event.version for event in events] + [version for version, _ in lines])
        has_more = len(versions) > MAX_CHANGES_PER_RESPONSE
        last = versions[MAX_CHANGES_PER_RESPONSE - 1] if has_more else self._version
        events = sorted((e for e in events if e.version <= last), key=lambda event: event.version)
        return {
            "cursor": f"{self._run_id}.{last}",
            "reset": not is_ours,
            "more": has_more,
            "since": self._since,
            "counters": self.counters(),
            "events": [event.as_json() for event in events],
            "log": [asdict(line) for version, line in lines if version <= last],
        }

    def counters(self) -> dict[str, int]:
        """Return how many different events of this run were seen, by what became of them.

        What is trained or quarantined was accepted, so accepted = trained + quarantined + pending.
        """
        counts = {name: self._counts[name] for name in ("accepted", "trained", "quarantined", "archived")}
        pending = counts["accepted"] - counts["trained"] - counts["quarantined"]
        return {**counts, "pending": pending}

    def _change(self, event_id: str, change: Callable[[PipelineEvent], None]) -> None:
        event = self._events.setdefault(event_id, PipelineEvent(event_id))
        before = [*_counted(event)] if event.version else []
        change(event)
        self._counts.subtract(before)
        self._counts.update(_counted(event))
        self._version += 1
        event.version = self._version

    def _trim(self) -> None:
        """Drop a tenth of the events when there are too many, with the names by which they are found."""
        if len(self._events) <= self._max_events:
            return
        oldest = sorted(self._events.values(), key=lambda event: (event.state == "pending", event.version))
        for event in oldest[: self._max_events // 10 + 1]:
            del self._events[event.id]
        self._id_of_place = self._of_known_events(self._id_of_place)
        self._id_of_content = self._of_known_events(self._id_of_content)

    def _of_known_events(self, id_of: dict[_Name, str]) -> dict[_Name, str]:
        return {name: event_id for name, event_id in id_of.items() if event_id in self._events}


def _counted(event: PipelineEvent) -> Iterator[str]:
    if not event.isEarlier:
        yield "accepted"
        if event.state != "pending":
            yield event.state
        if event.archivedAt is not None:
            yield "archived"


def _read(event: KinesisRecord) -> PipelineEvent:
    """Return an event of the stream as delivery reads it; one that breaks the contract has its place."""
    arrived_at = to_rfc3339(event.arrived_at)
    if not event.has_too_many_events:
        try:
            read = from_record(event.data, fallback_id=event.derived_id, arrived_at=event.arrived_at)
        except InvalidRequestError:
            pass
        else:
            body = read.body
            return PipelineEvent(
                read.event_id,
                "event" if "Event" in body else "action",
                body.get("UserId"),
                body["SessionId"],
                body["EventType"],
                body.get("Event", {}).get("itemId"),
                body.get("Action", {}).get("actionId"),
                isOtherProducers=not _has_been_received(event.data),
                acceptedAt=body["ReceivedAt"],
                streamedAt=arrived_at,
            )
    return PipelineEvent(
        event.derived_id, isOtherProducers=True, acceptedAt=arrived_at, streamedAt=arrived_at
    )


def _has_been_received(data: bytes) -> bool:
    """Return whether a record is the API's own: only the API writes ReceivedAt."""
    return "ReceivedAt" in contract.parse(data)


def _merge_streamed(known: PipelineEvent, found: PipelineEvent) -> None:
    """Take over what the stream says. The times are those of the first of several records of an event."""
    for name in ("kind", "userId", "sessionId", "eventType", "itemId", "actionId", "isOtherProducers"):
        if found.kind != "unreadable" or known.streamedAt is None:
            setattr(known, name, getattr(found, name))
    known.acceptedAt = known.acceptedAt or found.acceptedAt
    known.streamedAt = known.streamedAt or found.streamedAt


def _set_archived(event: PipelineEvent, key: str, at: str) -> None:
    event.archiveKey, event.archivedAt = key, at


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data.strip()).digest()[:16]
