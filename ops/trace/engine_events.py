"""Whether the engine of ``make run`` was given an event. Personalize itself has no call that reads events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from http.client import HTTPException
from typing import Any
from urllib.request import ProxyHandler, build_opener

from ops.trace.facts import Given

LISTS = {"/_engine/events": "events", "/_engine/action-interactions": "actionInteractions"}
"""The member with the rows, by the path of each list."""
MAX_EVENTS = 200_000
"""Of each list, the newest ones."""
ROWS_PER_PAGE = 10_000
TIMEOUT_SECONDS = 10
# No proxy stands between two programs of this machine.
_open = build_opener(ProxyHandler({})).open


def find_in_engine(engine_url: str, event_id: str) -> Given:
    """Return when the engine was given an event, and whether it has more events than were searched."""
    has_more = False
    try:
        for path, member in LISTS.items():
            end = _get(f"{engine_url}{path}?after=end")["last"]
            for row in _rows(f"{engine_url}{path}", member, max(0, end - MAX_EVENTS)):
                if row["eventId"] == event_id:
                    return Given(datetime.fromtimestamp(row["receivedAt"], timezone.utc))
            has_more = has_more or end > MAX_EVENTS
    except (OSError, HTTPException, ValueError, LookupError) as error:
        return Given(problem=f"the local engine does not respond ({type(error).__name__}).")
    return Given(has_more=has_more)


def _rows(url: str, member: str, after: int) -> Iterator[Mapping[str, Any]]:
    while True:
        page = _get(f"{url}?after={after}&limit={ROWS_PER_PAGE}")
        yield from page[member]
        if len(page[member]) < ROWS_PER_PAGE:
            return
        after = page["last"]


def _get(url: str) -> Any:
    with _open(url, timeout=TIMEOUT_SECONDS) as response:
        return json.load(response)
