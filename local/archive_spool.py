"""Collects what Firehose archives into few objects. MiniStack makes an object of two files of each record.

The first record is put at once. Those that follow it within ``PAUSE_SECONDS`` become one object together.
Until then they are in a file of the spool's folder, so that a killed process loses none: the next start moves
what is left to its place. An object has the key of its first record, so it cannot be there twice.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote

from local.state import make_private

PAUSE_SECONDS = 5.0

_logger = logging.getLogger(__name__)


class ArchiveSpool:
    """Takes records with ``add``. ``put`` stores an object: bucket, key, content."""

    def __init__(self, folder: Path, put: Callable[[str, str, bytes], None]) -> None:
        self._folder = folder
        self._put = put
        self._open: dict[tuple[str, str], Path] = {}
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._added = threading.Event()

    def start(self) -> None:
        """Put objects in a thread of its own until the process ends."""
        make_private(self._folder)
        threading.Thread(target=self._run, daemon=True).start()

    def add(self, bucket: str, key: str, body: bytes) -> None:
        """Add a record. ``key`` is the name of its object, unless an object of this prefix is open."""
        # What is no line of JSON, such as an aggregated record, would spoil the lines beside it.
        line = body.startswith(b"{") and body.endswith(b"\n")
        name = key.rpartition("/")[0] if line else key
        with self._lock:
            file = self._open.setdefault((bucket, name), self._folder / quote(f"{bucket}/{key}", safe=""))
            _append(file, body)
        self._added.set()

    def flush(self) -> None:
        """Put what was added before. What cannot be put stays in the folder, for the next start."""
        with self._flushing:
            with self._lock:
                files, self._open = self._open, {}
            for file in files.values():
                try:
                    self._put(*_place(file), file.read_bytes())
                    file.unlink()
                except Exception:
                    _logger.exception("An object of the archive is not stored. The next start tries again.")

    def _run(self) -> None:
        while True:
            self._added.wait()
            self._added.clear()
            self.flush()
            time.sleep(PAUSE_SECONDS)


def restore(folder: Path, buckets: Path) -> None:
    """Move what a killed process left in a spool's folder to the folder of its bucket.

    ``buckets`` has a folder for each bucket. Nobody may use either folder meanwhile. A bucket that was
    removed is not made again.
    """
    for file in folder.glob("*"):
        bucket, key = _place(file)
        if (buckets / bucket).is_dir():
            make_private((buckets / bucket / key).parent)
            file.replace(buckets / bucket / key)
        else:
            file.unlink()


def _place(file: Path) -> tuple[str, str]:
    bucket, _, key = unquote(file.name).partition("/")
    return bucket, key


def _append(file: Path, body: bytes) -> None:
    """Append all of it or nothing: half a line would spoil the next one."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        try:
            rest = memoryview(body)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
