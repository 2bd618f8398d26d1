"""Puts the engine together, serves it, and takes it down again."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import uvicorn

from local.personalize.background import GroupCommit, Refitter
from local.personalize.connections import Connections
from local.personalize.control import Control
from local.personalize.engine import Engine
from local.personalize.errors import StartError
from local.personalize.imports import read_folder
from local.personalize.server import Parts, create_app
from local.personalize.store import Store

HOST = "127.0.0.1"
# Answers under way get this long; then they are cut off, so that a stop is never slow.
_STOP_SECONDS = 1
_BACKLOG = 512


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)


def run(port: int, data: Path, database: Path, *, stop_with_stdin: bool = False) -> None:
    """Serves until told to stop. Raises StartError when the engine cannot start."""
    with closing(listen(port)) as listener, _engine_parts(data, database) as (parts, remembered):
        connections = parts.connections
        config = uvicorn.Config(
            create_app(parts),
            http=connections.protocol_class(),
            lifespan="off",
            access_log=False,
            log_level="warning",
            backlog=_BACKLOG,
            server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        server = _Server(config, parts.stopping)
        if stop_with_stdin:
            threading.Thread(target=_stop_at_end_of_stdin, args=(server,), daemon=True).start()
        sizes = parts.engine.sizes()
        print(
            f"Personalize engine ready at {_url(listener)}: {sizes['items']:,} items, "
            f"{sizes['interactions']:,} interactions, {remembered:,} events remembered.",
            flush=True,
        )
        _serve(server, listener)


@contextmanager
def _engine_parts(data: Path, database: Path) -> Iterator[tuple[Parts, int]]:
    refitter = Refitter()
    engine = Engine(_new_id, refitter.request)
    with _without_garbage_collection():
        folder = read_folder(data)
        store = Store(database, _new_id)
        engine.load(folder)
        events = list(store.events())
        engine.recall(store.records("item"), events)
        remembered = len(events)
        del folder, events
    engine.refit()
    commits = GroupCommit(store, engine.accept)
    parts = Parts(
        engine, commits, Connections(), Control(engine, commits), time.time, _new_id, asyncio.Event()
    )
    with refitter.running(engine.refit):
        try:
            yield parts, remembered
        finally:
            commits.close()


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Loading makes millions of objects and no cycles: looking for them takes a third of the time.

    What was loaded stays; set apart, it does not hold up the answers that come later either.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def listen(port: int) -> socket.socket:
    """Return a socket that listens on 127.0.0.1. StartError for a port that is taken.

    On no other address: whoever reaches the engine can read every event. It has no authentication, by design.
    """
    # The protocol is named because asyncio switches Nagle's algorithm off only where it is. With Nagle, an
    # answer whose headers and body are written one after the other takes 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        # At once, not when serving starts: two programs may bind the same port as long as neither listens.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        remedy = (
            "stop the program that uses it, or choose another one (--port; under make run ENGINE_PORT=...)."
        )
        raise StartError(f"Port {port} on {HOST} cannot be had ({error.strerror}): {remedy}") from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    def stop(*_: object) -> None:
        server.should_exit = True

    # For a signal that comes before uvicorn listens to it, and for the one that it raises once more at its
    # end: caught here, the status stays 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    asyncio.run(server.serve(sockets=[listener]))


def _stop_at_end_of_stdin(server: uvicorn.Server) -> None:
    # Not through sys.stdin: its lock, held by this thread, would end the interpreter with an error.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    server.should_exit = True


def _new_id() -> str:
    return str(uuid.uuid4())
