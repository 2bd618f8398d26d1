"""Performs the calls of a plan: threads, order, retries, halving. Knows no operation by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from chalicelib.services import Services

RESPONSE_SECONDS = 2.0
"""Of the reserved seconds: calls that are still under way then are not waited for."""
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
"""Between two tries of a call that failed for now. Half of each pause is drawn."""

_HALTED = UnavailableError("Delivery was stopped before this call.")
_TOO_LATE = UnavailableError("Too little time was left to call Personalize.")
_NO_RESPONSE = UnavailableError("Personalize had not responded when the time was up.")


class WorkerThreads:
    """Threads that stay for the sandbox's life: to start them is a tenth of a small batch's CPU time.

    They serve one invocation at a time, as Lambda has it.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._pool: ThreadPoolExecutor | None = None

    def pool(self) -> ThreadPoolExecutor:
        """Return the pool of ``number`` threads."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=self.number)
        return self._pool

    def abandon(self) -> None:
        """Leave the threads to the calls that they wait for. The next invocation gets new ones."""
        self.pool().shutdown(wait=False, cancel_futures=True)
        self._pool = None


class Sender:
    """Performs the calls of one batch."""

    def __init__(self, services: Services, seconds_left: Callable[[], float]) -> None:
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
        _, late = wait(workers, timeout=max(0.0, self._seconds_left() - RESPONSE_SECONDS))
        # A worker that still waits for Personalize makes no further call. What it has sent is ignored as a
        # duplicate when Lambda delivers the record again.
        self._halted.set()
        if late:
            threads.abandon()
        sent = Outcome.joined([outcomes.get_nowait() for _ in range(outcomes.qsize())])
        if not late:
            return sent
        finished = {*map(id, sent.records)}
        planned = (record for chain in chains for record in chain.kinesis_records)
        unfinished = [record for record in planned if id(record) not in finished]
        return Outcome.joined([sent, Outcome.deferring(unfinished, _NO_RESPONSE)])

    def _work(self, waiting: SimpleQueue[Chain], outcomes: SimpleQueue[Outcome]) -> None:
        """Send one chain after another until none waits. The outcome of each call is told when it ends."""
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
            failure = UnavailableError(f"Delivery of a session failed with {type(error).__name__}.")
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
        otherwise. The pauses are counted as well, so that the tries end even where the clock stands still.
        """
        pause = FIRST_PAUSE_SECONDS
        seconds = self._seconds_left() - RESERVED_SECONDS
        tries = 0
        failure: PersonalizeApiError | None = _TOO_LATE
        while True:
            if self._halted.is_set():
                return (failure if tries else _HALTED), tries
            if seconds < 0 or self._seconds_left() < RESERVED_SECONDS:
                return failure, tries
            failure = self._try(call)
            tries += 1
            if failure is None or isinstance(failure, (InvalidRequestError, MisconfiguredError)):
                return failure, tries
            pause_now = pause * (0.5 + self._services.chance() / 2)
            seconds -= pause_now
            if seconds < 0:
                return failure, tries
            self._services.sleep(pause_now)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _try(self, call: ApiCall) -> PersonalizeApiError | None:
        """Make one call once. Returns why it failed, or None."""
        try:
            getattr(self._client, call.method)(**call.arguments)
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
