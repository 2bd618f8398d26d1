"""Keeps web pages out of the servers of ``make run``: an ASGI application in front of another one.

A server on 127.0.0.1 is open to every page that the developer's browser shows. The emulator runs any code
that it is given, so a page that reaches it runs code as the developer. The guard refuses what a page sends:

- a ``Host`` that is not 127.0.0.1 or localhost with the server's own port: a name that an attacker let point
  here (DNS rebinding);
- an ``Origin``, or a ``Sec-Fetch-Site`` that says that another page made the request.

Programs (curl, the AWS SDKs) send neither header. The deployed API is what pages are meant to call: its paths
may be opened with ``public``, and CORS and the API key decide there.
"""

from __future__ import annotations

import asyncio
import posixpath
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

HOST_NAMES = ("127.0.0.1", "localhost")
_HTTP_PORT = 80
_SAME_PAGE = (b"none", b"same-origin")
"""Values of Sec-Fetch-Site for an address that the user typed, and for a page of this very server."""

API_PATH = re.compile(r"/_aws/execute-api/[^/]+/.+")
"""Paths of the emulator that it hands to a deployed API: ``/_aws/execute-api/API/STAGE/...``. It takes
shorter ones for calls of AWS services."""


class OriginGuard:
    """Refuses requests of web pages with 403 and hands all others to ``app``.

    ``public`` matches the paths that pages may call. ``max_public_requests`` bounds how many of those are in
    ``app`` at a time; the others wait here. None: no bound.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        public: re.Pattern[str] | None = None,
        max_public_requests: int | None = None,
    ) -> None:
        self._app = app
        self._public = public
        self._max_public_requests = max_public_requests
        self._places: asyncio.Semaphore | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        public = self._public is not None and is_below(scope["path"], self._public)
        problem = refusal(scope, public=public)
        if problem is not None:
            await _refuse(scope, receive, send, problem)
        elif public and self._max_public_requests is not None:
            # Made here: a semaphore belongs to the event loop that first waits for it.
            self._places = self._places or asyncio.Semaphore(self._max_public_requests)
            async with self._places:
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def is_below(path: str, pattern: re.Pattern[str]) -> bool:
    """Whether a decoded path matches and means what it says.

    A path with ``..``, ``//``, ``%`` or a backslash may lead elsewhere once somebody normalises it, so it
    matches nothing.
    """
    plain = posixpath.normpath(path) == path.removesuffix("/") and not any(mark in path for mark in "%\\\0")
    return plain and pattern.fullmatch(path) is not None


def refusal(scope: Mapping[str, Any], *, public: bool) -> str | None:
    """Return the sentence that refuses a request, or None for one that may pass.

    ``scope`` is that of ASGI (asgi.readthedocs.io/en/latest/specs/www.html). Headers are compared as bytes:
    what is not plain ASCII is refused.
    """
    port = scope["server"][1]
    if not _is_own_host(_values(scope, b"host"), port):
        return (
            f"This server answers to {HOST_NAMES[0]}:{port} and {HOST_NAMES[1]}:{port} only. Use one of them "
            "as the host. For S3, use path-style addresses."
        )
    if public:
        return None
    if _values(scope, b"origin") or any(
        value not in _SAME_PAGE for value in _values(scope, b"sec-fetch-site")
    ):
        return "Web pages may call the deployed API only. Call this address from a program, such as curl."
    return None


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
        # Closed before it is accepted: the server answers the handshake with 403.
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    # Read and forgotten: a response before the end of the request may reach the client as a reset.
    while (await receive()).get("more_body"):
        pass
    body = problem.encode() + b"\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
