"""The text that ``make run`` prints when the stack is ready. Its command lines work when they are pasted."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local import catalogue
from local.coordinates import Stack
from ops.command_lines import shell_line

SAMPLE_ITEMS = 3


def welcome(stack: Stack, items: Sequence[str], filtered: Mapping[str, Any] | None = None) -> str:
    """Return the addresses, the API key, and command lines about ``items``, one of them with a filter.

    ``filtered`` has the fields of a request that name the filter; None where the data has none.
    """
    recommendations = {"userId": "ann", "numResults": 5}
    events = [
        {"UserId": "ann", "SessionId": "s1", "EventType": "read", "Event": {"itemId": item}} for item in items
    ]
    with_filter = (
        f"\n\nThe same with a filter:\n\n{_curl(stack, 'recommendations', {**recommendations, **filtered})}"
        if filtered
        else ""
    )
    return f"""
Ready.
  Console  {stack.consoleUrl}   (open it in a browser)
  API      {stack.apiUrl}
  API key  {stack.apiKey}

Get recommendations for a new user, send events of that user, and get recommendations again:

{_curl(stack, "recommendations", recommendations)}

{_curl(stack, "history", {"Events": events})}

sleep 2; {_curl(stack, "recommendations", recommendations)}{with_filter}

The archive is in the bucket {stack.bucket}. The engine's counters are at {stack.personalizeUrl}/_engine/stats
Ctrl-C stops everything. Requests and deliveries, as they happen:
"""


def sample_filter(data: Path) -> dict[str, Any] | None:
    """Return the fields of a request for a filter of a data folder; None without one that needs no value."""
    if data == catalogue.FOLDER:
        return {"filter": "of-a-genre", "filterValues": {"GENRE": ["humour"]}}
    file = data / "filters.json"
    filters = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    for each in filters:
        expression = each["filterExpression"].upper()
        if "ITEMID" in expression and "$" not in expression and "CURRENTITEM" not in expression:
            return {"filter": each["name"]}
    return None


def sample_items(data: Path) -> list[str]:
    """Return items of one user of a data folder, at most ``SAMPLE_ITEMS``; an invented one without any."""
    if data == catalogue.FOLDER:
        return ["frankenstein", "dracula", "the-turn-of-the-screw"]
    items_of_user: dict[str, list[str]] = {}
    with (data / "interactions.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            items = items_of_user.setdefault(row["USER_ID"], [])
            if row["ITEM_ID"] not in items:
                items.append(row["ITEM_ID"])
            if len(items) == SAMPLE_ITEMS:
                return items
    return max(items_of_user.values(), key=len, default=["item-1"])


def _curl(stack: Stack, route: str, body: Mapping[str, Any]) -> str:
    headers = ("-H", f"x-api-key: {stack.apiKey}", "-H", "content-type: application/json")
    line = shell_line("curl", "-sw", r"\n", f"{stack.apiUrl}/{route}", *headers)
    return f"{line} \\\n  {shell_line('-d', json.dumps(body))}"
