"""A guard against web pages for the servers of ``make run``: an ASGI application in front of another one.

Every page in the developer's browser can reach a server on 127.0.0.1. The emulator runs any code that a
request contains, so a page could run code as the developer. The guard refuses the requests of pages, which
have:

- a ``Host`` that is not 127.0.0.1 or localhost with the server's own port: an attacker can let another name
  resolve to 127.0.0.1 (DNS rebinding);
- an ``Origin``, or a ``Sec-Fetch-Site`` that names another page as the source.

Programs (curl, the AWS SDKs) send neither header. Pages are meant to call the deployed API only: ``public``
opens its paths, where CORS and the API key decide.
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
"""Values of Sec-Fetch-Site for an address that the user typed, and for a page of this server itself."""

API_PATH = re.compile(r"/_aws/execute-api/[^/]+/.+")
"""Paths that the emulator sends to a deployed API: ``/_aws/execute-api/API/STAGE/...``. A shorter path is a
call to an AWS service for the emulator."""


class OriginGuard:
    """An ASGI application that refuses requests of web pages with 403 and passes all others to ``app``.

    ``public`` matches the paths that pages may call. At most ``max_public_requests`` of those requests are in
    ``app`` at a time, and the others wait. None: no limit.
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
        self._semaphore: asyncio.Semaphore | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        public = self._public is not None and is_below(scope["path"], self._public)
        problem = refusal(scope, public=public)
        if problem is not None:
            await _refuse(scope, receive, send, problem)
        elif public and self._max_public_requests is not None:
            # Created here: a semaphore belongs to the event loop that first waits for it.
            self._semaphore = self._semaphore or asyncio.Semaphore(self._max_public_requests)
            async with self._semaphore:
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def is_below(path: str, pattern: re.Pattern[str]) -> bool:
    """Return whether a decoded path matches ``pattern`` and is in its normal form.

    A path with ``..``, ``//``, ``%`` or a backslash is another path when a program normalises it. So it
    matches no pattern.
    """
    plain = posixpath.normpath(path) == path.removesuffix("/") and not any(mark in path for mark in "%\\\0")
    return plain and pattern.fullmatch(path) is not None


def refusal(scope: Mapping[str, Any], *, public: bool) -> str | None:
    """Return the sentence that refuses a request, or None for a request that may pass.

    ``scope`` is ASGI's (asgi.readthedocs.io/en/latest/specs/www.html). Headers are compared as bytes, so a
    header with other characters than ASCII is refused.
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
    if port == _HTTP_PORT:  # clients leave out the default port
        own |= {name.encode() for name in HOST_NAMES}
    return len(values) == 1 and values[0].lower() in own


def _values(scope: Mapping[str, Any], name: bytes) -> list[bytes]:
    return [value.strip() for header, value in scope["headers"] if header.lower() == name]


async def _refuse(scope: Scope, receive: Receive, send: Send, problem: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        # Closed before it is accepted: the server's response to the handshake is 403.
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    # Read the whole request first: after an early response, the client may see a reset connection instead.
    while (await receive()).get("more_body"):
        pass
    body = problem.encode() + b"\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
