"""A Kinesis batch to Personalize: as few PutEvents calls as the API allows, an outcome for every record.

plan() is pure; deliver() performs the plan and returns what became of it. Permanent failures end in the
quarantine and never hold up a shard. Everything else is deferred: Lambda delivers it again, and Personalize
ignores events whose id it has seen, so delivering twice is safe.
"""

from __future__ import annotations

import base64
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cache
from itertools import groupby
from math import inf
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from chalicelib.batching import pack
from chalicelib.delivery import quarantine
from chalicelib.delivery.quarantine import Quarantine, Reject
from chalicelib.errors import (
    AwsError,
    InvalidRequestError,
    MisconfiguredError,
    PersonalizeApiError,
    UnavailableError,
    from_botocore,
)
from chalicelib.records import events
from chalicelib.records.events import Event

if TYPE_CHECKING:
    from mypy_boto3_personalize_events import PersonalizeEventsClient

MAX_EVENTS_PER_CALL = 10
"""Of PutEvents (API_UBS_PutEvents)."""
RESERVE = 10.0
"""Seconds of the invocation kept for quarantine and the answer: nothing is read and no call is started in
them. Twice what the slowest call to the quarantine takes."""
ANSWER = 2.0
"""Seconds of the reserve in which calls under way are no longer waited for."""


_NOT_READ = UnavailableError("Too little time was left to read the record.")


@dataclass(frozen=True)
class Arrival:
    """One Kinesis record as Lambda hands it over. ``data`` is the decoded payload."""

    shard_id: str
    sequence_number: str
    arrived_at: datetime
    data: bytes

    @property
    def derived_id(self) -> str:
        """The event id of a record that brings none: the same at every delivery."""
        return f"{self.shard_id}:{self.sequence_number}"


@dataclass(frozen=True)
class Parcel:
    """An event and the arrivals it stands for: several when a producer's retry put the same record twice."""

    event: Event
    arrivals: list[Arrival]


@dataclass(frozen=True)
class Call:
    """One PutEvents: at most MAX_EVENTS_PER_CALL parcels of one user (None while anonymous) and session."""

    user_id: str | None
    session_id: str
    parcels: list[Parcel]


@dataclass(frozen=True)
class Session:
    """The calls of one session, in stream order. A visitor who signs in midway starts a new call."""

    session_id: str
    calls: list[Call]

    @property
    def parcels(self) -> list[Parcel]:
        return [parcel for call in self.calls for parcel in call.parcels]


@dataclass(frozen=True)
class Plan:
    """Which calls to make, longest session first, and which records no call can carry.

    ``unread`` are the last records of the batch when the time did not suffice to read them.
    """

    sessions: list[Session]
    rejects: list[tuple[Arrival, Reject]]
    unread: Sequence[Arrival]


@dataclass
class Outcome:
    """What became of a batch. Every arrival is in exactly one of the three lists."""

    delivered: list[Arrival] = field(default_factory=list)
    quarantined: list[Arrival] = field(default_factory=list)
    deferred: list[tuple[Arrival, PersonalizeApiError]] = field(default_factory=list)
    calls: int = 0

    @property
    def first_deferred(self) -> str | None:
        """The lowest sequence number that has to be delivered again, or None."""
        return min((arrival.sequence_number for arrival, _ in self.deferred), key=int, default=None)

    @property
    def counts(self) -> dict[str, int]:
        """Metrics by name."""
        return {
            "Delivered": len(self.delivered),
            "Quarantined": len(self.quarantined),
            "Retried": len(self.deferred),
            "PutEventsCalls": self.calls,
        }

    @property
    def reasons(self) -> dict[str, int]:
        """Why records were deferred, counted; the sentences hold nothing of the events."""
        return Counter(str(error) for _, error in self.deferred)


def arrivals(kinesis_event: Mapping[str, Any]) -> list[Arrival]:
    """The records of the event that Lambda's Kinesis source sends (docs: lambda/latest/dg/with-kinesis)."""
    return [
        Arrival(
            shard_id=record["eventID"].partition(":")[0],
            sequence_number=record["kinesis"]["sequenceNumber"],
            arrived_at=datetime.fromtimestamp(record["kinesis"]["approximateArrivalTimestamp"], timezone.utc),
            data=base64.b64decode(record["kinesis"]["data"]),
        )
        for record in kinesis_event["Records"]
    ]


