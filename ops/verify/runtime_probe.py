"""What a temporary function runs in Lambda: our clients on the runtime's botocore. It makes no call to AWS.

This file and the modules of chalicelib are its package.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import botocore
from botocore.awsrequest import AWSResponse

from chalicelib.clients import SERVICES, Clients

MILLISECONDS = 123


class _Empty:
    """A body without a byte."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield b"{}"


def handler(_event: Any, _context: Any) -> dict[str, str]:
    """Return botocore's version, and the body that PutEvents would send of a time with milliseconds."""
    clients = Clients(delivery_concurrency=1)
    bodies: list[bytes] = []

    def keep(request: Any, **_: Any) -> AWSResponse:
        bodies.append(request.body)
        raw: Any = _Empty()
        headers: Any = {}
        return AWSResponse(request.url, 200, headers, raw)

    client: Any = clients.personalize_events
    client.meta.events.register("before-send.personalize-events", keep)
    at = datetime(2026, 1, 1, 0, 0, 0, MILLISECONDS * 1000, timezone.utc)
    client.put_events(trackingId="t", sessionId="s", eventList=[{"eventType": "view", "sentAt": at}])
    for service in SERVICES:
        getattr(clients, service.replace("-", "_"))
    return {"botocore": botocore.__version__, "body": bodies[0].decode()}
