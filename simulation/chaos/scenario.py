"""What a chaos run is made of: how much traffic, and how much of what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """Rates are shares from 0 to 1. Field names are the options of the command line."""

    events: int = 100_000
    sessions: int = 5_000
    shards: int = 4
    batch_size: int = 1_000
    report_batch_item_failures: bool = True
    # Of the requests to Personalize:
    throttle: float = 0.10
    errors: float = 0.05
    resets: float = 0.02
    lost_answers: float = 0.01
    # Of the calls to the quarantine queue:
    queue_errors: float = 0.05
    # Of the records:
    poison: float = 0.01
    duplicates: float = 0.005
    # Of the sessions: the user signs in midway.
    sign_ins: float = 0.1
    # Of the invocations: killed at a random moment, and started with hardly any time left.
    kills: float = 0.15
    hurries: float = 0.05
    timeout: float = 60.0
    limit: float = 900.0
    seed: int = 1

    @property
    def label(self) -> str:
        return "reporting failures" if self.report_batch_item_failures else "raising"