def plan(batch: Sequence[Arrival], seconds_left: Callable[[], float] = lambda: inf) -> Plan:
    """Group by session, and pack each into the fewest calls that keep its order.

    Reading ends where the reserve begins, so that the time suffices to quarantine what was found unreadable.
    """
    groups: dict[str, dict[object, Parcel]] = {}
    rejects: list[tuple[Arrival, Reject]] = []
    unread: Sequence[Arrival] = ()
    for position, arrival in enumerate(batch):
        if seconds_left() < RESERVE:
            unread = batch[position:]
            break
        try:
            event = events.read(arrival.data, fallback_id=arrival.derived_id, arrived_at=arrival.arrived_at)
        except InvalidRequestError as error:
            rejects.append((arrival, _reject(arrival, quarantine.UNREADABLE, error)))
            continue
        group = groups.setdefault(event.session_id, {})
        # The same bytes with the same id are one event. The same id with other content is not ours to
        # judge: Personalize keeps the first.
        group.setdefault((event.event_id, arrival.data), Parcel(event, [])).arrivals.append(arrival)
    sessions = [
        Session(session_id, list(_calls(session_id, parcels.values())))
        for session_id, parcels in groups.items()
    ]
    # A long session is a chain of calls; started last, it would run on alone after all the others.
    sessions.sort(key=lambda session: len(session.calls), reverse=True)
    return Plan(sessions, rejects, unread)


def deliver(
    batch: Sequence[Arrival],
    *,
    tracking_id: str,
    client: PersonalizeEventsClient,
    quarantine_to: Quarantine,
    concurrency: int,
    seconds_left: Callable[[], float],
    now: Callable[[], datetime],
) -> Outcome:
    """Deliver a batch: a session's calls in order, up to ``concurrency`` sessions at once."""
    work = plan(batch, seconds_left)
    outcome = Outcome()
    outcome.deferred += [(arrival, _NOT_READ) for arrival in work.unread]

    def put_aside(rejects: Sequence[tuple[Arrival, Reject]]) -> None:
        failures = quarantine.put(
            [reject for _, reject in rejects], quarantine_to, now=now(), seconds_left=seconds_left
        )
        for (arrival, _), failure in zip(rejects, failures, strict=True):
            if failure is None:
                outcome.quarantined.append(arrival)
            else:
                outcome.deferred.append((arrival, failure))

    # Before the delivery, so that a slow Personalize cannot keep known poison in the stream for ever.
    put_aside(work.rejects)
    sent = _Courier(tracking_id, client, seconds_left).deliver(work.sessions, concurrency)
    outcome.delivered += sent.delivered
    outcome.deferred += sent.deferred
    outcome.calls = sent.calls
    put_aside(sent.rejects)
    return outcome


@dataclass
class _Sent:
    """What became of the arrivals of one session, or of all of them together."""

    delivered: list[Arrival] = field(default_factory=list)
    rejects: list[tuple[Arrival, Reject]] = field(default_factory=list)
    deferred: list[tuple[Arrival, PersonalizeApiError]] = field(default_factory=list)
    calls: int = 0

    def defer(self, parcels: Sequence[Parcel], error: PersonalizeApiError) -> None:
        self.deferred += [(arrival, error) for parcel in parcels for arrival in parcel.arrivals]

    def add(self, other: _Sent) -> None:
        self.delivered += other.delivered
        self.rejects += other.rejects
        self.deferred += other.deferred
        self.calls += other.calls


