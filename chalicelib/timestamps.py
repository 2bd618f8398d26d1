"""Moments as clients write them (RFC 3339, or seconds since 1970) and as records hold them. Pure."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timezone

from chalicelib.errors import InvalidRequestError

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


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
