"""Keeps web pages out of the servers of ``make run``: an ASGI application in front of another one.

A server on 127.0.0.1 is open to every page that the developer's browser shows. The emulator runs any code
that it receives, so a page that reaches it runs code as the developer. The guard refuses:

- a ``Host`` that is not 127.0.0.1 or localhost with the server's own port: a name that an attacker let point
  here (DNS rebinding);
- an ``Origin``, and a ``Sec-Fetch-Site`` that says that another page made the request;
- from a browser, everything but a GET. ``Sec-Fetch-Site: none`` is no proof of the user's will: a browser
  keeps it when a page that the user opened redirects. In the emulator a query can be a call of a service, so
  there a browser's GET must not have one.

A server that has a page of its own lets that page do more (``own_page``): requests whose ``Origin`` is this
very address, which a browser sends with every request but GET and HEAD.

Programs (curl, the AWS SDKs) send none of these headers. The deployed API is what pages are meant to call:
its paths may be opened with ``public``, and CORS and the API key decide there.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

HOST_NAMES = ("127.0.0.1", "localhost")
_HTTP_PORT = 80
_NO_OTHER_PAGE = (b"none", b"same-origin")
"""Values of Sec-Fetch-Site for an address that the user typed, and for a page of this very server."""

API_PATH = re.compile(r"/_aws/execute-api/[^/]+/.+")
"""Paths of the emulator that reach a deployed API: ``/_aws/execute-api/API/STAGE/...``. The emulator takes
shorter paths for calls of AWS services."""


class OriginGuard:
    """Refuses requests of web pages with 403 and hands the others to ``app``.

    ``public`` matches the paths that pages may call; they go to ``public_app``. ``queries`` says whether a
    browser's GET may have a query on the other paths, ``own_page`` whether pages of this very server may
    make every request.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        public: re.Pattern[str] | None = None,
        public_app: AsgiApp | None = None,
        queries: bool = False,
        own_page: bool = False,
    ) -> None:
        self._app = app
        self._public = public
        self._public_app = public_app or app
        self._queries = queries
        self._own_page = own_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        public = self._public is not None and is_below(scope["path"], self._public)
        problem = refusal(scope, public=public, queries=self._queries, own_page=self._own_page)
        if problem is not None:
            await _refuse(scope, receive, send, problem)
        else:
            await (self._public_app if public else self._app)(scope, receive, send)


def is_below(path: str, pattern: re.Pattern[str]) -> bool:
    """Return whether a decoded path matches and cannot mean another path.

    A path with ``..``, ``//``, ``%`` or a backslash may lead elsewhere once it is normalised, so it matches
    nothing.
    """
    plain = posixpath.normpath(path) == path.removesuffix("/") and not any(mark in path for mark in "%\\\0")
    return plain and pattern.fullmatch(path) is not None


def refusal(
    scope: Mapping[str, Any], *, public: bool, queries: bool = False, own_page: bool = False
) -> str | None:
    """Return the sentence that refuses a request, or None for a request that may pass.

    ``scope`` is that of ASGI (asgi.readthedocs.io/en/latest/specs/www.html). Headers are compared as bytes: a
    header that is not plain ASCII is refused.
    """
    port = scope["server"][1]
    if not _is_own_host(_values(scope, b"host"), port):
        return (
            f"This server takes the hosts {HOST_NAMES[0]}:{port} and {HOST_NAMES[1]}:{port} only. For S3, "
            "use path-style addresses."
        )
    if public or (own_page and _is_from_own_page(scope)):
        return None
    sites = _values(scope, b"sec-fetch-site")
    if _values(scope, b"origin") or any(site not in _NO_OTHER_PAGE for site in sites):
        return "Web pages may call the deployed API only. Call this address from a program, such as curl."
    reads = scope.get("method") in ("GET", "HEAD") and (queries or not scope.get("query_string"))
    if sites and not reads:
        return (
            "A browser may only look here, without a query. Call this address from a program, such as curl."
        )
    return None


def _is_from_own_page(scope: Mapping[str, Any]) -> bool:
    """Return whether the browser says that a page of this address made the request.

    The page has the same name of this machine and the same port: its origin is that of ``Host``, which was
    judged before.
    """
    (host,) = _values(scope, b"host")
    sites = _values(scope, b"sec-fetch-site")
    own = _values(scope, b"origin") == [b"http://" + host.lower()]
    return own and all(site == b"same-origin" for site in sites)


def _is_own_host(values: list[bytes], port: int) -> bool:
    own = {f"{name}:{port}".encode() for name in HOST_NAMES}
    if port == _HTTP_PORT:  # clients leave this one out
        own |= {name.encode() for name in HOST_NAMES}
    return len(values) == 1 and values[0].lower() in own


def _values(scope: Mapping[str, Any], name: bytes) -> list[bytes]:
    return [value.strip() for header, value in scope["headers"] if header.lower() == name]


async def _refuse(scope: Scope, receive: Receive, send: Send, problem: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        # Closed before it is accepted: the server responds to the handshake with 403.
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    # Read and dropped: a response before the end of the request may reach the client as a reset.
    while (await receive()).get("more_body"):
        pass
    await send_text(send, 403, problem)


async def send_text(send: Send, status: int, text: str) -> None:
    """Send a whole response of plain text."""
    body = text.encode() + b"\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
