"""Sends the requests of a client so that a call ends at its deadline, whatever the service does.

botocore's time-outs are for each operation of the socket: a response in small parts may take for ever, and a
retry begins with the full time again. Here one deadline stands over all tries of a call. No thread is needed:
the time that is left becomes the time-out of the next operation. Only the look-up of a host's name has no
time-out, as everywhere in Python.

botocore's events ``before-send`` and ``needs-retry`` let others send, and decide on a retry. What is sent,
and what a response means, stays botocore's.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError, HTTPClientError
from botocore.httpsession import ProxyConfiguration, get_cert_path
from botocore.utils import get_environ_proxies
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout, proxy_from_url
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from chalicelib.errors import ThrottledError, UnavailableError, from_botocore

if TYPE_CHECKING:
    from botocore.client import BaseClient

MAX_TRIES = 2
FIRST_PAUSE_SECONDS = 0.1
"""Before the second try, half of it drawn. A connection that broke is not waited for."""
SHORTEST_TRY_SECONDS = 0.05
"""With less time left, a second try would only be cut off."""
SECONDS_WITHOUT_DEADLINE = 4.0


class Transport:
    """Sends the requests of the client that it is attached to. Safe for several threads.

    ``chance`` returns a number from 0 to below 1, ``connections`` are kept open at most.
    """

    def __init__(
        self, *, chance: Callable[[], float], connections: int, ca_bundle: str | bool | None = None
    ) -> None:
        self._chance = chance
        self._connections = connections
        self._ca_bundle: Any = ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or True
        self._deadline = threading.local()

    def attach(self, client: BaseClient) -> None:
        """Let the client send through here. It must not have retries of its own.

        The certificates are loaded now and not within the time of the first call.
        """
        service = client.meta.service_model.service_id.hyphenize()
        url = client.meta.endpoint_url
        proxy = ProxyConfiguration(get_environ_proxies(url))
        self._proxy_url: str | None = proxy.proxy_url_for(url)
        options: dict[str, Any] = {"maxsize": self._connections}
        if url.startswith("https:"):
            options["ssl_context"] = ssl.create_default_context(cafile=get_cert_path(self._ca_bundle))
        if self._proxy_url:
            headers = proxy.proxy_headers_for(self._proxy_url)
            self._manager: PoolManager = proxy_from_url(self._proxy_url, proxy_headers=headers, **options)
        else:
            self._manager = PoolManager(**options)
        self._manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        register: Any = client.meta.events.register
        register(f"before-send.{service}", self.send)
        register(f"needs-retry.{service}", self.pause)

    @contextmanager
    def until(self, ends_at: float) -> Iterator[None]:
        """Give the calls of this thread a deadline, on the clock of ``time.monotonic``."""
        self._deadline.ends_at = ends_at
        try:
            yield
        finally:
            del self._deadline.ends_at

    def send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Return the complete response. HTTPClientError when there is none in time."""
        address = urlsplit(request.url)
        pool = self._manager.connection_from_host(address.hostname, address.port, address.scheme)
        seconds = max(self._seconds_left(), 0.001)
        try:
            response = pool.urlopen(
                request.method,
                # A proxy that sees the request has to be told where it goes.
                request.url if self._proxy_url and address.scheme == "http" else address.path,
                cast(bytes, request.body),
                cast("Mapping[str, str]", request.headers),
                retries=False,
                assert_same_host=False,
                # Half of it, because the handshake of TLS may take as long again.
                timeout=Timeout(connect=seconds / 2, total=seconds),
                preload_content=False,
                decode_content=False,
                enforce_content_length=True,
            )
            received = AWSResponse(request.url, response.status, cast(Any, response.headers), response)
            _all = received.content  # which reads the whole of it
        except (HTTPError, OSError) as error:
            raise HTTPClientError(error=error) from error
        return received

    def pause(
        self, response: Any, attempts: int, caught_exception: Exception | None, **_: Any
    ) -> float | None:
        """Return the seconds to wait before the next try, or None for no further try."""
        if attempts >= MAX_TRIES:
            return None
        pause = 0.0
        if caught_exception is None:
            _, parsed = response
            if not _is_worth_another_try(parsed):
                return None
            pause = FIRST_PAUSE_SECONDS * (0.5 + self._chance() / 2)
        elif not isinstance(caught_exception, HTTPClientError):
            return None
        return pause if self._seconds_left() >= pause + SHORTEST_TRY_SECONDS else None

    def _seconds_left(self) -> float:
        ends_at = getattr(self._deadline, "ends_at", None)
        return SECONDS_WITHOUT_DEADLINE if ends_at is None else ends_at - time.monotonic()


def _is_worth_another_try(parsed: Any) -> bool:
    """Return whether a response says that the service throttles or fails for now."""
    if "Error" not in parsed:
        return False
    error = from_botocore(ClientError(parsed, ""), "")
    return isinstance(error, (ThrottledError, UnavailableError))


class _WithinTimeout(RawIOBase):
    """What a socket receives, until the time-out that it had at the start has passed once."""

    def __init__(self, received: RawIOBase, sock: socket.socket) -> None:
        self._received = received
        self._sock = sock
        self._ends_at = time.monotonic() + (sock.gettimeout() or SECONDS_WITHOUT_DEADLINE)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        seconds_left = self._ends_at - time.monotonic()
        if seconds_left <= 0:
            raise TimeoutError("The response was not complete in time.")
        self._sock.settimeout(seconds_left)
        return self._received.readinto(buffer)

    def close(self) -> None:
        self._received.close()
        super().close()


class _Response(HTTPResponse):
    """A response that has to be complete, headers and body, within the time-out of its socket."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = BufferedReader(_WithinTimeout(self.fp.detach(), sock))


class _WithDeadline:
    """A connection whose time-outs are those of the present call."""

    response_class: Any = _Response
    host: str
    port: int
    sock: Any
    timeout: Any
    socket_options: Any

    def request(self, *arguments: Any, **options: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(self.timeout)  # the socket still has that of the last call
        super().request(*arguments, **options)  # type: ignore[misc]

    def _new_conn(self) -> socket.socket:
        """Return a socket within the time-out, however many addresses the host has.

        urllib3 gives each address the whole time. Here they share it, so that one that is dead leaves some.
        """
        ends_at = time.monotonic() + self.timeout
        addresses = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        error: OSError = TimeoutError("No address responded in time.")
        for untried, (family, kind, protocol, _, address) in zip(
            range(len(addresses), 0, -1), addresses, strict=True
        ):
            connection = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    connection.setsockopt(*option)
                connection.settimeout(max((ends_at - time.monotonic()) / untried, 0.001))
                connection.connect(address)
            except OSError as raised:
                connection.close()
                error = raised
            else:
                connection.settimeout(max(ends_at - time.monotonic(), 0.001))
                return connection
        raise error


class _Connection(_WithDeadline, HTTPConnection):
    pass


class _SecureConnection(_WithDeadline, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
