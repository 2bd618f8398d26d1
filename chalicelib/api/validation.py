"""The response of /history?validate=true: what would be sent to Personalize, and what is wrong. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib import timestamps
from chalicelib.api.responses import ApiResponse, failure
from chalicelib.errors import InvalidRequestError

if TYPE_CHECKING:
    from chalicelib.api.submissions import EventResult
    from chalicelib.records import Record


def to_response(results: Sequence[EventResult], *, tracking_id: str) -> ApiResponse:
    """Return ``{"Valid", "Invalid", "Results"}``. A result has Index, and Call or Code, Field and Message.

    ``Call`` has the arguments of the call for this event alone, times as RFC 3339. An id that would be random
    is left out.
    """
    valid = sum(result.accepted for result in results)
    told = [{"Index": index, **_told(result, tracking_id)} for index, result in enumerate(results)]
    return ApiResponse(200, {"Valid": valid, "Invalid": len(results) - valid, "Results": told})


def _told(result: EventResult, tracking_id: str) -> dict[str, Any]:
    if result.record is not None:
        return {"Call": _call(result.record, tracking_id)}
    assert isinstance(result.error, InvalidRequestError)  # noqa: S101 - nothing else makes an event invalid
    return {**failure(result.error).body, "Field": result.error.field}


def _call(record: Record, tracking_id: str) -> Mapping[str, Any]:
    entry = {
        name: timestamps.to_rfc3339(value) if isinstance(value, datetime) else value
        for name, value in record.entry.items()
        if name != "eventId" or not record.has_random_id
    }
    kind = record.type
    return {"trackingId": tracking_id, **kind.shared_arguments(record.body), kind.ENTRIES_ARGUMENT: [entry]}
