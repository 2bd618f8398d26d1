"""Lets a few requests at a time into an ASGI application: the others wait, and none is refused for it.

A place is held only while the application works. The body is read before, and the response is sent after, so
a client that is slow or silent holds no place. A body that is too large is refused as API Gateway does it.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from local.origin_guard import AsgiApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 10 * 1024 * 1024
"""Of API Gateway (docs.aws.amazon.com/apigateway/latest/developerguide/limits.html)."""
MAX_INVOCATION_BYTES = 6 * 1024 * 1024
"""Of Lambda (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""
MAX_BODY_SECONDS = 20.0
_ENVELOPE_BYTES = 50_000
_DOUBLED = (b'"', b"\\", b"\n", b"\r", b"\t")
"""Bytes that count twice in an invocation, where the body is a string of JSON (docs/api.md)."""


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
            sentence = f"The body did not arrive within {self._max_body_seconds:.0f} seconds."
            await _send_problem(send, 408, "REQUEST_TIMEOUT", sentence)
            return
        except _BodyTooLargeError:
            sentence = "The body is too large for Lambda. Send it in several requests."
            await _send_problem(send, 413, "REQUEST_TOO_LARGE", sentence)
            return
        if body is None:
            return  # the client has gone
        for message in await self._respond({**scope, "headers": _framed(scope, body)}, receive, body):
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
            if too_large or _invocation_bytes(body) > MAX_INVOCATION_BYTES:
                raise _BodyTooLargeError
            return bytes(body)


def _invocation_bytes(body: bytes | bytearray) -> int:
    return len(body) + sum(body.count(byte) for byte in _DOUBLED) + _ENVELOPE_BYTES


def _framed(scope: Scope, body: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request whose body has arrived.

    A request may have both framings, and MiniStack believes a length that is not that of the body.
    """
    kept = [
        each for each in scope["headers"] if each[0].lower() not in (b"content-length", b"transfer-encoding")
    ]
    return [*kept, (b"content-length", b"%d" % len(body))]


async def _send_problem(send: Send, status: int, code: str, message: str) -> None:
    """Send an error in the form of the API's own (docs/api.md)."""
    body = json.dumps({"Code": code, "Message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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
