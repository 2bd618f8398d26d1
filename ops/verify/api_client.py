"""Requests to the deployed API, as a client sends them. A status is a value here, and no error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from ops.errors import OpsError

TIMEOUT_SECONDS = 40.0
"""More than the 29 seconds after which API Gateway responds itself."""


class UnreachableError(OpsError):
    """The API did not respond."""


@dataclass(frozen=True)
class HttpResponse:
    """``headers`` have names in small letters. ``body`` is a JSON object; empty for any other body."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.status} {self.body.get('Code', '')}".strip()


class _NoRedirects(HTTPRedirectHandler):
    """Leaves a redirect as it is: urllib would send the key to wherever it points."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing."""


@dataclass(frozen=True)
class ApiClient:
    """The API at ``url``, which has no slash at its end. ``key`` opens it."""

    url: str
    key: str = field(repr=False)
    opener: OpenerDirector

    @classmethod
    def at(cls, url: str, key: str, *, is_local: bool) -> ApiClient:
        """Return the client. It follows no redirect.

        No proxy stands between two programs of this machine.
        """
        return cls(url, key, build_opener(_NoRedirects, *([ProxyHandler({})] if is_local else [])))

    def post(self, route: str, body: Any) -> HttpResponse:
        """Send JSON with the key."""
        return self.send("POST", route, json.dumps(body).encode(), {"x-api-key": self.key})

    def send(
        self, method: str, route: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> HttpResponse:
        """Send one request and return the response. Raises UnreachableError."""
        given = {"content-type": "application/json", **(headers or {})}
        # The address is that of the deployment, and nobody else's.
        request = Request(f"{self.url}/{route}", body, given, method=method)  # noqa: S310
        try:
            with self.opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                return _read(response)
        except HTTPError as error:
            with error:
                return _read(error)
        except (URLError, OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise UnreachableError(f"The API did not respond at {self.url}: {reason}.") from error


def _read(response: Any) -> HttpResponse:
    headers = {name.lower(): value for name, value in response.headers.items()}
    try:
        body = json.loads(response.read())
    except ValueError:
        body = {}
    return HttpResponse(response.status, headers, body if isinstance(body, dict) else {})
