"""The start, the HTTP server and the end of the engine's process."""

from __future__ import annotations

import asyncio
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

from local import loopback
from local.personalize.background import GroupCommit, Refitter
from local.personalize.connections import Connections
from local.personalize.control import Control
from local.personalize.engine import Engine
from local.personalize.errors import StartError
from local.personalize.imports import read_folder
from local.personalize.loading import load, without_garbage_collection
from local.personalize.server import Parts, create_app
from local.personalize.store import Store

# At a stop, requests in progress get this long. Then their connections are closed.
_STOP_SECONDS = 1


class _Server(uvicorn.Server):
    """A server that sets ``stopping`` before it waits for the requests in progress."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)


def run(port: int, data: Path, database: Path, *, stop_with_stdin: bool = False) -> None:
    """Serve until the engine is told to stop. Raises StartError when it cannot start."""
    with closing(listen(port)) as listener, _engine_parts(data, database) as (parts, event_count):
        connections = parts.connections
        config = uvicorn.Config(
            create_app(parts),
            http=connections.protocol_class(),
            lifespan="off",
            access_log=False,
            log_level="warning",
            backlog=loopback.MAX_WAITING_CONNECTIONS,
            server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        server = _Server(config, parts.stopping)
        if stop_with_stdin:
            threading.Thread(target=_stop_at_end_of_stdin, args=(server,), daemon=True).start()
        sizes = parts.engine.sizes()
        print(
            f"Personalize engine ready at {loopback.url_of(listener)}: {sizes['items']:,} items, "
            f"{sizes['interactions']:,} interactions, {event_count:,} events remembered.",
            flush=True,
        )
        _serve(server, listener)


@contextmanager
def _engine_parts(data: Path, database: Path) -> Iterator[tuple[Parts, int]]:
    refitter = Refitter()
    engine = Engine(_new_id, refitter.request)
    with without_garbage_collection():
        folder = read_folder(data)
        store = Store(database, _new_id)
        stored = store.contents()
        load(engine, folder, stored)
        event_count = len(stored.events)
        del folder, stored
    engine.refit()
    commits = GroupCommit(store, engine.accept)
    control = Control(engine, commits, data)
    parts = Parts(engine, commits, Connections(), control, time.time, _new_id, asyncio.Event())
    with refitter.running(engine.refit):
        try:
            yield parts, event_count
        finally:
            commits.close()


def listen(port: int) -> socket.socket:
    """Return a socket that listens on 127.0.0.1. Raises StartError for a port that is taken.

    It listens on no other address: the engine has no authentication, and a client can read all events.
    """
    try:
        return loopback.listen(port)
    except OSError as error:
        raise StartError(
            f"Port {port} on {loopback.HOST} cannot be used ({error.strerror}): stop the program that uses "
            "it, or choose another port (--port; with make run ENGINE_PORT=...)."
        ) from error


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    def stop(*_: object) -> None:
        server.should_exit = True

    # Handles a signal that comes before uvicorn has its own handlers, and the signal that uvicorn raises
    # again at its end. So the exit status is 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    asyncio.run(server.serve(sockets=[listener]))


def _stop_at_end_of_stdin(server: uvicorn.Server) -> None:
    # Not sys.stdin.read(): this thread would hold the lock of sys.stdin when the interpreter ends, an error.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    server.should_exit = True


def _new_id() -> str:
    return str(uuid.uuid4())
