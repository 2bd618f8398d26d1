"""The files of the page, and the headers of every response. No path of a request reaches the file system."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from local.origin_guard import AsgiApp, Message, Receive, Scope, Send

FOLDER = Path(__file__).parents[2] / "console"
INDEX = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
"""The kinds of files that are served. Others in the folder, such as notes, are not."""


def security_headers(api_origin: str) -> dict[str, str]:
    """Return the headers of every response. The page may call this server and the API, and nothing else."""
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        f"connect-src 'self' {api_origin}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "content-security-policy": "; ".join(policy),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }


class WithHeaders:
    """Adds headers to every response of ``app``, also to refusals and errors."""

    def __init__(self, app: AsgiApp, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Site:
    """The endpoint that serves the files of a folder."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    def files(self) -> dict[str, Path]:
        """Return the files by the path of their request. Links may lead elsewhere: none is served."""
        found = {
            f"/{path.relative_to(self._folder).as_posix()}": path
            for path in self._folder.rglob("*")
            if path.suffix in TYPES and path.is_file() and not path.is_symlink()
        }
        visible = {name: path for name, path in found.items() if "/." not in name}
        return visible | ({"/": visible[f"/{INDEX}"]} if f"/{INDEX}" in visible else {})

    def respond(self, request: Request) -> Response:
        """Return a file, 304 for one that the browser has already, or 404."""
        path = self.files().get(request.url.path)
        if path is None:
            return PlainTextResponse("There is no such page.\n", 404)
        content = path.read_bytes()
        headers = {"cache-control": "no-cache", "etag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, headers={**headers, "content-type": TYPES[path.suffix]})
