"""The last good responses of this sandbox, for when Personalize gives none. Safe for several threads.

A response is found by the operation and all arguments of its call, the user among them: nobody gets another
person's list, and no list for another question.
"""

from __future__ import annotations

import marshal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from chalicelib.contract import canonical

MAX_AGE_SECONDS = 15 * 60
MAX_ENTRIES = 500
MAX_BYTES = 5 * 1024 * 1024
_ENTRY_BYTES = 300
"""Of an entry besides its content."""


@dataclass(frozen=True)
class _Entry:
    content: bytes
    stored_at: float

    @property
    def size_bytes(self) -> int:
        return len(self.content) + _ENTRY_BYTES


class LastResponses:
    """Responses by their calls. Times are seconds since 1970: Lambda may stop other clocks with a sandbox."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[bytes, _Entry] = {}
        self._size_bytes = 0

    def keep(self, key: bytes, response: dict[str, Any], now: float) -> None:
        """Keep a response. The ones kept longest ago make room for it."""
        # Bytes take a fifth of the memory, and their size is known. They never leave the sandbox.
        try:
            entry = _Entry(marshal.dumps(response), now)
        except ValueError:  # a time: no response has one today, and a copy is not worth a failed request
            return
        with self._lock:
            self._drop(key)
            if entry.size_bytes > MAX_BYTES:
                return
            self._entries[key] = entry
            self._size_bytes += entry.size_bytes
            while len(self._entries) > MAX_ENTRIES or self._size_bytes > MAX_BYTES:
                self._drop(next(iter(self._entries)))

    def find(self, key: bytes, now: float) -> dict[str, Any] | None:
        """Return the response to this call, unless there is none or it is older than MAX_AGE_SECONDS."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if not 0 <= now - entry.stored_at <= MAX_AGE_SECONDS:
                self._drop(key)
                return None
        response: dict[str, Any] = marshal.loads(entry.content)  # noqa: S302  # nosec B302 - written above
        return response

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size_bytes -= entry.size_bytes


def key_of(method: str, arguments: Mapping[str, Any]) -> bytes:
    """Return what the response to a call is found by. The order of names has no meaning in a call."""
    return blake2b(f"{method} {canonical(arguments)}".encode(), digest_size=32).digest()
