"""The console's server in a thread of its program: it listens at once, and serves when there is a page.

What it takes to serve is loaded meanwhile, in the thread: it would delay the start of the stack otherwise.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from local import loopback

if TYPE_CHECKING:
    import uvicorn

    from local.console.page import Page


class ConsoleError(Exception):
    """The console cannot be served. The message says what to do."""


class Console:
    """A server at ``url``. Requests wait until ``show`` gives it a page."""

    def __init__(self, listener: socket.socket) -> None:
        self.url = loopback.url_of(listener)
        self._listener = listener
        self._pages: queue.SimpleQueue[Page | None] = queue.SimpleQueue()
        self._server: uvicorn.Server | None = None
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)
        self._thread.start()

    def show(self, page: Page) -> None:
        """Serve the page from now on."""
        self._pages.put(page)

    def has_ended(self) -> bool:
        """Return whether the server has ended though nobody stopped it."""
        return not self._thread.is_alive() and not self._is_stopping

    def stop(self) -> None:
        """End the server. May be repeated."""
        self._is_stopping = True
        self._pages.put(None)
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        from local.console.server import create_server  # noqa: PLC0415 - see above

        page = self._pages.get()
        if page is not None:
            if page.local is not None:  # beside the start, so that the first page does not wait for it
                threading.Thread(target=page.local.prepare, name="catalogue", daemon=True).start()
            self._server = create_server(page)
            if not self._is_stopping:
                self._server.run(sockets=[self._listener])


@contextmanager
def running_console(port: int, how_to_choose: str) -> Iterator[Console]:
    """Run a console for the length of a with statement. Port 0 takes a free port.

    Raises ConsoleError for a port that is taken. ``how_to_choose`` is the command line with another port.
    """
    try:
        listener = loopback.listen(port)
    except OSError as error:
        raise ConsoleError(
            f"Port {port} on {loopback.HOST} cannot be used for the console ({error.strerror}). Stop the "
            f"program that uses it, or choose another port ({how_to_choose})."
        ) from error
    console = Console(listener)
    try:
        yield console
    finally:
        console.stop()
