"""Moments as clients write them (RFC 3339, or seconds since 1970) and as records hold them. Pure."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from chalicelib.errors import InvalidRequestError

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_BETWEEN_EVENTS = timedelta(milliseconds=1)
_BETWEEN_EQUAL_EVENTS = timedelta(seconds=1)
"""Personalize keeps one of several events with the same time and the same content
(docs: personalize/latest/dg/recording-item-interaction-events). Whether it keeps milliseconds is unknown."""


def parse(value: object, field: str) -> datetime:
    """Return the moment, in UTC, of RFC 3339 text or of seconds since 1970.

    Raises InvalidRequestError, which names ``field``.
    """
    moment = None
    parts = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    with suppress(ValueError, OverflowError, OSError):  # outside the calendar's range
        if isinstance(value, (int, float)):
            moment = datetime.fromtimestamp(value, timezone.utc)
        elif parts is not None:
            day, minute, second, fraction, zone = parts.groups()
            # Python 3.10 reads six digits of a fraction, no more and no fewer, and knows no leap second.
            text = f"{day}T{minute}:{min(int(second), 59):02}.{(fraction or '')[:6]:0<6}"
            offset = "+00:00" if zone in "Zz" else zone
            # Converted here: in the last hours of the calendar UTC is outside its range, and botocore would
            # find that only while sending.
            moment = datetime.fromisoformat(text + offset).astimezone(timezone.utc)
    if moment is None or moment < _EPOCH:
        raise InvalidRequestError(
            f"{field} is not a time since 1970. Send RFC 3339 with a time zone, such as "
            "2026-01-31T12:00:00Z, or seconds since 1970."
        )
    return moment


def to_rfc3339(moment: datetime) -> str:
    """Return the moment in UTC with milliseconds, such as ``2026-01-31T12:00:00.000Z``."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def spaced(contents: Sequence[Hashable], last: datetime) -> list[datetime]:
    """Return a time for each of several events that came at the same moment, in their order.

    Neighbours are a millisecond apart, events with equal ``contents`` a second. The last one is at ``last``.
    """
    times: list[datetime] = []
    first_of: dict[Hashable, datetime] = {}
    time = last
    for content in reversed(contents):
        if times:
            time -= _BETWEEN_EVENTS
        if content in first_of:
            time = min(time, first_of[content] - _BETWEEN_EQUAL_EVENTS)
        first_of[content] = time
        times.append(time)
    return times[::-1]
