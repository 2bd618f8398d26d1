"""Invocations of a handler in this process that can be killed, at the timeout or at any moment before it.

A kill is simulated at the network, the only place where an invocation has an effect. What the invocation has
sent stays sent. Its response is lost, and neither it nor its threads send anything afterwards. For that, the
code that carries the handler's requests calls ``Runtime.tick`` before and after it carries out a request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any


class InvocationKilledError(Exception):
    """The invocation ended without a response."""


class Kill(BaseException):
    """Ends the handler at once. It is no ``Exception``, so that no handler can catch it by accident."""


class Context:
    """The members of Lambda's context object that the handlers here read.

    ``deadline`` is a time of the clock ``now``, in seconds.
    """

    def __init__(self, request_id: str, deadline: float, now: Callable[[], float]) -> None:
        self.aws_request_id = request_id
        self._deadline = deadline
        self._now = now

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the deadline, 0 after it."""
        return max(0, int((self._deadline - self._now()) * 1000))


@dataclass
class _Invocation:
    """The ticks (None: any number) and the time after which an invocation is killed."""

    ticks_left: int | None
    deadline: float
    killed: bool = False


class Runtime:
    """Runs a handler as Lambda does, one invocation at a time.

    ``kill_after`` is called at the start of every invocation. It returns the number of ticks after which the
    invocation is killed, or None for no kill before the timeout. An even number kills before a request is
    carried out. An odd number kills after it, when the handler has not seen the response.
    """

    def __init__(
        self,
        handler: Callable[[dict[str, Any], Any], object],
        *,
        timeout_seconds: float,
        now: Callable[[], float],
        kill_after: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.kills = 0
        self._handler = handler
        self._timeout_seconds = timeout_seconds
        self._now = now
        self._kill_after = kill_after
        self._request_ids = (f"request-{number}" for number in count(1))
        self._invocation = _Invocation(None, float("inf"))

    def __call__(self, event: dict[str, Any]) -> object:
        """Return the handler's response. Raise InvocationKilledError when the invocation was killed."""
        invocation = _Invocation(self._kill_after(), self._now() + self._timeout_seconds)
        self._invocation = invocation
        context = Context(next(self._request_ids), invocation.deadline, self._now)
        try:
            response = self._handler(event, context)
        except Kill:
            response = None
        if invocation.killed or self._now() >= invocation.deadline:
            invocation.killed = True
            self.kills += 1
            raise InvocationKilledError("the invocation was killed")
        return response

    def tick(self) -> None:
        """Raise Kill when it is time to kill the current invocation, and at every later call during it."""
        invocation = self._invocation
        if invocation.ticks_left is not None:
            invocation.ticks_left -= 1
        no_ticks_left = invocation.ticks_left is not None and invocation.ticks_left < 0
        if invocation.killed or no_ticks_left or self._now() >= invocation.deadline:
            invocation.killed = True
            raise Kill
