"""Compares what the clients know with what arrived. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from simulation.chaos.report import order_violations
from simulation.soak.evidence import Evidence
from simulation.soak.ledger import Ledger


@dataclass(frozen=True)
class Counts:
    """The counts of a soak. Events are distinct ones.

    ``unknown`` are events without EventId and SentAt whose request got no response: a client cannot send them
    again, and ``unknown_stored`` of them were stored all the same. ``lost`` were accepted and are not trained
    on, or not archived. ``twice`` were stored under two ids. ``unexpected`` were stored and never sent as
    valid events. ``responses`` counts attempts by route and status: 0 is no response, -1 is not sent.
    """

    responses: Mapping[tuple[str, int], int]
    undocumented: Sequence[str]
    sent: int
    accepted: int
    never_accepted: int
    unknown: int
    unknown_stored: int
    trained: int
    archived: int
    lost: int
    twice: int
    unexpected: int
    violations: int
    poison: int
    quarantined: int
    wrongly_quarantined: int
    archived_poison: int
    wrongly_refused: Sequence[str]
    wrongly_accepted: Sequence[str]


def compare(ledger: Ledger, evidence: Evidence, poison: Collection[tuple[str, str]]) -> Counts:
    """Return the counts. ``ledger`` is that of all clients, ``poison`` has shard and sequence numbers."""
    accepted = set(ledger.accepted.values())
    trained, archived = evidence.trained, evidence.archived
    stored = {**trained, **archived}
    marks = Counter(stored.values())
    known = ledger.accepted.keys() | ledger.unknown | ledger.pending
    return Counts(
        responses=dict(ledger.responses),
        undocumented=ledger.undocumented,
        sent=ledger.sent,
        accepted=len(accepted),
        never_accepted=len(ledger.pending),
        unknown=len(ledger.unknown),
        unknown_stored=len(ledger.unknown & marks.keys()),
        trained=len(trained),
        archived=len(archived),
        lost=len(accepted - (trained.keys() & archived.keys())),
        twice=sum(count - 1 for mark, count in marks.items() if mark is not None),
        unexpected=sum(mark not in known for mark in stored.values()),
        violations=sum(
            order_violations(expected, [mark for mark in evidence.sessions.get(session, []) if mark])
            for session, expected in ledger.sessions.items()
        ),
        poison=len(poison),
        quarantined=len(evidence.quarantined),
        wrongly_quarantined=len(evidence.quarantined - set(poison)),
        archived_poison=evidence.archived_poison,
        wrongly_refused=ledger.wrongly_refused,
        wrongly_accepted=ledger.wrongly_accepted,
    )
