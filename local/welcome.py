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


def welcome(stack: Stack, items: Sequence[str]) -> str:
    """Return the addresses, the API key, and three command lines about ``items``."""
    recommendations = {"userId": "ann", "numResults": 5}
    events = [
        {"UserId": "ann", "SessionId": "s1", "EventType": "read", "Event": {"itemId": item}} for item in items
    ]
    return f"""
Ready.
  API      {stack.apiUrl}
  API key  {stack.apiKey}

Get recommendations for a new user, send events of that user, and get recommendations again:

{_curl(stack, "recommendations", recommendations)}

{_curl(stack, "history", {"Events": events})}

sleep 2; {_curl(stack, "recommendations", recommendations)}

The archive is in the bucket {stack.bucket}. The engine's counters are at {stack.consoleUrl}
Ctrl-C stops everything. Requests and deliveries, as they happen:
"""


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
