"""Performs the calls of a plan: threads, order, halving. Knows no operation of Personalize by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
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
    from mypy_boto3_personalize_events import PersonalizeEventsClient

RESPONSE_SECONDS = 2.0
"""Of the reserved seconds: calls that are still under way then are not waited for."""

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

    def __init__(self, client: PersonalizeEventsClient, seconds_left: Callable[[], float]) -> None:
        self._client = client
        self._seconds_left = seconds_left
        self._halted = threading.Event()

    def send(self, chains: Sequence[Chain], threads: WorkerThreads) -> Outcome:
        """Send one chain per thread at a time. Chains that do not end in time are deferred whole."""
        waiting: SimpleQueue[Chain] = SimpleQueue()
        finished: SimpleQueue[tuple[Chain, Outcome]] = SimpleQueue()
        for chain in chains:
            waiting.put(chain)
        # Workers that take the next chain: a task for each would cost a tenth of the delivery's CPU time.
        pool = threads.pool()
        count = min(threads.number, len(chains))
        workers = [pool.submit(self._work, waiting, finished) for _ in range(count)]
        _, late = wait(workers, timeout=max(0.0, self._seconds_left() - RESPONSE_SECONDS))
        # A worker that still waits for Personalize makes no further call. What it has sent is ignored as a
        # duplicate when Lambda delivers the chain again.
        self._halted.set()
        if late:
            threads.abandon()
        outcomes = []
        unfinished = {id(chain): chain for chain in chains}
        for _ in range(finished.qsize()):
            chain, outcome = finished.get_nowait()
            outcomes.append(outcome)
            del unfinished[id(chain)]
        return Outcome.joined(
            [
                *outcomes,
                *(Outcome.deferring(chain.kinesis_records, _NO_RESPONSE) for chain in unfinished.values()),
            ]
        )

    def _work(self, waiting: SimpleQueue[Chain], finished: SimpleQueue[tuple[Chain, Outcome]]) -> None:
        """Send one chain after another until none waits."""
        with suppress(Empty):
            while True:
                chain = waiting.get_nowait()
                try:
                    outcome = self._send_in_order(chain.calls)
                except Exception as error:  # noqa: BLE001 - a fault of ours in one chain must not cost the others
                    failure = UnavailableError(f"Delivery of a session failed with {type(error).__name__}.")
                    outcome = Outcome.deferring(chain.kinesis_records, failure)
                finished.put((chain, outcome))

    def _send_in_order(self, calls: Sequence[ApiCall]) -> Outcome:
        """Make one call after another. The first that fails defers the rest: order comes before speed."""
        outcomes = []
        for position, call in enumerate(calls):
            outcome = self._send(call)
            outcomes.append(outcome)
            if outcome.deferred:
                _, failure = outcome.deferred[-1]
                rest = Chain(calls[position + 1 :])
                outcomes.append(Outcome.deferring(rest.kinesis_records, failure))
                break
        return Outcome.joined(outcomes)

    def _send(self, call: ApiCall) -> Outcome:
        """Make one call. When Personalize refuses it, make its halves, until the offending event is alone."""
        if self._halted.is_set() or self._seconds_left() < RESERVED_SECONDS:
            return Outcome.deferring(call.kinesis_records, _HALTED if self._halted.is_set() else _TOO_LATE)
        failure = self._perform(call)
        if failure is None:
            return Outcome(delivered=call.kinesis_records, calls=1)
        if not isinstance(failure, InvalidRequestError):
            return Outcome.deferring(call.kinesis_records, failure, calls=1)
        if len(call.events) == 1:
            rejected = [RejectedRecord(record, REFUSED, str(failure)) for record in call.kinesis_records]
            return Outcome(rejected=rejected, calls=1)
        return Outcome.joined([Outcome(calls=1), self._send_in_order(call.halves())])

    def _perform(self, call: ApiCall) -> PersonalizeApiError | None:
        """Return why the call failed, or None."""
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
