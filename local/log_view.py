"""A view of the functions' log: each JSON line as one readable line, as it appears.

``show_log_lines()`` polls the emulator. The other public functions are pure; ``to_line()`` has the format.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from chalicelib import contract
from chalicelib.api import log_name
from local.function_log import PATH, LogPage

POLL_SECONDS = 0.25
TIMEOUT_SECONDS = 10
_TRACEBACK = "Traceback (most recent call last)"
EXPECTED_ERROR = "DeliveryIncompleteError"
_open = build_opener(ProxyHandler({})).open
_OPENAPI = Path(contract.__file__).parent / "openapi.json"
ROUTES = {
    log_name(operation["x-module"]): f"{method.upper()} {path}"
    for path, methods in json.loads(_OPENAPI.read_text("utf-8"))["paths"].items()
    for method, operation in methods.items()
    if "x-alias-of" not in operation
}
"""The routes by their name in log lines. Lines of an alias cannot be told from those of its route."""


def to_line(logged: str) -> str | None:
    """Return ``200 POST /recommendations 12 ms`` for a line of ``chalicelib.observability``.

    Lines of the platform give None. Any other line is returned as it is: it may explain a failure.
    """
    try:
        entry = json.loads(logged)
    except ValueError:
        text = logged.strip()
        return None if not text or text.startswith(("START ", "END ", "REPORT ")) else text
    if not isinstance(entry, dict):
        return logged.strip()
    message = entry.get("message")
    if message in ROUTES:
        return _request(ROUTES[message], entry, _number(entry, f"{message}Duration"))
    if message == "Delivery":
        return _delivery(entry, _number(entry, "DeliveryDuration"))
    return logged.strip()


def _request(route: str, entry: Mapping[str, Any], milliseconds: float) -> str:
    parts = [f"{entry.get('status')}  {route:<28} {milliseconds:6.0f} ms"]
    if "Accepted" in entry:
        parts.append(_counted(entry, "Accepted", "Rejected"))
    parts.append(_counted(entry, "SourceStale", "SourceFallback"))
    if entry.get("reason"):
        parts.append(str(entry["reason"]))
    return "  ".join(part for part in parts if part)


def _delivery(entry: Mapping[str, Any], milliseconds: float) -> str:
    calls = int(_number(entry, "PutEventsCalls"))
    parts = [
        f"---  {'delivery':<28} {milliseconds:6.0f} ms",
        _counted(entry, "Delivered", "Quarantined", "Retried"),
        f"in {calls} call{'' if calls == 1 else 's'}",
    ]
    parts += [f"{reason} ({count})" for reason, count in (entry.get("reasons") or {}).items()]
    return "  ".join(part for part in parts if part)


def _counted(entry: Mapping[str, Any], *names: str) -> str:
    counts = [(int(_number(entry, name)), name.removeprefix("Source").lower()) for name in names]
    return ", ".join(f"{count} {name}" for count, name in counts if count)


def _number(entry: Mapping[str, Any], name: str) -> float:
    """Return the value of a metric, which EMF writes as a number or as a list of numbers."""
    value = entry.get(name, 0)
    return float(sum(value)) if isinstance(value, list) else float(value)


def show_log_lines(emulator_url: str, show: Callable[[str], None], stop: threading.Event) -> None:
    """Show the functions' lines in the order in which they were written, until ``stop`` is set.

    The emulator offers them (``local.function_log``). It keeps the newest: how many were missed is said.
    """
    last = 0
    waiting: list[tuple[int, str]] = []
    while not stop.wait(POLL_SECONDS):
        page = read_page(emulator_url, last)
        if page is None:
            continue
        last = page.last
        if page.dropped:
            show(f"{page.dropped} lines of the functions' log are not shown: there were too many at once.")
        waiting += without_expected_end(page.lines) if page.dropped else page.lines
        # A traceback that goes on waits for the next page, for one.
        ready = len(waiting) - (unfinished_lines(waiting) if page.lines else 0)
        for at, text in without_expected_tracebacks(waiting[:ready]):
            readable = to_line(text)
            if readable is not None:
                show(f"{time.strftime('%H:%M:%S', time.localtime(at / 1000))}  {readable}")
        del waiting[:ready]


def read_page(emulator_url: str, last: int) -> LogPage | None:
    """Return the lines after the last one, or None when the emulator does not respond: it may be stopping."""
    try:
        with _open(f"{emulator_url}{PATH}?after={last}", timeout=TIMEOUT_SECONDS) as response:
            return LogPage(**json.load(response))
    except (OSError, HTTPException):
        return None


def without_expected_end(lines: Sequence[tuple[int, str]]) -> Sequence[tuple[int, str]]:
    """Return the lines without the end of an expected traceback whose beginning was dropped."""
    end = next((place for place, (_, text) in enumerate(lines) if not text.startswith(" ")), len(lines))
    return lines[end + 1 :] if end < len(lines) and EXPECTED_ERROR in lines[end][1] else lines


def unfinished_lines(lines: Sequence[tuple[int, str]]) -> int:
    """Return how many lines at the end are of a traceback whose last line is still to come."""
    start: int | None = None
    for place, (_, text) in enumerate(lines):
        if start is None:
            start = place if _TRACEBACK in text else None
        elif not text.startswith(" "):
            start = None
    return 0 if start is None else len(lines) - start


def without_expected_tracebacks(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Return the lines without the tracebacks of ``DeliveryIncompleteError``.

    The delivery's own line has the reasons already. The emulator writes a traceback line by line. The
    last line of a traceback is the first one that is not indented.
    """
    traceback: list[tuple[int, str]] = []
    for at, text in lines:
        if traceback or _TRACEBACK in text:
            traceback.append((at, text))
            if len(traceback) > 1 and not text.startswith(" "):
                if EXPECTED_ERROR not in text:
                    yield from traceback
                traceback = []
        else:
            yield at, text
    yield from traceback
