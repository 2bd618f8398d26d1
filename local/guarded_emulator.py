"""The program in the emulator's process: MiniStack behind the guard. ``local.emulator`` starts it.

MiniStack alone would check neither Host nor Origin, run any code that a request contains, and start one more
worker of 40 MB whenever all others are busy.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import ministack.app

from local.origin_guard import API_PATH, OriginGuard

MAX_API_REQUESTS = 8
"""How many requests to deployed APIs MiniStack gets at a time. More wait; its own limit would respond 504."""


def main() -> None:
    """Run MiniStack until SIGTERM, or until the program that started it ends."""
    # The state holds the API key and every event. The functions inherit the umask.
    os.umask(0o077)
    threading.Thread(target=_stop_at_end_of_stdin, daemon=True).start()
    ministack.app.app = OriginGuard(ministack.app.app, public=API_PATH, max_public_requests=MAX_API_REQUESTS)
    ministack.app.main()


def _stop_at_end_of_stdin() -> None:
    """Stop, with the state saved, when the program that started this one has ended."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
