"""Resetting a client's connection: a fault of networks, which no HTTP framework offers."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

# Linger for zero seconds: closing sends a reset at once instead of an orderly end.
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Connections:
    """The open connections by the client's address. Hand `protocol_class()` to uvicorn as its `http`."""

    def __init__(self) -> None:
        self._transports: dict[Any, asyncio.Transport] = {}

    def protocol_class(self) -> type[asyncio.Protocol]:
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
        """Resets the connection that an ASGI request came in on."""
        transport = self._transports.get(tuple(scope["client"]))
        if transport is not None:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            transport.abort()


class ResetResponse(Response):
    """Answers nothing and resets the connection."""

    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._connections.reset(scope)
        # The server takes an application that returns early for a broken one and would log it.
        while (await receive())["type"] != "http.disconnect":
            pass
