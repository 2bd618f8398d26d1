"""Faults of the network: a connection that is reset, a response that stops. HTTP frameworks have neither."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

# SO_LINGER with zero seconds: closing the socket sends RST instead of FIN.
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Connections:
    """The open connections by the client's address. uvicorn takes ``protocol_class()`` as its ``http``."""

    def __init__(self) -> None:
        self._transports: dict[Any, asyncio.Transport] = {}

    def protocol_class(self) -> type[asyncio.Protocol]:
        """Return a protocol of uvicorn that registers its connections here."""
        transports = self._transports

        class TrackedProtocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                self.peer = transport.get_extra_info("peername")[:2]
                transports[self.peer] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop(self.peer, None)
                super().connection_lost(exc)

        return TrackedProtocol

    def reset(self, scope: Mapping[str, Any]) -> None:
        """Reset the connection of an ASGI request."""
        transport = self._transports.get(tuple(scope["client"]))
        if transport is not None:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            transport.abort()


class ResetResponse(Response):
    """A response that sends nothing and resets the connection."""

    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._connections.reset(scope)
        # Wait for the end of the connection: the server logs an error when an application returns early.
        while (await receive())["type"] != "http.disconnect":
            pass


class StalledResponse(Response):
    """The headers and half of the body of a response, then nothing more. Without a body, nothing is sent.

    It ends when the client leaves. When ``stopping`` is set, or after ``seconds``, it resets the connection.
    """

    def __init__(
        self, whole: Response, connections: Connections, stopping: asyncio.Event, seconds: float
    ) -> None:
        super().__init__()
        self._whole = whole
        self._connections = connections
        self._stopping = stopping
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._whole.body:
            await self._send_half(send)
        reset = asyncio.create_task(self._reset_later(scope))
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            reset.cancel()

    async def _send_half(self, send: Send) -> None:
        whole = self._whole
        half = whole.body[: len(whole.body) // 2]
        await send({"type": "http.response.start", "status": whole.status_code, "headers": whole.raw_headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})

    async def _reset_later(self, scope: Scope) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), self._seconds)
        self._connections.reset(scope)
