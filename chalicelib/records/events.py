"""One event in its three forms: the client's request, the stream's record, Personalize's PutEvents entry.

docs/api.md describes the request and the record. Pure: clock and ids are passed in.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from chalicelib import contract
from chalicelib.errors import InvalidRequestError

if TYPE_CHECKING:
    from mypy_boto3_personalize_events.type_defs import EventTypeDef

MAX_PROPERTIES_CHARACTERS = 1024
"""Of an event's properties as JSON (API_UBS_Event)."""
MAX_EVENT_BYTES = 10 * 1024
"""Of one event in PutEvents (docs.aws.amazon.com/personalize/latest/dg/limits.html, 2023)."""
SURELY_SMALL = 3 * 1024
"""Bytes of a record whose event cannot exceed MAX_EVENT_BYTES, so it need not be measured. What was escaped
once is escaped twice in properties, which at most doubles it; a number may be written longer (1e15), but only
within MAX_PROPERTIES_CHARACTERS; names, time and value take less than 500."""

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TO_PERSONALIZE = {"RecommendationId": "recommendationId", "Impression": "impression"}


@dataclass(frozen=True)
class Event:
    """An event that fits the contract.

    ``body`` is the stream record: the request's own shape plus EventId and ReceivedAt. ``entry`` is the same
    event as one element of PutEvents' eventList.
    """

    body: dict[str, Any]
    entry: EventTypeDef

    @property
    def event_id(self) -> str:
        return str(self.body["EventId"])

    @property
    def session_id(self) -> str:
        return str(self.body["SessionId"])

    @property
    def user_id(self) -> str | None:
        """None while the visitor is anonymous."""
        return self.body.get("UserId")

    @property
    def record(self) -> bytes:
        """The stream record: one line of JSON. Firehose joins records as they are, hence the newline."""
        return _compact(self.body).encode() + b"\n"


def accept(request: object, *, received_at: datetime, new_id: Callable[[], str]) -> Event:
    """The event of a client's request.

    Its id is the client's; else, with SentAt, a hash of the request, so that a repeated request is the same
    event; else a new one. Raises InvalidRequestError, naming the field.
    """
    contract.check(contract.EVENT, request)
    assert isinstance(request, dict)  # noqa: S101 - says to the type checker what the schema has proved
    event_id = request.get("EventId") or (_fingerprint(request) if "SentAt" in request else new_id())
    body = {**request, "EventId": event_id, "ReceivedAt": _rfc3339(received_at)}
    entry = _entry(body, received_at)
    _check_size(entry)
    return Event(body, entry)


def read(record: bytes, *, fallback_id: str, arrived_at: datetime) -> Event:
    """The event of a stream record, ours or another producer's in the plain request shape.

    ``fallback_id`` and ``arrived_at`` stand in for the EventId and ReceivedAt that only we write.
    Raises InvalidRequestError.
    """
    request = contract.parse(record)
    received_at = request.pop("ReceivedAt", None) if isinstance(request, dict) else None
    contract.check(contract.EVENT, request)
    body = {"EventId": fallback_id, **request, "ReceivedAt": received_at or _rfc3339(arrived_at)}
    told = received_at and "SentAt" not in request
    entry = _entry(body, timestamp(received_at, "ReceivedAt") if told else arrived_at)
    if len(record) > SURELY_SMALL:
        _check_size(entry)
    return Event(body, entry)


def timestamp(value: object, field: str) -> datetime:
    """The moment that RFC 3339 text or seconds since 1970 name. InvalidRequestError names ``field``."""
    moment = None
    parts = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    with suppress(ValueError, OverflowError, OSError):  # out of the calendar's range: no moment
        if isinstance(value, (int, float)):
            moment = datetime.fromtimestamp(value, timezone.utc)
        elif parts is not None:
            day, minute, second, fraction, zone = parts.groups()
            # Python 3.10 reads six digits of a fraction, no more and no fewer, and knows no leap second.
            text = f"{day}T{minute}:{min(int(second), 59):02}.{(fraction or '')[:6]:0<6}"
            # In UTC here and now: in the last hours of the calendar the zone leads out of it, and botocore
            # would find that out only while sending.
            moment = datetime.fromisoformat(text + ("+00:00" if zone in "Zz" else zone)).astimezone(
                timezone.utc
            )
    if moment is None or moment < _EPOCH:
        raise InvalidRequestError(
            f"{field} names no moment since 1970. Send RFC 3339 with a time zone, such as "
            "2026-01-31T12:00:00Z, or seconds since 1970."
        )
    return moment


def _entry(body: dict[str, Any], received_at: datetime) -> EventTypeDef:
    """Map to PutEvents (API_UBS_Event) and hold the limits that JSON Schema cannot express.

    An event that does not say when it happened happened when it was received.
    """
    fields = dict(body["Event"])
    entry: dict[str, Any] = {
        "eventId": body["EventId"],
        "eventType": body["EventType"],
        "sentAt": timestamp(body["SentAt"], "SentAt") if "SentAt" in body else received_at,
    }
    if "itemId" in fields:
        entry["itemId"] = fields.pop("itemId")
    if "eventValue" in fields:
        entry["eventValue"] = fields.pop("eventValue")
    if fields:
        entry["properties"] = properties = _compact(fields)
        if len(properties) > MAX_PROPERTIES_CHARACTERS:
            raise InvalidRequestError(
                f"Event has {len(properties)} characters of properties (every key but itemId and eventValue, "
                f"as JSON); Personalize takes {MAX_PROPERTIES_CHARACTERS}. Send fewer or shorter ones."
            )
    for ours, theirs in _TO_PERSONALIZE.items():
        if ours in body:
            entry[theirs] = body[ours]
    if "EventAttributionSource" in body:
        entry["metricAttribution"] = {"eventAttributionSource": body["EventAttributionSource"]}
    return entry  # type: ignore[return-value]


def _check_size(entry: EventTypeDef) -> None:
    size = len(_readable(entry).encode())
    if size > MAX_EVENT_BYTES:
        raise InvalidRequestError(
            f"The event takes {size} bytes; Personalize takes {MAX_EVENT_BYTES}. "
            "Shorten Impression, the ids or the properties."
        )


def _fingerprint(request: dict[str, Any]) -> str:
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


# Made once: json.dumps makes an encoder for every call that has options.
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_readable = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
