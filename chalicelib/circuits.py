"""Whether a campaign is worth a call: a circuit for each operation and campaign. Safe for several threads.

A circuit is closed while calls succeed. It opens after FAILURES_IN_A_ROW failures for a second, and for twice
as long after each failed trial, up to LONGEST_SECONDS. While it is open, no call is made. Then one call is
the trial: it closes the circuit or opens it again. Throttling opens it for a second at once. So an outage
costs a request no time, and a service in trouble gets few calls.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from chalicelib.errors import (
    InvalidRequestError,
    NotFoundError,
    PersonalizeApiError,
    ThrottledError,
)

FAILURES_IN_A_ROW = 3
FIRST_SECONDS = 1.0
LONGEST_SECONDS = 30.0


@dataclass(frozen=True)
class Permit:
    """The right to make one call. ``state`` is the state of the circuit that gave it."""

    state: int
    is_trial: bool = False


class Circuit:
    """The circuit of one operation and campaign.

    Times are seconds since 1970, because Lambda may stop other clocks with a sandbox. A clock that was set
    back makes the next call the trial.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Counts the changes. What is said of a call counts only in the state that the call was made in.
        self._state = 0
        self._failures = 0
        self._error: PersonalizeApiError | None = None
        self._opened_at = 0.0
        self._opens_until = 0.0
        self._seconds = FIRST_SECONDS

    def admit(self, now: float, seconds: float) -> Permit | PersonalizeApiError:
        """Return the permit for a call of at most ``seconds``, or the error that opened the circuit."""
        with self._lock:
            if self._error is None:
                return Permit(self._state)
            if self._opened_at <= now < self._opens_until:
                return self._error
            # The others wait for the trial. One that is never heard of again is over when its time is.
            self._change(self._error, now, seconds)
            return Permit(self._state, is_trial=True)

    def succeeded(self, permit: Permit) -> None:
        """Close the circuit, or forget the failures before."""
        with self._lock:
            if permit.state == self._state and (self._failures or self._error is not None):
                self._failures, self._error, self._seconds = 0, None, FIRST_SECONDS

    def failed(self, permit: Permit, error: PersonalizeApiError, now: float) -> bool:
        """Count a failure. Returns whether it opened the circuit. The caller's mistakes are not counted."""
        with self._lock:
            if permit.state != self._state:
                return False
            if isinstance(error, (InvalidRequestError, NotFoundError)):
                if permit.is_trial:  # it said nothing of the campaign: the next call is the trial
                    self._opens_until = now
                return False
            if isinstance(error, ThrottledError):
                self._change(error, now, FIRST_SECONDS)
                return True
            self._failures += 1
            if self._failures < FAILURES_IN_A_ROW and not permit.is_trial:
                return False
            self._change(error, now, self._seconds)
            self._seconds = min(2 * self._seconds, LONGEST_SECONDS)
            return True

    def _change(self, error: PersonalizeApiError, now: float, seconds: float) -> None:
        """Open the circuit, or keep it open, for some seconds from now on."""
        self._state += 1
        self._error = error
        self._opened_at, self._opens_until = now, now + seconds


class Circuits:
    """The circuits of a sandbox: at most one for each operation and configured campaign."""

    def __init__(self) -> None:
        self._circuits: dict[tuple[str, str], Circuit] = {}

    def of(self, method: str, campaign_arn: str) -> Circuit:
        """Return the circuit of an operation and a campaign."""
        key = (method, campaign_arn)
        return self._circuits.get(key) or self._circuits.setdefault(key, Circuit())
