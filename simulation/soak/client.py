"""A client of the API that keeps its part of the contract: it sends again what was not accepted.

It sends at fixed moments, however long the responses take. So the time of a request counts from the moment
at which it was due, and includes the wait for the one before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from simulation.soak.connection import Connection, NoResponseError, NotSentError, Response
from simulation.soak.invalid import Invalid
from simulation.soak.ledger import NO_RESPONSE, NOT_SENT, Ledger, Timing
from simulation.soak.outcome import TRY_AGAIN, outcome
from simulation.soak.traffic import Event, Request

RETRY_SECONDS = 0.5
"""Wait before the next attempt where the response has no Retry-After."""


class Client:
    """Sends requests over one connection until ``stop`` is set. ``ledger`` may be read meanwhile."""

    def __init__(self, requests: Sequence[Request], url: str, key: str, stop: threading.Event) -> None:
        self.ledger = Ledger()
        self._requests = requests
        self._connection = Connection(url)
        self._key = key
        self._stop = stop

    def run(self, started: float) -> None:
        """Send every request at its time. ``started`` is a monotonic time."""
        for request in self._requests:
            if self._stop.wait(max(0.0, started + request.at_seconds - time.monotonic())):
                break
            if self._settle(request):
                seconds = time.monotonic() - started - request.at_seconds
                self.ledger.timings.append(Timing(request.at_seconds, request.route, seconds))
        self._connection.close()

    def _settle(self, request: Request) -> bool:
        """Send a request until nothing of it has to be sent again. Return whether a response ended it."""
        if request.events:
            return self._send_events(request)
        if request.invalid is not None:
            return self._send_invalid(request, request.invalid)
        # Recommendations that come late are worth nothing: they are asked for once.
        response, _ = self._attempt(request)
        return response is not None

    def _send_invalid(self, request: Request, invalid: Invalid) -> bool:
        while True:
            response, _ = self._attempt(request)
            if response is not None and response.status not in TRY_AGAIN:
                if response.status != invalid.status:
                    self.ledger.wrongly_accepted.append(f"{invalid.name}: {response.status}")
                return True
            if self._wait(response):
                return False

    def _send_events(self, request: Request) -> bool:
        events: Sequence[Event] = request.events
        self.ledger.sent += sum(event.valid for event in events)
        while True:
            response, sent = self._attempt(request, events)
            if sent:
                result = outcome(events, response, is_batch=request.is_batch)
                self.ledger.note(events, result)
                events = result.pending
            if not events:
                return response is not None
            if self._wait(response):
                self.ledger.pending = {event.mark for event in events if event.valid}
                return False

    def _attempt(self, request: Request, events: Sequence[Event] = ()) -> tuple[Response | None, bool]:
        """Send a request once. Return the response, if there was one, and whether it was sent."""
        headers = {"content-type": request.content_type}
        if request.invalid is None or request.invalid.has_key:
            headers["x-api-key"] = self._key
        try:
            response = self._connection.request("POST", request.path, request.content(events), headers)
        except NotSentError:
            self.ledger.responses[request.route, NOT_SENT] += 1
            return None, False
        except NoResponseError:
            self.ledger.responses[request.route, NO_RESPONSE] += 1
            return None, True
        if not response.content:
            # The server was stopped before the application had responded. API Gateway always sends a body.
            self.ledger.responses[request.route, NO_RESPONSE] += 1
            return None, True
        self.ledger.note_response(request.route, response)
        return response, True

    def _wait(self, response: Response | None) -> bool:
        """Wait before the next attempt. Return True when the run is being stopped."""
        retry_after = response.headers.get("retry-after", "") if response is not None else ""
        return self._stop.wait(float(retry_after) if retry_after.isdecimal() else RETRY_SECONDS)
