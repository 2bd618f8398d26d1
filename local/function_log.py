"""The newest log lines of the functions, numbered, and the address at which the emulator offers them.

CloudWatch Logs of MiniStack makes a log stream of each invocation and searches all of them at each call. Here
a reader names the number of the last line that it has, and gets those after it: no other line is touched.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from urllib.parse import parse_qs

from local.origin_guard import AsgiApp, Receive, Scope, Send

PATH = "/_local/function-log"
MAX_BYTES = 4_000_000
"""Of all lines that are kept for a reader. It reads four times a second."""
_BYTES_PER_LINE = 200
"""What a line needs beside its text."""


@dataclass(frozen=True)
class LogPage:
    """The lines after a number: (time in ms, text), oldest first.

    ``last`` is the number of the last line. ``dropped`` are the lines in between that are kept no more.
    """

    last: int
    dropped: int
    lines: list[tuple[int, str]]


class FunctionLog:
    """Lines of all functions in the order in which they were written, at most ``max_bytes`` of them."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lines: deque[tuple[int, str]] = deque()
        self._bytes = 0
        self._last = 0
        self._lock = threading.Lock()

    def add(self, lines: Iterable[tuple[int, str]]) -> None:
        """Add lines of one invocation. No other line comes between them."""
        with self._lock:
            for line in lines:
                self._lines.append(line)
                self._bytes += _size(line)
                self._last += 1
            while self._bytes > self._max_bytes:
                self._bytes -= _size(self._lines.popleft())

    def after(self, number: int) -> LogPage:
        """Return the lines after the one with this number. The first line has the number 1."""
        with self._lock:
            wanted = max(0, self._last - number)
            lines = list(islice(reversed(self._lines), wanted))
            return LogPage(self._last, wanted - len(lines), lines[::-1])


def _size(line: tuple[int, str]) -> int:
    return len(line[1].encode("utf-8", "surrogatepass")) + _BYTES_PER_LINE


class FunctionLogServer:
    """Responds to ``GET PATH?after=NUMBER`` (default 0) with a LogPage as JSON.

    Other requests go to ``app``.
    """

    def __init__(self, app: AsgiApp, log: FunctionLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        number = parse_qs(scope["query_string"].decode()).get("after", ["0"])[0]
        body = json.dumps(asdict(self._log.after(int(number)))).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
