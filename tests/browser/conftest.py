"""A real headless Chromium, and a server for pages of other origins."""

import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CLIENT = Path(__file__).parents[2] / "console" / "client.js"
ATTACKER = "attacker.example"
"""A name that resolves to 127.0.0.1, as after DNS rebinding."""


@pytest.fixture(scope="module")
def browser():
    """The browser stops with the module: while it runs, no other test of the process can use asyncio."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        sentence = "No Chromium is on the PATH. Install one: apt-get install chromium (or google-chrome)."
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not needed where there is no browser

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path, args=[f"--host-resolver-rules=MAP {ATTACKER} 127.0.0.1", "--disable-quic"]
        )
        yield started
        started.close()


@pytest.fixture
def page(browser):
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def page_server():
    """A server on one port for a whole module. ``pages`` has the HTML and the target of ``/redirect``.

    ``/client.js`` is the browser client.
    """

    class Server(ThreadingHTTPServer):
        pages: ClassVar = {"/": "", "/redirect": ""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/redirect":
                self.send_response(302)
                self.send_header("location", Server.pages["/redirect"])
                self.send_header("content-length", "0")
                self.end_headers()
                return
            content_type = "text/html"
            body = f"<!doctype html><title>Another page</title>{Server.pages['/']}".encode()
            if self.path == "/client.js":
                content_type, body = "text/javascript", CLIENT.read_bytes()
            self.send_response(200)
            self.send_header("content-type", f"{content_type}; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def other_origin(page_server):
    """``other_origin(html)`` serves a page and returns its port. The page has every name as its host.

    With ``redirect_to`` the path ``/redirect`` sends the browser to another address.
    """

    def serve(html, redirect_to=""):
        page_server.pages.update({"/": html, "/redirect": redirect_to})
        return page_server.server_port

    return serve
