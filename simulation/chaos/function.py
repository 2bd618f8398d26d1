"""One Lambda sandbox as a process: it imports the application once and runs ``deliver_events`` for each line.

A line of standard input is ``{"event", "requestId", "timeoutSeconds"}``. A line of standard output is
``{"response"}`` or ``{"error"}``. What the application prints goes to standard error.
simulation.chaos.sandbox starts and kills this process.
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
"""Name of the variable with the share of the calls to the quarantine queue whose connection is closed."""


def main() -> None:
    """Serve invocations until standard input ends."""
    # What the handler prints must not get between the responses.
    with os.fdopen(os.dup(1), "w") as responses:
        os.dup2(2, 1)
        from app import deliver_events  # noqa: PLC0415 - after its standard output is redirected

        _close_connections(float(os.environ.get(QUEUE_ERRORS, "0")))
        print(READY, file=responses, flush=True)
        for line in sys.stdin:
            request = json.loads(line)
            deadline = time.monotonic() + request["timeoutSeconds"]
            context = Context(request["requestId"], deadline, time.monotonic)
            print(json.dumps(_invoke(deliver_events, request["event"], context)), file=responses, flush=True)


def _invoke(handler: Any, event: dict[str, Any], context: Context) -> dict[str, Any]:
    try:
        return {"response": handler(event, context)}
    except Exception as error:  # noqa: BLE001 - Lambda's runtime reports every exception of a handler
        return {"error": type(error).__name__}


def _close_connections(share: float) -> None:
    """Close the connection of a share of the calls to the queue, before they are sent.

    The queue is a real one and has no setting for faults.
    """
    from app import services  # noqa: PLC0415 - its settings are prepared first

    random = Random()  # noqa: S311 - draws faults, protects nothing

    def close_connection(request: Any, **_: object) -> None:
        if random.random() < share:
            raise ConnectionClosedError(endpoint_url=request.url)

    services.clients.sqs.meta.events.register("before-send.sqs.SendMessageBatch", close_connection)


if __name__ == "__main__":
    main()
