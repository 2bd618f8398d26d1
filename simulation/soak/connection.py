"""A keep-alive connection to a server of this machine. It tells what was not sent from what was lost."""

from __future__ import annotations

import select
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 60.0


class NotSentError(Exception):
    """The connection could not be opened: the server has not seen the request."""


class NoResponseError(Exception):
    """The connection ended, or nothing came in time. The server may have done what was asked."""


@dataclass(frozen=True)
class Response:
    """A response. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Connection:
    """A connection to the server of ``url``. It opens again when the server has closed it."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        host = urlsplit(url)
        self._base = host.path
        self._connection = HTTPConnection(host.hostname or "", host.port, timeout=timeout_seconds)

    def request(
        self, method: str, path: str, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """Return the response. Raises NotSentError or NoResponseError."""
        if self.closed_by_server:
            self.close()
        if self._connection.sock is None:
            try:
                self._connection.connect()
            except OSError as error:
                raise NotSentError(str(error)) from error
        try:
            self._connection.request(method, self._base + path, content, dict(headers or {}))
            response = self._connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Response(response.status, received, response.read())
        except (OSError, HTTPException) as error:
            self.close()
            raise NoResponseError(str(error)) from error

    def close(self) -> None:
        """Close the connection. The next request opens it again."""
        self._connection.close()

    @property
    def closed_by_server(self) -> bool:
        """Whether the server has closed the idle connection. HTTP clients check it before they use one."""
        socket = self._connection.sock
        return socket is not None and bool(select.select([socket], [], [], 0)[0])
