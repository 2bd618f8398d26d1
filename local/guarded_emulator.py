"""The program of the emulator's process: MiniStack behind the guard. ``local.emulator`` starts it.

MiniStack checks neither Host nor Origin, and runs any code that it receives. It starts a worker of 40 MB for
every request that finds the others busy. It keeps much of every request for ever (``local.retention``). It
measures by the wall clock: after the clock was set back by two hours, its usage plans refuse every request,
and its event sources and queues pause, for two hours.

    python -m local.guarded_emulator [--undeployed]

A line on standard input says that the deployment is complete, which ``--undeployed`` waits for
(``StateSaver``). Exit status 3: the state could not be saved at the end, or objects of S3 were not written; a
line that begins with ``UNSAVED`` or ``UNWRITTEN`` says why.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

import ministack.app
from ministack.core import persistence
from ministack.services import kinesis, lambda_svc

from local import retention
from local.archive_spool import ArchiveSpool
from local.emulated_stream import EmulatedStream
from local.emulator import UNSAVED, UNWRITTEN
from local.function_log import FunctionLog, FunctionLogServer
from local.origin_guard import API_PATH, AsgiApp, OriginGuard, Receive, Scope, Send
from local.request_queue import RequestQueue
from local.state_saver import States, StateSaver, encoder, print_if_possible
from local.steady_clock import SteadyClock

MAX_API_REQUESTS = 8
"""API requests in the emulator at a time. The others wait. Its own limit would respond with 504."""
UNDEPLOYED = "--undeployed"
UNSAVED_STATUS = 3
_UNWRITTEN_WORDS = ("Failed to persist", "S3 delivery failed")
_READ_SECONDS = 1.0
_READS = ("GET", "HEAD", "OPTIONS")
_READING_CALLS = (
    b"Kinesis_20131202.GetShardIterator",
    b"Kinesis_20131202.GetRecords",
    b"AmazonSQS.GetQueueAttributes",
)
"""Calls that are POST requests and change nothing. The console makes them every second."""


def main() -> None:
    """Run MiniStack behind the guard until SIGTERM or the end of standard input."""
    # The state holds the API key and every event. The functions inherit this.
    os.umask(0o077)
    # Each worker of a function has its code in a new folder: its bytecode would never be read again.
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    folder = Path(os.environ["STATE_DIR"])
    # The moments in the saved state must not be in the future either.
    saved = [file.stat().st_mtime for file in folder.glob("*.json")]
    time.time = SteadyClock(time.time, not_before=max(saved, default=0.0))
    encode = encoder(persistence._state_format_version, persistence._json_default)
    saver = StateSaver(folder, encode, is_deployed=UNDEPLOYED not in sys.argv)
    archive = ArchiveSpool(Path(os.environ["ARCHIVE_SPOOL_DIR"]), retention.put_object)
    del sys.argv[1:]  # MiniStack would read them
    starter = threading.Thread(target=_follow_starter, args=(saver,), daemon=True)
    starter.start()
    _patch(saver, archive, starter)
    archive.start()
    threading.Thread(
        target=saver.keep_saving, args=(ministack.app._build_persistence_save_dict,), daemon=True
    ).start()
    unwritten = _UnwrittenObjects()
    for name in ("s3", "firehose"):
        logging.getLogger(name).addHandler(unwritten)
    try:
        ministack.app.main()
    finally:
        archive.flush()
        _end_workers()
    if saver.failure is not None:
        print_if_possible(f"{UNSAVED}{saver.failure}")
    count = unwritten.count + archive.lost()
    if count:
        print_if_possible(f"{UNWRITTEN}{count}, the last: {archive.reason() or unwritten.reason}")
    if count or saver.failure is not None:
        sys.exit(UNSAVED_STATUS)


def _end_workers() -> None:
    """End the workers of functions that are left.

    One in the middle of its retries would go on for two minutes and call the engine of the next run.
    """
    if os.getpgrp() == os.getpid():  # the group has this program and its workers only
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)


class _UnwrittenObjects(logging.Handler):
    """Counts the objects that MiniStack could not write to disk. It responds with success, and logs it."""

    count = 0
    reason = ""

    def emit(self, record: logging.LogRecord) -> None:
        if not retention.archiving.get() and any(words in record.getMessage() for words in _UNWRITTEN_WORDS):
            self.count += 1
            self.reason = str(record.args[-1]) if isinstance(record.args, tuple) else ""


def _patch(saver: StateSaver, archive: ArchiveSpool, starter: threading.Thread) -> None:
    def save_at_end(states: States) -> None:
        # Who stops the emulator closes standard input first: what was written to it counts.
        starter.join(_READ_SECONDS)
        saver.save(states)

    log = FunctionLog()
    retention.install(log, archive)
    ministack.app.save_all = save_at_end
    EmulatedStream(kinesis, lambda_svc).install(delivered=saver.changed)
    emulator = _noting_changes(ministack.app.app, saver)
    ministack.app.app = OriginGuard(
        FunctionLogServer(emulator, log),
        public=API_PATH,
        public_app=RequestQueue(emulator, max_requests=MAX_API_REQUESTS),
    )


def _noting_changes(app: AsgiApp, saver: StateSaver) -> AsgiApp:
    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        finally:
            if scope["type"] == "http" and not _only_reads(scope):
                saver.changed()

    return noted


def _only_reads(scope: Scope) -> bool:
    return scope["method"] in _READS or dict(scope["headers"]).get(b"x-amz-target") in _READING_CALLS


def _follow_starter(saver: StateSaver) -> None:
    """Stop as on SIGTERM, which saves the state, when the program that started this one ends."""
    for _line in sys.stdin.buffer:
        saver.deployed()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
