"""Lets a few requests at a time into an ASGI application: the others wait, and none is refused for it.

A place is held only while the application works. The body is read before, and the response is sent after, so
a client that is slow or silent holds no place.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from local.origin_guard import AsgiApp, Message, Receive, Scope, Send, send_text

MAX_BODY_BYTES = 10 * 1024 * 1024
"""Of API Gateway (docs.aws.amazon.com/apigateway/latest/developerguide/limits.html)."""
MAX_BODY_SECONDS = 20.0


class RequestQueue:
    """``max_requests`` are in ``app`` at a time. A websocket is no request and does not wait."""

    def __init__(
        self, app: AsgiApp, *, max_requests: int, max_body_seconds: float = MAX_BODY_SECONDS
    ) -> None:
        self._app = app
        self._max_requests = max_requests
        self._max_body_seconds = max_body_seconds
        self._places: asyncio.Semaphore | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await asyncio.wait_for(_read_body(receive), self._max_body_seconds)
        except asyncio.TimeoutError:
            await send_text(
                send, 408, f"The body did not arrive within {self._max_body_seconds:.0f} seconds."
            )
            return
        except _BodyTooLargeError:
            await send_text(send, 413, f"The body must not be larger than {MAX_BODY_BYTES} bytes.")
            return
        if body is None:
            return  # the client has gone
        for message in await self._respond(scope, receive, body):
            await send(message)

    async def _respond(self, scope: Scope, receive: Receive, body: bytes) -> list[Message]:
        """Return the messages of the application's response; none for a client that left while it waited."""
        # Made here: a semaphore belongs to the event loop that first waits for it.
        self._places = self._places or asyncio.Semaphore(self._max_requests)
        if not await _take_place(self._places, receive):
            return []
        messages: list[Message] = []
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_whole() -> Message:
            return unread.pop() if unread else await receive()

        async def keep(message: Message) -> None:
            messages.append(message)

        try:
            await self._app(scope, receive_whole, keep)
        finally:
            self._places.release()
        return messages


class _BodyTooLargeError(Exception):
    pass


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body, or None when the client left before its end."""
    body = bytearray()
    too_large = False
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if not too_large:
            body += message.get("body", b"")
            too_large = len(body) > MAX_BODY_BYTES
        if not message.get("more_body"):
            if too_large:
                raise _BodyTooLargeError
            return bytes(body)


async def _take_place(places: asyncio.Semaphore, receive: Receive) -> bool:
    """Wait for a place and return True, or return False when the client leaves before."""
    if not places.locked():
        await places.acquire()
        return True
    place = asyncio.ensure_future(places.acquire())
    gone = asyncio.ensure_future(receive())
    await asyncio.wait({place, gone}, return_when=asyncio.FIRST_COMPLETED)
    if place.done():
        gone.cancel()
        return True
    place.cancel()
    with suppress(asyncio.CancelledError):
        await place
        places.release()  # taken after all, in the moment of the cancellation
    return False
