"""The ways in which Personalize fails, as faults of the engine, and what a client may see of each."""

from typing import Any

FAULTS: dict[str, dict[str, Any]] = {
    "throttling": {"throttleRate": 1},
    "500": {"errorRate": 1, "errorStatus": 500},
    "503": {"errorRate": 1},
    "hang": {"latencyMs": 60_000},
    "stall": {"stallRate": 1},
    "reset": {"resetRate": 1},
    "access denied": {"accessDenied": True},
    "campaign missing": {"campaignMissing": True},
}
STATUSES = {"throttling": 429, "access denied": 502, "campaign missing": 502}
"""Without anything that stands in. The others are 503."""
