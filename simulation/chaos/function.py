"""One Lambda sandbox: imports the application once, then runs deliver_events for every line it is sent.

A line in is {"event", "requestId", "timeout"}, a line out {"answer"} or {"error"}. What the application
prints goes to standard error. simulation.chaos.sandbox starts it, and kills it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from random import Random
from typing import Any

from botocore.exceptions import ConnectionClosedError

from simulation.invocation import Context

READY = "ready"
QUEUE_ERRORS = "CHAOS_QUEUE_ERRORS"
"""Variable: share of the calls to the quarantine queue whose connection breaks."""


def main() -> None:
    # What the handler prints must not get between the answers.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        from app import deliver_events  # noqa: PLC0415 - its settings and its output are prepared first

        _break_connections(float(os.environ.get(QUEUE_ERRORS, "0")))
        print(READY, file=answers, flush=True)
        for line in sys.stdin:
            request = json.loads(line)
            context = Context(request["requestId"], time.monotonic() + request["timeout"], time.monotonic)
            print(json.dumps(_invoke(deliver_events, request["event"], context)), file=answers, flush=True)


def _invoke(handler: Any, event: dict[str, Any], context: Context) -> dict[str, Any]:
    try:
        return {"answer": handler(event, context)}
    except Exception as error:  # noqa: BLE001 - Lambda's runtime reports whatever a handler raises
        return {"error": type(error).__name__}


def _break_connections(share: float) -> None:
    """The queue is real and has no faults to switch on; its connection breaks here, before it is used."""
    from chalicelib import clients  # noqa: PLC0415 - with the application

    random = Random()  # noqa: S311 - decides faults, guards nothing

    def perhaps(request: Any, **_: object) -> None:
        if random.random() < share:
            raise ConnectionClosedError(endpoint_url=request.url)

    clients.sqs().meta.events.register("before-send.sqs.SendMessageBatch", perhaps)


if __name__ == "__main__":
    main()
