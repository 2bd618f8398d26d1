"""The program that the emulator's process runs: MiniStack behind the guard. ``local.emulator`` starts it.

MiniStack checks neither Host nor Origin, runs any code that it is given, and starts a worker of 40 MB for
every request that finds the others busy.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import ministack.app

from local.origin_guard import API_PATH, OriginGuard

MAX_API_REQUESTS = 8
"""In the emulator at a time; more of them wait for a place. Its own limit would answer 504 instead."""


def main() -> None:
    # What it keeps holds the API key and every event. Its functions inherit this.
    os.umask(0o077)
    threading.Thread(target=_stop_with_starter, daemon=True).start()
    ministack.app.app = OriginGuard(ministack.app.app, public=API_PATH, max_public_requests=MAX_API_REQUESTS)
    ministack.app.main()


def _stop_with_starter() -> None:
    """End with the program that started this one, as on SIGTERM, which saves the state."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
