"""A client whose calls are paced: about as many of them in a second as were asked for, whoever makes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from ops.errors import SIGN_IN_CODES

_NO_CREDENTIALS = (
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
_STOPPED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "The run ends."}}, "Replay")
"""What a call gets instead of being made. Delivery takes it for an end that no other try changes."""


@dataclass
class Pace:
    """Spaces the calls of several threads evenly. ``clock`` and ``sleep`` are in seconds.

    Without ``sleep``, ``stop`` ends every pause at once.
    """

    calls_per_second: float
    clock: Callable[[], float]
    sleep: Callable[[float], object] | None = None
    calls: int = field(default=0, init=False)
    _next: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _stopped: threading.Event = field(default_factory=threading.Event, init=False)

    def wait(self) -> None:
        """Wait for the turn of a call. Raises ClientError when the run has been stopped."""
        with self._lock:
            now = self.clock()
            turn = max(now, self._next)
            self._next = turn + 1 / self.calls_per_second
        if turn > now:
            (self.sleep or self._stopped.wait)(turn - now)
        if self._stopped.is_set():
            raise _STOPPED
        with self._lock:
            self.calls += 1

    def stop(self) -> None:
        """Let no further call be made."""
        self._stopped.set()


@dataclass
class PacedClient:
    """A client of boto3 whose methods wait for their turn.

    ``failure`` is the first error about credentials: with it, no further call would be better.
    """

    client: Any
    pace: Pace
    failure: BotoCoreError | ClientError | None = field(default=None, init=False)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Return a method of the client that waits for its turn."""
        call = getattr(self.client, method)

        def paced(**arguments: Any) -> Any:
            self.pace.wait()
            try:
                return call(**arguments)
            except _NO_CREDENTIALS as error:
                self.failure = self.failure or error
                raise _STOPPED from error
            except ClientError as error:
                if error.response["Error"].get("Code") in SIGN_IN_CODES:
                    self.failure = self.failure or error
                    raise _STOPPED from error
                raise

        return paced
