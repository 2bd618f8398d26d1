"""Collects what Firehose archives into few objects. MiniStack makes an object of two files of each record.

MiniStack's Firehose leaves an aggregated record as it is. Here it is taken apart, as Firehose does on AWS.

The first record is put at once. Those that follow it within ``PAUSE_SECONDS`` become one object together.
Until then they are in a file of the spool's folder, so that a killed process loses none: the next start moves
what is left to its place. An object has the key of its first record, so it cannot be there twice.

What the disk does not take waits, and is tried again: records in memory, objects in the spool's folder.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import quote, unquote

from chalicelib.delivery.aggregation import firehose_records
from local.state import make_private

PAUSE_SECONDS = 5.0
MAX_WAITING_BYTES = 8_000_000
"""Of the records that wait in memory for space on the disk."""
_UNWRITTEN = "Records of the archive cannot be written. They wait in memory."
_UNSTORED = "An object of the archive is not stored. It is tried again."

_logger = logging.getLogger(__name__)


class ArchiveSpool:
    """Takes records with ``add``. ``put`` stores an object (bucket, key, content) or raises."""

    def __init__(
        self,
        folder: Path,
        put: Callable[[str, str, bytes], None],
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self._folder = folder
        self._put = put
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: deque[tuple[str, str, bytes]] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._open: dict[tuple[str, str], Path] = {}
        self._closed: list[Path] = []
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._added = threading.Event()
        self._failures: dict[str, Exception] = {}

    def start(self) -> None:
        """Put objects in a thread of its own until the process ends."""
        make_private(self._folder)
        threading.Thread(target=self._run, daemon=True).start()

    def add(self, bucket: str, key: str, body: bytes) -> None:
        """Add a record. ``key`` is the name of its object, unless an object of this prefix is open.

        What is no line of JSON has an object of its own, so each inner record of an aggregate has a key.
        """
        for number, record in enumerate(firehose_records(body)):
            self._add(bucket, f"{key}-{number}" if number else key, record)
        self._added.set()

    def _add(self, bucket: str, key: str, body: bytes) -> None:
        with self._lock:
            self._waiting.append((bucket, key, body))
            self._waiting_bytes += len(body)
            self._write()
            if self._waiting_bytes > self._max_waiting_bytes:
                self._drop_newest()

    def flush(self) -> None:
        """Put what was added before. What cannot be put stays in the folder, for the next time."""
        with self._flushing:
            with self._lock:
                self._write()
                self._closed += self._open.values()
                self._open = {}
            self._closed = [file for file in self._closed if not self._is_stored(file)]

    def lost(self) -> int:
        """Return how many records and objects are lost when the process ends now."""
        with self._lock:
            gone = sum(not file.is_file() for file in self._closed)
            return self._dropped + len(self._waiting) + gone

    def reason(self) -> str:
        """Return why the last record could not be written, or the last object could not be stored."""
        failures = [self._failures.get(consequence) for consequence in (_UNWRITTEN, _UNSTORED)]
        return next((str(failure) for failure in failures if failure is not None), "")

    def _run(self) -> None:
        while True:
            self._added.wait()
            self._added.clear()
            self.flush()
            if self._waiting or self._closed:
                self._added.set()
            time.sleep(PAUSE_SECONDS)

    def _write(self) -> None:
        """Write the waiting records to their files, in their order, until one cannot be written."""
        while self._waiting:
            bucket, key, body = self._waiting[0]
            # What is no line of JSON, such as a broken aggregate, would spoil the lines beside it.
            line = body.startswith(b"{") and body.endswith(b"\n")
            name = key.rpartition("/")[0] if line else key
            file = self._open.get((bucket, name), self._folder / quote(f"{bucket}/{key}", safe=""))
            try:
                _append(file, body)
            except OSError as error:
                self._failed(_UNWRITTEN, error)
                return
            self._open[bucket, name] = file
            self._waiting.popleft()
            self._waiting_bytes -= len(body)
            self._failures.pop(_UNWRITTEN, None)

    def _drop_newest(self) -> None:
        _, _, body = self._waiting.pop()
        self._waiting_bytes -= len(body)
        self._dropped += 1
        if self._dropped == 1:
            _logger.error("Too many records of the archive wait for space on the disk. New ones are lost.")

    def _is_stored(self, file: Path) -> bool:
        """Put the object of a file, and remove the file when the object is stored."""
        try:
            self._put(*_place(file), file.read_bytes())
            file.unlink()
        except Exception as error:  # noqa: BLE001 - whatever it is, the file stays
            self._failed(_UNSTORED, error)
            return False
        self._failures.pop(_UNSTORED, None)
        return True

    def _failed(self, consequence: str, error: Exception) -> None:
        """Log the first failure of several. The others would fill the disk that is full."""
        if consequence not in self._failures:
            _logger.error("%s %r", consequence, error)
        self._failures[consequence] = error


def restore(folder: Path, buckets: Path, saved: Collection[str] | None) -> None:
    """Move what a killed process left in a spool's folder to the folder of its bucket.

    ``buckets`` has a folder for each bucket that has had an object, ``saved`` the names in the saved state;
    None: nothing is saved. Nobody may use either folder meanwhile. A bucket that was removed is not made
    again. What is no file of the spool stays.
    """
    for file in folder.glob("*"):
        bucket, key = _place(file)
        if not key or not file.is_file():
            continue
        if saved is None or bucket in saved or (buckets / bucket).is_dir():
            make_private((buckets / bucket / key).parent)
            file.replace(buckets / bucket / key)
        else:
            file.unlink()


def _place(file: Path) -> tuple[str, str]:
    bucket, _, key = unquote(file.name).partition("/")
    return bucket, key


def _append(file: Path, body: bytes) -> None:
    """Append all of it or nothing: half a line would spoil the next one, and an empty file is no object."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        try:
            rest = memoryview(body)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            os.ftruncate(descriptor, size)
            if not size:
                file.unlink()
            raise
    finally:
        os.close(descriptor)
