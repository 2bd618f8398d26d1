"""The AWS services that a measurement calls, in memory: they answer at once, or after a given time.

    with running_server(latency_seconds=0.02) as server:
        ...                # AWS_ENDPOINT_URL=server.url
        server.calls()     # {"PutEvents": 199}

A process of its own, so that its work is not counted as ours. It reads no more of a request than it has to,
judges nothing, and sends each answer in one piece.
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
from urllib.request import ProxyHandler, build_opener

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"

_open = build_opener(ProxyHandler({})).open

ITEMS = 25
RECOMMENDATIONS = json.dumps(
    {
        "itemList": [
            {"itemId": f"item-{n:04}", "score": round(0.0412345 / (n + 1), 7)} for n in range(ITEMS)
        ],
        "recommendationId": "RID-11111111-2222-3333-4444-555555555555",
    },
    separators=(",", ":"),
).encode()
STORED = {
    "SequenceNumber": "49590338271490256608559692538361571095921575989136588898",
    "ShardId": "shardId-000000000000",
}


@dataclass(frozen=True)
class Server:
    """A running server. ``url`` takes the calls of every service."""

    url: str

    def calls(self) -> dict[str, int]:
        """How often each operation was called since the last time this was asked."""
        with _open(f"{self.url}/calls", timeout=5) as answer:
            counts: dict[str, int] = json.load(answer)
            return counts


@contextmanager
def running_server(latency_seconds: float = 0) -> Iterator[Server]:
    """The server on a free port of 127.0.0.1 for the length of a with statement."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.server", "--latency", str(latency_seconds)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        yield Server(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.communicate()


class _Connection(asyncio.Protocol):
    def __init__(self, latency: float, counts: Counter[str]) -> None:
        self._latency = latency
        self._counts = counts
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - that of a stream
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            length = _content_length(head)
            if not end or len(rest) < length:
                return
            self._received = rest[length:]
            self._answer(head, rest[:length])

    def _answer(self, head: bytes, body: bytes) -> None:
        operation, content = answer_to(head, body, self._counts)
        response = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Wed, 25 Nov 2026 12:00:00 GMT\r\n"
            b"x-amzn-RequestId: 11111111-2222-3333-4444-555555555555\r\nConnection: keep-alive\r\n"
            b"Content-Length: %d\r\n\r\n" % len(content)
        ) + content
        if operation and self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, response)
        else:
            self._transport.write(response)


def answer_to(head: bytes, body: bytes, counts: Counter[str]) -> tuple[str | None, bytes]:
    """The operation that a request calls and the body of its answer; None for the question after counts."""
    path = head.split(b" ", 2)[1]
    if path == b"/calls":
        told = json.dumps(counts).encode()
        counts.clear()
        return None, told
    operation, content = "PutEvents", b""
    if path == b"/recommendations":
        operation, content = "GetRecommendations", RECOMMENDATIONS
    elif b"Kinesis_20131202.PutRecords" in head:
        entries = len(json.loads(body)["Records"])
        answer = {"FailedRecordCount": 0, "Records": [STORED] * entries}
        operation, content = "PutRecords", json.dumps(answer).encode()
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


async def _serve(latency: float) -> None:
    counts: Counter[str] = Counter()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(latency, counts), HOST, 0)
    print(f"http://{HOST}:{server.sockets[0].getsockname()[1]}", flush=True)
    # Ends with the program that started it, however that ended.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.server")
    parser.add_argument("--latency", type=float, default=0, metavar="SECONDS")
    latency = parser.parse_args().latency
    # select() waits to the microsecond; epoll rounds up to a millisecond, a twentieth of the usual latency.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    loop.run_until_complete(_serve(latency))


if __name__ == "__main__":
    main()
