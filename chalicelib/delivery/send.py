"""Performs the calls of a plan: threads, order, retries, halving. Knows no operation by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib.delivery.outcome import REFUSED, Outcome, RejectedRecord
from chalicelib.delivery.plan import RESERVED_SECONDS, ApiCall, Chain
from chalicelib.errors import (
    AwsError,
    InvalidRequestError,
    MisconfiguredError,
    PersonalizeApiError,
    UnavailableError,
    from_botocore,
)
from chalicelib.retries import pauses

if TYPE_CHECKING:
    from chalicelib.sandbox import WorkerThreads

RESPONSE_SECONDS = 2.0
"""Of the reserved seconds: calls that are still under way then are not waited for."""
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
"""Between two tries of a call that failed for now."""

_HALTED = UnavailableError("Delivery was stopped before this call.")
_TOO_LATE = UnavailableError("Too little time was left to call Personalize.")
_NO_RESPONSE = UnavailableError("Personalize had not responded when the time was up.")


class EventClients(Protocol):
    """What is used of ``Clients``: one client, with the methods that the record types name."""

    @property
    def personalize_events(self) -> Any: ...


class SendingServices(Protocol):
    """What is used of ``Services``."""

    @property
    def clients(self) -> EventClients: ...

    @property
    def worker_threads(self) -> WorkerThreads: ...

    @property
    def chance(self) -> Callable[[], float]: ...

    @property
    def sleep(self) -> Callable[[float], None]: ...


class Sender:
    """Performs the calls of one batch."""

    def __init__(self, services: SendingServices, seconds_left: Callable[[], float]) -> None:
        self._client = services.clients.personalize_events
        self._services = services
        self._seconds_left = seconds_left
        self._halted = threading.Event()

    def send(self, chains: Sequence[Chain]) -> Outcome:
        """Send one chain per thread at a time. What has no outcome when the time is up is deferred."""
        waiting: SimpleQueue[Chain] = SimpleQueue()
        outcomes: SimpleQueue[Outcome] = SimpleQueue()
        for chain in chains:
            waiting.put(chain)
        # Workers that take the next chain: a task for each would cost a tenth of the delivery's CPU time.
        threads = self._services.worker_threads
        count = min(threads.number, len(chains))
        workers = [threads.pool().submit(self._work, waiting, outcomes) for _ in range(count)]
        try:
            _, late = wait(workers, timeout=max(0.0, self._seconds_left() - RESPONSE_SECONDS))
        finally:
            # A worker that still waits for Personalize makes no further call, after an interruption neither.
            # What it has sent is ignored as a duplicate when the record is delivered again.
            self._halted.set()
        if late:
            threads.abandon()
        sent = Outcome.joined([outcomes.get_nowait() for _ in range(outcomes.qsize())])
        if not late and all(worker.exception() is None for worker in workers):
            return sent
        ended = {record.derived_id for record in sent.records}
        planned = (record for chain in chains for record in chain.kinesis_records)
        unfinished = [record for record in planned if record.derived_id not in ended]
        return Outcome.joined([sent, Outcome.deferring(unfinished, _NO_RESPONSE)])

    def _work(self, waiting: SimpleQueue[Chain], outcomes: SimpleQueue[Outcome]) -> None:
        """Send one chain after another until none waits. Each call that ends has an outcome."""
        with suppress(Empty):
            while True:
                for outcome in self._send_in_order(waiting.get_nowait().calls):
                    outcomes.put(outcome)

    def _send_in_order(self, calls: Sequence[ApiCall]) -> Iterator[Outcome]:
        """Make one call after another. The first that fails defers the rest: order comes before speed."""
        for position, call in enumerate(calls):
            outcome = self._send(call)
            yield outcome
            if outcome.deferred:
                _, failure = outcome.deferred[-1]
                yield Outcome.deferring(Chain(calls[position + 1 :]).kinesis_records, failure)
                break

    def _send(self, call: ApiCall) -> Outcome:
        """Make one call, whatever happens. A fault of ours in one chain must not cost the others."""
        try:
            return self._send_or_halve(call)
        except Exception as error:  # noqa: BLE001 - see above
            failure = UnavailableError(f"Delivery failed with {type(error).__name__}.")
            return Outcome.deferring(call.kinesis_records, failure)

    def _send_or_halve(self, call: ApiCall) -> Outcome:
        """Make one call. When Personalize refuses it, make its halves, until the offending event is alone."""
        failure, tries = self._perform(call)
        if failure is None:
            return Outcome(delivered=call.kinesis_records, calls=tries)
        if not isinstance(failure, InvalidRequestError):
            return Outcome.deferring(call.kinesis_records, failure, calls=tries)
        if len(call.events) == 1:
            rejected = [RejectedRecord(record, REFUSED, str(failure)) for record in call.kinesis_records]
            return Outcome(rejected=rejected, calls=tries)
        return Outcome.joined([Outcome(calls=tries), *self._send_in_order(call.halves())])

    def _perform(self, call: ApiCall) -> tuple[PersonalizeApiError | None, int]:
        """Return why the call failed, or None, and how often it was made.

        A call that fails for now is tried again while time is left: a long chain would never come to its end
        otherwise. The pauses are counted too, so the tries end even where the clock does not move.
        """
        method, arguments = getattr(self._client, call.method), call.arguments
        pause_seconds_left = self._seconds_left() - RESERVED_SECONDS
        failure: PersonalizeApiError = _HALTED if self._halted.is_set() else _TOO_LATE
        tries = 0
        for pause in pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, self._services.chance):
            if self._halted.is_set() or self._seconds_left() < RESERVED_SECONDS:
                break
            error = self._try(method, arguments)
            tries += 1
            if error is None or isinstance(error, (InvalidRequestError, MisconfiguredError)):
                return error, tries
            failure = error
            pause_seconds_left -= pause
            if pause_seconds_left < 0:
                break
            self._services.sleep(pause)
        return failure, tries

    def _try(self, method: Callable[..., object], arguments: Mapping[str, Any]) -> PersonalizeApiError | None:
        """Make one call once. Returns why it failed, or None."""
        try:
            method(**arguments)
        except AwsError as error:
            failure = from_botocore(error, "Personalize")
            if isinstance(failure, MisconfiguredError):
                # Access denied or tracker unknown: the next thousand calls would say the same.
                self._halted.set()
            return failure
        except Exception as error:  # noqa: BLE001 - whatever it is, another try would end the same way
            # Not a response but a fault while the request was made: botocore cannot serialise an event. It is
            # treated like an event that Personalize refuses, or it would hold up its shard for ever.
            return InvalidRequestError(f"The call could not be made: {type(error).__name__}.")
        return None
