"""A listening socket of this machine, for the servers that run inside a program of ours."""

from __future__ import annotations

import argparse
import socket

HOST = "127.0.0.1"
MAX_WAITING_CONNECTIONS = 512
HIGHEST_PORT = 65535


def port_number(text: str, *, lowest: int = 0) -> int:
    """Return the port that an option gives. Raises argparse.ArgumentTypeError for what is none."""
    if not text.isdecimal() or not lowest <= int(text) <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port: give a number from {lowest} to {HIGHEST_PORT}"
        )
    return int(text)


def listen(port: int) -> socket.socket:
    """Return a socket that listens on 127.0.0.1 and on no other address. Port 0 takes a free port.

    Raises OSError for a port that cannot be used.
    """
    # The protocol is given because asyncio switches Nagle's algorithm off only where it is given. With the
    # algorithm, a response whose headers and body are written one after the other takes 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        # Listen now, not when serving starts: two programs can bind one port while neither of them listens.
        listener.listen(MAX_WAITING_CONNECTIONS)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address of a server that accepts from a listening socket."""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"
