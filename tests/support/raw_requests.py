"""Requests of the API as bytes on a socket: right and wrong in each part of HTTP. Equal seeds, equal bytes.

The paths stay below the stage of the API: the emulator's other paths are AWS services.
"""

import gzip
import json
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit

from tests.support.factories import request

TIMEOUT_SECONDS = 60
ROUTES = ("recommendations", "ranking", "action-recommendations", "history", "events")
CONTENT_TYPES = (
    "application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/xml", "", " ",
    "application/json;charset=utf-16", "application/json, text/plain", "application/x-www-form-urlencoded",
    "text/plain", "/", "*/*", "application/*", "json", "application/octet-stream", "image/png",
    "multipart/form-data; boundary=x", "application/json; charset=" + "\xff", "a" * 2_000,
)  # fmt: skip
HEADERS = (
    "Accept: image/png", "Accept: application/octet-stream", "Accept: ", "Accept-Encoding: gzip, br",
    "Content-Encoding: gzip", "Content-Encoding: br", "Origin: null", "Origin: https://other.example",
    "Origin: \xff", "Cookie: a=b", "Authorization: Bearer x", "X-Forwarded-For: ' or 1=1", "Range: bytes=0-1",
    "Expect: 100-continue", "x-api-key: wrong", "X-HTTP-Method-Override: GET", "traceparent: 00-1",
    "If-None-Match: *", "Via: " + "v" * 5_000,
)  # fmt: skip
BROKEN_HEADERS = (
    "no colon", ": no name", "Folded: a\r\n b", "Bad Name: x", "Nul: \x00", "Long: " + "x" * 70_000,
    "Host: other.example",
)  # fmt: skip
METHODS = ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "post", "BREW", "CONNECT")
PATHS = (
    "", "unknown", "recommendations/", "history/x", "History", "history?validate=%ff", "recommendations;x=1",
    "history?validate=true&validate", "events?x=" + "y" * 3_000, "recommendations?%00", "caf\xc3\xa9",
    "caf%C3%A9",
)  # fmt: skip


@dataclass(frozen=True)
class RawRequest:
    """``cut``: its end is missing, so the client stops sending. ``is_http``: every server has to read it."""

    text: bytes
    cut: bool
    is_http: bool


@dataclass(frozen=True)
class RawResponse:
    """``status`` is None where the connection was closed without a response."""

    status: int | None
    headers: dict
    body: bytes


def raw_requests(api_url, key, number, seed):
    """Yield requests of an API, drawn with a seed."""
    draw = random.Random(seed)
    url = urlsplit(api_url)
    for _ in range(number):
        yield _request(draw, url, key)


def send_all(api_url, requests, threads=8):
    """Return the pairs of a request and its response."""
    url = urlsplit(api_url)
    with ThreadPoolExecutor(threads) as pool:
        return [*pool.map(lambda each: (each, send(url.hostname, url.port, each)), requests)]


def send(host, port, request):
    """Send the bytes of a request on a connection of its own, and read its response."""
    with socket.create_connection((host, port), TIMEOUT_SECONDS) as connection:
        try:
            connection.sendall(request.text)
            if request.cut:
                connection.shutdown(socket.SHUT_WR)
            response = HTTPResponse(connection, method=request.text.split(b" ", 1)[0].decode("latin-1"))
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return RawResponse(response.status, headers, response.read())
        except TimeoutError:
            raise
        except (OSError, HTTPException):
            return RawResponse(None, {}, b"")


def _request(draw, url, key):
    route = draw.choice(ROUTES) if draw.random() < 0.85 else draw.choice(PATHS)
    method = "POST" if draw.random() < 0.9 else draw.choice(METHODS)
    body = _body(draw)
    content_type = draw.choice(CONTENT_TYPES) if draw.random() < 0.4 else "application/json"
    lines = [f"{method} {url.path}/{route} HTTP/1.1", f"Host: {url.netloc}", "Connection: close"]
    lines += [f"x-api-key: {key}"] if draw.random() < 0.95 else []
    lines += [f"Content-Type: {content_type}"] if draw.random() < 0.95 else []
    lines += draw.sample(HEADERS, draw.choice((0, 0, 1, 3)))
    is_http = True
    if draw.random() < 0.08:
        lines.insert(draw.randint(1, len(lines)), draw.choice(BROKEN_HEADERS))
        is_http = False
    framing, content, framed = draw.choice(FRAMINGS)(draw, body)
    head = "\r\n".join([*lines, *framing, "", ""]).encode("latin-1")
    cut = framed == "cut"
    text = head + content
    if draw.random() < 0.03:
        text, cut = text[: draw.randrange(len(text))], True
    return RawRequest(
        text, cut, is_http and framed == "right" and method.isupper() and route.isascii() and not cut
    )


