"""What the clients of a soak know of their requests and events. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from simulation.soak.connection import Response
from simulation.soak.outcome import STATUSES, Outcome
from simulation.soak.traffic import Event

NO_RESPONSE, NOT_SENT = 0, -1
"""They stand for the status of an attempt that got no response, and of one that was not sent."""


@dataclass(frozen=True)
class Timing:
    """How long a request took, from the moment at which it was due to its last response."""

    at_seconds: float
    route: str
    seconds: float


@dataclass
class Ledger:
    """What one client knows, or what all know.

    ``sent`` counts valid events. ``accepted`` has the id of each event by its mark, ``sessions`` the marks by
    session in the order in which they were accepted. ``unknown`` and ``pending`` have marks of events that
    may have been stored: see ``outcome``. ``responses`` counts attempts by route and status. A request
    without its last response has no timing.
    """

    sent: int = 0
    accepted: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, list[str]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    wrongly_refused: list[str] = field(default_factory=list)
    wrongly_accepted: list[str] = field(default_factory=list)
    undocumented: list[str] = field(default_factory=list)
    responses: Counter[tuple[str, int]] = field(default_factory=Counter)
    timings: list[Timing] = field(default_factory=list)

    def note_response(self, route: str, response: Response) -> None:
        """Count a response. Note its beginning when its status is not expected for the route."""
        self.responses[route, response.status] += 1
        if response.status not in STATUSES[route]:
            self.undocumented.append(f"{response.status} of {route}: {response.content[:200]!r}")

    def note(self, events: Sequence[Event], result: Outcome) -> None:
        """Note what became of the events of an attempt."""
        for event in events:
            event_id = result.accepted.get(event.mark)
            if event_id is None:
                continue
            self.accepted[event.mark] = event_id
            self.sessions.setdefault(event.session_id, []).append(event.mark)
            if not event.valid or event.body.get("EventId", event_id) != event_id:
                self.wrongly_accepted.append(f"event {event.mark} as {event_id}")
        self.wrongly_refused += [event.mark for event in result.refused if event.valid]
        self.unknown.update(event.mark for event in result.unknown if event.valid)
        self.pending = {event.mark for event in result.pending if event.valid}


def merged(ledgers: Sequence[Ledger]) -> Ledger:
    """Return the ledger of all clients. No two of them share an event or a session."""
    whole = Ledger()
    for ledger in ledgers:
        whole.sent += ledger.sent
        whole.accepted |= ledger.accepted
        whole.sessions |= ledger.sessions
        whole.unknown |= ledger.unknown
        whole.pending |= ledger.pending
        whole.wrongly_refused += ledger.wrongly_refused
        whole.wrongly_accepted += ledger.wrongly_accepted
        whole.undocumented += ledger.undocumented
        whole.responses += ledger.responses
        whole.timings += ledger.timings
    return whole
