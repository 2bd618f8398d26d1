"""The rows that the archive has of an event, by the saved query ``event``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from chalicelib import timestamps
from chalicelib.errors import InvalidRequestError
from ops.archive.days import Days
from ops.archive.engine import QueryEngine
from ops.archive.saved_queries import find_query
from ops.trace.facts import Archived, ArchivedRow

QUERY = "event"
_NAME_TIME = re.compile(r"-([0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9]{2}-[0-9]{2}-[0-9]{2})-", re.ASCII)
_CONTENT = ("userid", "sessionid", "eventtype", "event", "action", "sentat")


def find_rows(engine: QueryEngine, event_id: str, days: Days) -> tuple[Archived, int]:
    """Return the rows with an EventId, and the bytes that were scanned. Raises OpsError."""
    with engine.run(find_query(QUERY).bind(days, {"EVENT": event_id})) as result:
        names = [column.name for column in result.columns]
        found = [dict(zip(names, row, strict=True)) for row in result.rows]
        total = int(found[0]["all_rows"]) if found else 0
        return Archived([to_row(row) for row in found], total), result.scanned_bytes


def to_row(row: Mapping[str, str]) -> ArchivedRow:
    """Return a row of the query. Its values are texts of anybody who may write to the stream."""
    return ArchivedRow(
        _received_at(row["receivedat"]),
        row["eventtype"],
        row["sessionid"],
        row["userid"],
        _subject(row["event"], "itemId") or _subject(row["action"], "actionId"),
        tuple(row[name] for name in _CONTENT),
        row["object"],
        _stored_at(row["object"], row["dt"]),
    )


def _received_at(text: str) -> datetime | None:
    try:
        return timestamps.parse(text, "ReceivedAt")
    except InvalidRequestError:
        return None


def _subject(text: str, member: str) -> str:
    try:
        found: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return ""
    value = found.get(member) if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""


def _stored_at(address: str, day: str) -> datetime:
    """Return when Firehose began an object, by its name: ``archive-1-2026-01-31-12-00-00-UUID``."""
    name = _NAME_TIME.search(address.rpartition("/")[2])
    if name is not None:
        try:
            return datetime.strptime(name[1], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=timezone.utc)
        except ValueError:
            pass
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time.min, timezone.utc)