def _exact(_draw, body):
    return [f"Content-Length: {len(body)}"], body, "right"


def _length_too_large(draw, body):
    return [f"Content-Length: {len(body) + draw.choice((1, 1_000, 10**7))}"], body, "cut"


def _length_too_small(draw, body):
    return [f"Content-Length: {draw.randint(0, max(0, len(body) - 1))}"], body, "more"


def _length_of_nonsense(draw, body):
    return [f"Content-Length: {draw.choice(('-1', 'x', '1.5', '+2', '0x10', '9' * 30, ''))}"], body, "cut"


def _two_lengths(_draw, body):
    return [f"Content-Length: {len(body)}", f"Content-Length: {len(body) + 1}"], body, "cut"


def _chunked(draw, body):
    size = draw.choice((1, 7, 4_096)) if len(body) < 2_000 else 4_096
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    extension = draw.choice((b"", b";a=b"))
    chunks = b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts)
    return ["Transfer-Encoding: chunked"], chunks + b"0\r\n\r\n", "right"


def _chunks_cut(draw, body):
    headers, content, _ = _chunked(draw, body)
    return headers, content[: draw.randrange(len(content))], "cut"


def _chunks_wrong(draw, body):
    size = draw.choice((b"zz", b"-1", b"", b"f" * 20, b"%x" % (len(body) + 5)))
    return ["Transfer-Encoding: chunked"], size + b"\r\n" + body + b"\r\n0\r\n\r\n", "cut"


def _chunks_and_length(draw, body):
    headers, content, _ = _chunked(draw, body)
    return [*headers, f"Content-Length: {len(content)}"], content, "cut"


def _unknown_coding(_draw, body):
    return ["Transfer-Encoding: gzip"], body, "cut"


FRAMINGS = (
    *[_exact] * 8, *[_chunked] * 3, _length_too_large, _length_too_small, _length_of_nonsense, _two_lengths,
    _chunks_cut, _chunks_wrong, _chunks_and_length, _unknown_coding,
)  # fmt: skip


def _body(draw):
    valid = json.dumps(
        draw.choice(
            (
                {"userId": "ann", "numResults": 3},
                {"userId": "ann", "itemId": "emma", "context": {"DEVICE": "tv"}},
                request(SessionId=f"raw-{draw.randrange(50)}"),
                {"Events": [request(), request(EventType=None), 7]},
            )
        )
    ).encode()
    return draw.choice(
        (
            lambda: valid,
            lambda: valid,
            lambda: valid[: draw.randrange(len(valid))],
            lambda: _with_other_bytes(draw, valid),
            lambda: draw.randbytes(draw.choice((0, 1, 20, 3_000))),
            lambda: json.dumps(_value(draw, 4)).encode(),
            lambda: json.dumps(
                {"Events": [_value(draw, 3) for _ in range(draw.choice((1, 20, 501)))]}
            ).encode(),
            lambda: valid.decode().encode(draw.choice(("utf-16", "utf-32", "utf-8-sig"))),
            lambda: gzip.compress(valid),
            lambda: draw.choice((b"[", b'{"a":', b"[{")) * draw.choice((33, 5_000)),
            lambda: draw.choice(
                (b"NaN", b"1e999", b"9" * 5_000, b'"\\ud800"', b"\x00", b"null", b"[]", b"{}", b'{"a":1}{}')
            ),
            lambda: b'{"userId": "' + b"u" * 200_000 + b'"}',
        )
    )()


def _with_other_bytes(draw, text):
    changed = bytearray(text)
    for _ in range(draw.choice((1, 1, 5))):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


NAMES = (
    "userId", "itemId", "numResults", "context", "UserId", "SessionId", "EventType", "Event", "Events",
    "SentAt", "EventId", "Impression", "eventValue", "RecommendationId", "eventList", "sessionId", "",
    "\0", "é",
)  # fmt: skip
LEAVES = (
    None, True, False, 0, -1, 25, 1.5, 1e308, 10**30, "", "ann", "null", "undefined", " ", "x" * 300, "\0",
    "é\u200b", "2026-01-31T12:00:00Z", "9999-12-31T23:59:59.9999999Z", "0001-01-01T00:00:00Z", 1769860800,
    -62135596800,
)  # fmt: skip


def _value(draw, depth):
    if depth == 0 or draw.random() < 0.3:
        return draw.choice(LEAVES)
    if draw.random() < 0.3:
        return [_value(draw, depth - 1) for _ in range(draw.randrange(4))]
    return {draw.choice(NAMES): _value(draw, depth - 1) for _ in range(draw.randrange(6))}
