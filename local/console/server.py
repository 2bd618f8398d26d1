"""The console's application: its files, and the endpoints under ``/api/`` as JSON.

GET    /api/config      the stage, the address of its API, and what the page offers to choose from
GET    /api/items       the catalogue; ``?id=A&id=B`` for some items                    (local only)
GET    /api/pipeline    what became of events; ``?after=CURSOR`` for what has changed    (local only)
GET    /api/faults      the faults of the engine in force                                (local only)
PUT    /api/faults      other faults, as ``local/personalize/faults.py`` describes them  (local only)
DELETE /api/faults      no faults                                                        (local only)
POST   /api/bad-record  puts a record without EventType into the stream                  (local only)

An error is ``{"message": "..."}``: 400 refused, 404 not for this stage, 503 a part does not respond.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local import loopback
from local.console.page import Page, PartUnreachableError
from local.console.site import FOLDER, Site, WithHeaders, security_headers
from local.origin_guard import AsgiApp, OriginGuard

MAX_BODY_BYTES = 64 * 1024
# At the end, requests in progress get this long. Then their connections are closed.
_STOP_SECONDS = 1
_NOT_STORED = {"cache-control": "no-store"}
_LOCAL_ONLY = (
    "This is for the local stack only: nobody sees it of a deployed stage in a browser. Try 'make run'."
)


def create_app(page: Page, folder: Path = FOLDER) -> AsgiApp:
    """Return the application for a page."""
    site = Site(folder)
    endpoints = _Endpoints(page)
    application = Starlette(
        routes=[
            Route("/api/config", endpoints.config),
            Route("/api/items", endpoints.items),
            Route("/api/pipeline", endpoints.pipeline),
            Route("/api/faults", endpoints.faults, methods=["GET", "PUT", "DELETE"]),
            Route("/api/bad-record", endpoints.bad_record, methods=["POST"]),
            Route("/{path:path}", site.respond),
        ],
        middleware=[Middleware(OriginGuard, queries=True, own_page=True)],
        exception_handlers={PartUnreachableError: _unreachable},
    )
    address = urlsplit(page.api_url)
    return WithHeaders(application, security_headers(f"{address.scheme}://{address.netloc}"))


def create_server(page: Page) -> uvicorn.Server:
    """Return a server of the application. It logs no request."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(page),
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            backlog=loopback.MAX_WAITING_CONNECTIONS,
            server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
    )


class _Endpoints:
    """The handlers of ``/api/``. Those that wait run in a thread."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def config(self, request: Request) -> Response:
        return _json(self._page.config(f"http://{request.headers['host'].lower()}"))

    def items(self, request: Request) -> Response:
        local = self._page.local
        return _json(local.items(request.query_params.getlist("id"))) if local else _not_here()

    def pipeline(self, request: Request) -> Response:
        local = self._page.local
        return _json(local.pipeline(request.query_params.get("after", ""))) if local else _not_here()

    async def faults(self, request: Request) -> Response:
        local = self._page.local
        if local is None:
            return _not_here()
        body = await _body(request) if request.method == "PUT" else None
        if request.method == "PUT" and body is None:
            return _json({"message": f"The body must not be larger than {MAX_BODY_BYTES} bytes."}, 400)
        status, content = await run_in_threadpool(local.faults, request.method, body)
        return _json(content, status)

    def bad_record(self, request: Request) -> Response:
        local = self._page.local
        return _json(local.put_bad_record(), 202) if local else _not_here()


def _json(content: Any, status: int = 200) -> Response:
    return JSONResponse(content, status, _NOT_STORED)


def _not_here() -> Response:
    return _json({"message": _LOCAL_ONLY}, 404)


async def _body(request: Request) -> bytes | None:
    """Return the body; None for one that is too large, which is read and dropped."""
    received = bytearray()
    is_too_large = False
    async for chunk in request.stream():
        is_too_large = is_too_large or len(received) + len(chunk) > MAX_BODY_BYTES
        if not is_too_large:
            received += chunk
    return None if is_too_large else bytes(received)


async def _unreachable(request: Request, error: Exception) -> Response:
    return _json({"message": str(error)}, 503)
