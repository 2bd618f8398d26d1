"""The settings of a chaos run: how much traffic, and how many faults of each kind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """The settings. Rates are shares from 0 to 1. Field names are the options of the command line."""

    events: int = 100_000
    sessions: int = 5_000
    shards: int = 4
    batch_size: int = 1_000
    report_batch_item_failures: bool = True
    # Shares of the requests to Personalize:
    throttle: float = 0.10
    errors: float = 0.05
    resets: float = 0.02
    lost_responses: float = 0.01
    # Share of the calls to the quarantine queue:
    queue_errors: float = 0.05
    # Shares of the events:
    poison: float = 0.01
    duplicates: float = 0.005
    # Share of the events that are interactions with actions:
    actions: float = 0.1
    # Share of the events that a producer puts several of into one record:
    aggregated: float = 0.1
    # Share of the sessions in which the user signs in midway:
    sign_ins: float = 0.1
    # Sessions that two people share: their users alternate, so that each event needs a call of its own.
    shared_sessions: int = 5
    # Of every request to Personalize:
    latency_ms: int = 20
    # Shares of the invocations: killed at a random moment, and started shortly before the timeout.
    kills: float = 0.15
    short_timeouts: float = 0.05
    timeout_seconds: float = 60.0
    limit_seconds: float = 900.0
    seed: int = 1

    @property
    def label(self) -> str:
        """How ``deliver_events`` returns failures in this scenario, as a column heading."""
        return "reporting failures" if self.report_batch_item_failures else "raising"
