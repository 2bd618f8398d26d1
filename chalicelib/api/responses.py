"""Responses of the API and the one table of statuses. docs/api.md describes them. No Chalice here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib import errors
from chalicelib.errors import PersonalizeApiError
from chalicelib.observability import Values

_STATUSES: Mapping[type[PersonalizeApiError], tuple[int, str]] = {
    errors.InvalidRequestError: (400, "BadRequestError"),
    errors.NotFoundError: (404, "NotFoundError"),
    errors.ThrottledError: (429, "TooManyRequestsError"),
    errors.MisconfiguredError: (502, "BadGatewayError"),
    errors.UnavailableError: (503, "ServiceUnavailableError"),
}
"""Of the errors that a request can meet. Any other error is a fault of ours: see ``crash``."""

_RETRY_AFTER_SECONDS = {429: "1", 503: "5"}
"""A throttle passes with the second that it counts. An outage does not."""


@dataclass(frozen=True)
class ApiResponse:
    """What the client gets, the metrics that go with it, and for the log why it failed.

    A metric has one value, or a list with one for each list of items in the response. ``is_personal`` is
    False for what is the same for everybody.
    """

    status: int
    body: Mapping[str, Any]
    counts: Mapping[str, Values] = field(default_factory=dict)
    reason: str | None = None
    is_personal: bool = True

    @property
    def headers(self) -> dict[str, str]:
        """The headers beside those of CORS."""
        headers = {"Cache-Control": "no-store"} if self.is_personal else {}
        if self.status in _RETRY_AFTER_SECONDS:
            headers["Retry-After"] = _RETRY_AFTER_SECONDS[self.status]
        return headers


def failure(error: Exception) -> ApiResponse:
    """Return the documented response to an error. Only what is not the caller's doing has a reason to log."""
    if not isinstance(error, PersonalizeApiError) or type(error) not in _STATUSES:
        return crash(error)
    status, code = _STATUSES[type(error)]
    reason = None if status < 429 else f"{type(error).__name__}: {error}"
    return ApiResponse(status, problem(code, str(error)), reason=reason)


def crash(error: Exception) -> ApiResponse:
    """Return the response to a fault of ours. The caller learns that, and nothing about our insides."""
    return ApiResponse(
        500,
        problem("InternalServerError", "An internal error occurred. The operator will find it in the log."),
        reason=type(error).__name__,
    )


def problem(code: str, message: str) -> dict[str, Any]:
    """Return the body of every error."""
    return {"Code": code, "Message": message}
