"""The content of an object of the bucket. Firehose compresses the archive, and the emulator's does not."""

from __future__ import annotations

import gzip
import io
from typing import Any, BinaryIO, cast

_GZIP = b"\x1f\x8b"
_BUFFER_BYTES = 1 << 20


def open_content(body: Any) -> tuple[BinaryIO, bool]:
    """Return the content of a response's body without compression, and whether it was compressed."""
    content = io.BufferedReader(cast(io.RawIOBase, body), _BUFFER_BYTES)
    if content.peek(len(_GZIP))[: len(_GZIP)] != _GZIP:
        return content, False
    return cast(BinaryIO, gzip.GzipFile(fileobj=content)), True
