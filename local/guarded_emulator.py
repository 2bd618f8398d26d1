"""The program of the emulator's process: MiniStack behind the guard. ``local.emulator`` starts it.

MiniStack checks neither Host nor Origin, and runs any code that it receives. It starts a worker of 40 MB for
every request that finds the others busy.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import ministack.app

from local.origin_guard import API_PATH, OriginGuard
from local.request_queue import RequestQueue

MAX_API_REQUESTS = 8
"""API requests in the emulator at a time. The others wait. Its own limit would respond with 504."""


def main() -> None:
    """Run MiniStack behind the guard until SIGTERM or the end of standard input."""
    # The state holds the API key and every event. The functions inherit this.
    os.umask(0o077)
    # Each worker of a function has its code in a new folder: its bytecode would never be read again.
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    threading.Thread(target=_stop_with_starter, daemon=True).start()
    emulator = ministack.app.app
    ministack.app.app = OriginGuard(
        emulator, public=API_PATH, public_app=RequestQueue(emulator, max_requests=MAX_API_REQUESTS)
    )
    ministack.app.main()


def _stop_with_starter() -> None:
    """Stop as on SIGTERM, which saves the state, when the program that started this one ends."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