class _Courier:
    """Makes the calls of a plan. One per invocation."""

    def __init__(
        self, tracking_id: str, client: PersonalizeEventsClient, seconds_left: Callable[[], float]
    ) -> None:
        self._tracking_id = tracking_id
        self._client = client
        self._seconds_left = seconds_left
        self._halted = threading.Event()

    def deliver(self, sessions: Sequence[Session], concurrency: int) -> _Sent:
        """Deliver the sessions in parallel; those not finished when the time is up are deferred whole."""
        waiting: SimpleQueue[Session] = SimpleQueue()
        finished: SimpleQueue[tuple[Session, _Sent]] = SimpleQueue()
        for session in sessions:
            waiting.put(session)
        # Workers that take the next session: a task for each would cost a tenth of the delivery's CPU time.
        pool = _threads(concurrency)
        workers = [pool.submit(self._work, waiting, finished) for _ in range(min(concurrency, len(sessions)))]
        _, late = wait(workers, timeout=max(0.0, self._seconds_left() - ANSWER))
        # A worker still waiting for Personalize makes no further call; what it has sent will be ignored as
        # a duplicate when Lambda delivers the session again. The next invocation gets threads that are free.
        self._halted.set()
        if late:
            pool.shutdown(wait=False, cancel_futures=True)
            _threads.cache_clear()
        total = _Sent()
        unfinished = {session.session_id: session for session in sessions}
        for _ in range(finished.qsize()):
            session, sent = finished.get_nowait()
            total.add(sent)
            del unfinished[session.session_id]
        for session in unfinished.values():
            error = UnavailableError("Personalize had not answered when the time was up.")
            total.defer(session.parcels, error)
        return total

    def _work(self, waiting: SimpleQueue[Session], finished: SimpleQueue[tuple[Session, _Sent]]) -> None:
        """Deliver one session after another until none waits."""
        with suppress(Empty):
            while True:
                session = waiting.get_nowait()
                try:
                    sent = self._deliver_session(session)
                except Exception as crash:  # noqa: BLE001 - a fault of ours in one session must not cost the others
                    sent = _Sent()
                    failed = UnavailableError(f"Delivery of a session failed with {type(crash).__name__}.")
                    sent.defer(session.parcels, failed)
                finished.put((session, sent))

    def _deliver_session(self, session: Session) -> _Sent:
        """A session's calls in order. The first that fails defers the rest: order comes before speed."""
        sent = _Sent()
        for position, call in enumerate(session.calls):
            failure = self._deliver_call(call, sent)
            if failure is not None:
                later = [parcel for later in session.calls[position + 1 :] for parcel in later.parcels]
                sent.defer(later, failure)
                break
        return sent

    def _deliver_call(self, call: Call, sent: _Sent) -> PersonalizeApiError | None:
        """One PutEvents; when Personalize refuses it, its halves in order, until the guilty stand alone."""
        failure = self._put_events(call, sent)
        if failure is None:
            sent.delivered += [arrival for parcel in call.parcels for arrival in parcel.arrivals]
            return None
        if not isinstance(failure, InvalidRequestError):
            sent.defer(call.parcels, failure)
            return failure
        if len(call.parcels) == 1:
            sent.rejects += [
                (arrival, _reject(arrival, quarantine.REFUSED, failure))
                for arrival in call.parcels[0].arrivals
            ]
            return None
        middle = len(call.parcels) // 2
        first, second = (
            replace(call, parcels=half) for half in (call.parcels[:middle], call.parcels[middle:])
        )
        first_failure = self._deliver_call(first, sent)
        if first_failure is not None:
            sent.defer(second.parcels, first_failure)
            return first_failure
        return self._deliver_call(second, sent)

    def _put_events(self, call: Call, sent: _Sent) -> PersonalizeApiError | None:
        if self._halted.is_set():
            return UnavailableError("Delivery was stopped before this call.")
        if self._seconds_left() < RESERVE:
            return UnavailableError("Too little time was left to call Personalize.")
        user = {} if call.user_id is None else {"userId": call.user_id}
        sent.calls += 1
        try:
            self._client.put_events(
                trackingId=self._tracking_id,
                sessionId=call.session_id,
                eventList=[parcel.event.entry for parcel in call.parcels],
                **user,
            )
        except AwsError as error:
            failure = from_botocore(error, "Personalize")
            if isinstance(failure, MisconfiguredError):
                # Access denied or tracker unknown: the next thousand calls would say the same.
                self._halted.set()
            return failure
        except Exception as error:  # noqa: BLE001 - whatever it is, another try would end the same way
            # Not an answer but a fault while the request was made: botocore cannot serialise an event. It is
            # looked for like one that Personalize refuses, or it would hold up its shard for ever.
            return InvalidRequestError(f"The call could not be made: {type(error).__name__}.")
        return None


@cache
def _threads(number: int) -> ThreadPoolExecutor:
    """Kept for the sandbox's life, as clients are: to start them is a tenth of a small batch's CPU time.

    For one invocation at a time, as Lambda has it: one that runs out of time takes its threads along.
    """
    return ThreadPoolExecutor(max_workers=number)


def _calls(session_id: str, parcels: Iterable[Parcel]) -> Iterator[Call]:
    """Runs of events of one user, cut into calls. PutEvents takes one user, and the order has to hold."""
    for user_id, run in groupby(parcels, lambda parcel: parcel.event.user_id):
        for chunk in pack(run, lambda parcel: 0, max_items=MAX_EVENTS_PER_CALL, max_bytes=0):
            yield Call(user_id, session_id, chunk)


def _reject(arrival: Arrival, reason: str, error: InvalidRequestError) -> Reject:
    return Reject(reason, str(error), arrival.data, arrival.shard_id, arrival.sequence_number)
