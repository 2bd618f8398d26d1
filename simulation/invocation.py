"""One invocation of a handler in this process, that can be killed: at its timeout, or at any moment before.

A kill is modelled at the wire, the only place where an invocation leaves a trace: what it has sent stays
sent, its answer is lost, and nothing of it is sent afterwards, also not by its threads. For that, whoever
carries requests for the handler calls ``Runtime.tick`` before a request is carried out and after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any


class InvocationKilledError(Exception):
    """The invocation ended without an answer."""


class Kill(BaseException):
    """Ends whatever the handler is doing. Not an Exception: no handler can catch its own death."""


class Context:
    """What Lambda passes beside the event, as far as handlers here look at it. ``deadline`` is a now()."""

    def __init__(self, request_id: str, deadline: float, now: Callable[[], float]) -> None:
        self.aws_request_id = request_id
        self._deadline = deadline
        self._now = now

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - self._now()) * 1000))


@dataclass
class _Life:
    """How much of an invocation is left: ticks (None: any number), and time."""

    ticks: int | None
    deadline: float
    over: bool = False


class Runtime:
    """Runs a handler as Lambda does, one invocation at a time.

    ``timeout`` is in seconds. ``kill_after`` is asked at the start of every invocation for the number of
    ticks after which it dies: an even number is before a request is carried out, an odd one after, when the
    handler has not seen the answer. None spares it.
    """

    def __init__(
        self,
        handler: Callable[[dict[str, Any], Any], object],
        *,
        timeout: float,
        now: Callable[[], float],
        kill_after: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.kills = 0
        self._handler = handler
        self._timeout = timeout
        self._now = now
        self._kill_after = kill_after
        self._request_ids = (f"request-{number}" for number in count(1))
        self._life = _Life(None, float("inf"))

    def __call__(self, event: dict[str, Any]) -> object:
        """The handler's answer. InvocationKilledError when it did not live to give one."""
        self._life = life = _Life(self._kill_after(), self._now() + self._timeout)
        context = Context(next(self._request_ids), life.deadline, self._now)
        try:
            answer = self._handler(event, context)
        except Kill:
            answer = None
        if life.over or self._now() >= life.deadline:
            life.over = True
            self.kills += 1
            raise InvocationKilledError("the invocation was killed")
        return answer

    def tick(self) -> None:
        """A moment at which the invocation may die. Raises Kill then, and ever after until the next one."""
        life = self._life
        if life.ticks is not None:
            life.ticks -= 1
        if life.over or self._now() >= life.deadline or (life.ticks is not None and life.ticks < 0):
            life.over = True
            raise Kill
