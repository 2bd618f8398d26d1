"""Moments as clients write them (RFC 3339, or seconds since 1970) and as records hold them. Pure."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from chalicelib.errors import InvalidRequestError

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MAX_AHEAD = timedelta(days=1)
"""Clocks of clients are wrong by minutes, and by hours where the time zone is."""
_FIRST_TIME = datetime(1980, 1, 7, tzinfo=timezone.utc)
"""Clocks that were never set start in 1970 (Unix) or 1980 (DOS, GPS); no shop is older."""
_DEFAULTS = (datetime(2000, 1, 1, tzinfo=timezone.utc), datetime(2001, 1, 1, tzinfo=timezone.utc))
"""Where the clocks of many devices start, and Apple's reference date: that day, in whatever time zone."""
_DAY_BEFORE, _DAY_AFTER = timedelta(hours=14), timedelta(hours=36)
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
        raise InvalidRequestError.of(
            field,
            "is not a time since 1970. Send RFC 3339 with a time zone, such as 2026-01-31T12:00:00Z, or "
            "seconds since 1970.",
        )
    return moment


def check_time_of_event(moment: datetime, field: str, received_at: datetime) -> None:
    """Raise InvalidRequestError for a time at which nothing happened: one to come, or that of an unset clock.

    Personalize would take an event of the year 2099 for the user's latest until then.
    """
    if moment > received_at + MAX_AHEAD:
        raise InvalidRequestError.of(
            field,
            f"is more than a day ahead of {to_rfc3339(received_at)}, the time here. Correct the clock of the "
            "client. Milliseconds are to be divided by 1000.",
        )
    if moment < _FIRST_TIME or any(day - _DAY_BEFORE <= moment < day + _DAY_AFTER for day in _DEFAULTS):
        raise InvalidRequestError.of(
            field,
            f"is {to_rfc3339(moment)}, which a program writes for a time that was never set. Send the time "
            "of the event.",
        )


def in_milliseconds(moment: datetime) -> datetime:
    """Return the moment without microseconds: as a number of seconds, the last ones of 9999 are 10000."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


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
