"""The AWS services that a measurement calls, in memory. They respond at once or after a given time.

    with running_server(latency_seconds=0.02) as server:
        ...                # AWS_ENDPOINT_URL=server.url
        server.calls()     # {"PutEvents": 199}

The server is a process of its own, so that its work is not counted as ours. It reads only what it needs of a
request, validates nothing, and sends each response in one write.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import selectors
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"

_open = build_opener(ProxyHandler({})).open

ITEMS = 25


def _recommendations(**of_each_item: Any) -> bytes:
    items = [
        {"itemId": f"item-{n:04}", "score": round(0.0412345 / (n + 1), 7), **of_each_item}
        for n in range(ITEMS)
    ]
    response = {"itemList": items, "recommendationId": "RID-11111111-2222-3333-4444-555555555555"}
    return json.dumps(response, separators=(",", ":")).encode()


RECOMMENDATIONS = _recommendations()
WITH_METADATA = _recommendations(
    metadata={"GENRE": "Comedy|Drama", "YEAR": "1994"}, promotionName="new-titles", reason=["PromotedItem"]
)
STORED = {
    "SequenceNumber": "49590338271490256608559692538361571095921575989136588898",
    "ShardId": "shardId-000000000000",
}


@dataclass(frozen=True)
class Server:
    """A running server. ``url`` takes the calls of every service."""

    url: str

    def calls(self) -> dict[str, int]:
        """Return how often each operation was called since the last call of this method."""
        with _open(f"{self.url}/calls", timeout=5) as response:
            counts: dict[str, int] = json.load(response)
            return counts


@contextmanager
def running_server(latency_seconds: float = 0) -> Iterator[Server]:
    """Run the server on a free port of 127.0.0.1 until the with statement ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.server", "--latency-seconds", str(latency_seconds)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - for the type checker: PIPE was given
        yield Server(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.communicate()


class _Connection(asyncio.Protocol):
    def __init__(self, latency_seconds: float, counts: Counter[str]) -> None:
        self._latency_seconds = latency_seconds
        self._counts = counts
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker: a stream has this one
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            length = _content_length(head)
            if not end or len(rest) < length:
                return
            self._received = rest[length:]
            self._respond(head, rest[:length])

    def _respond(self, head: bytes, body: bytes) -> None:
        operation, content = response_to(head, body, self._counts)
        response = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Wed, 25 Nov 2026 12:00:00 GMT\r\n"
            b"x-amzn-RequestId: 11111111-2222-3333-4444-555555555555\r\nConnection: keep-alive\r\n"
            b"Content-Length: %d\r\n\r\n" % len(content)
        ) + content
        if operation and self._latency_seconds:
            asyncio.get_running_loop().call_later(self._latency_seconds, self._transport.write, response)
        else:
            self._transport.write(response)


def response_to(head: bytes, body: bytes, counts: Counter[str]) -> tuple[str | None, bytes]:
    """Return the operation that a request calls and the response's body.

    The operation is None for a request for the counts.
    """
    path = head.split(b" ", 2)[1]
    if path == b"/calls":
        content = json.dumps(counts).encode()
        counts.clear()
        return None, content
    operation, content = "PutEvents", b""
    if path == b"/recommendations":
        operation = "GetRecommendations"
        content = WITH_METADATA if b'"metadataColumns"' in body else RECOMMENDATIONS
    elif b"Kinesis_20131202.PutRecords" in head:
        entries = len(json.loads(body)["Records"])
        stored = {"FailedRecordCount": 0, "Records": [STORED] * entries}
        operation, content = "PutRecords", json.dumps(stored).encode()
    elif b"Kinesis_20131202.PutRecord" in head:
        operation, content = "PutRecord", json.dumps(STORED).encode()
    counts[operation] += 1
    return operation, content


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def _serve(latency_seconds: float) -> None:
    counts: Counter[str] = Counter()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(latency_seconds, counts), HOST, 0
    )
    print(f"http://{HOST}:{server.sockets[0].getsockname()[1]}", flush=True)
    # The server ends when the program that started it ends, because standard input is then closed.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


def main() -> None:
    """Print the server's address, then serve until standard input is closed."""
    parser = argparse.ArgumentParser(prog="python -m bench.server")
    parser.add_argument("--latency-seconds", type=float, default=0, metavar="SECONDS")
    latency_seconds = parser.parse_args().latency_seconds
    # select() waits with a precision of microseconds. epoll rounds up to a millisecond, 5 % of the latency.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    loop.run_until_complete(_serve(latency_seconds))


if __name__ == "__main__":
    main()
