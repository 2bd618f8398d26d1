"""What operators see: one JSON line per request and per Kinesis batch, read as metrics as well.

The line is in CloudWatch's Embedded Metric Format, so metrics cost no API call and no second line. It holds
counts, durations, statuses and request ids. It never holds a user id, an item id, a property or a header. The
format is two nested objects. The library for it took a fifth of a cold start (docs/performance.md).
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

NAMESPACE = "PersonalizeApi"
"""Of the metrics. resources/access.yaml has alarms on them, and docs/operations.md says what they mean."""

Values: TypeAlias = "float | Sequence[float]"
"""Of one metric: one value, or several, each a sample of its own."""

to_json = json.JSONEncoder(separators=(",", ":")).encode
"""Made once: json.dumps makes an encoder for every call that has options."""


def set_level(level: str) -> None:
    """Let libraries log from ``level`` on. Our own lines are printed at any level: they are metrics too."""
    logging.getLogger().setLevel(level)
    # At DEBUG, botocore logs requests with their bodies and signatures. Our level must not reach it.
    logging.getLogger("botocore").setLevel(logging.WARNING)


def emit(
    message: str, counts: Mapping[str, Values], *, service: str, milliseconds: float, **fields: object
) -> None:
    """Print the line. ``counts`` and the duration become metrics, ``fields`` are only there to be read.

    The format: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/, page
    CloudWatch_Embedded_Metric_Format_Specification. ``service`` is the one dimension.
    """
    values = {
        name: [value] if isinstance(value, (int, float)) else [*value] for name, value in counts.items()
    }
    values[f"{message}Duration"] = [round(milliseconds, 1)]
    content = to_json({"service": service, "message": message, **fields, **values})
    print(f'{{"_aws":{{"Timestamp":{time.time_ns() // 1_000_000},{_directive(tuple(values))}}},{content[1:]}')


@lru_cache(maxsize=256)
def _directive(names: tuple[str, ...]) -> str:
    """Return what CloudWatch reads as metrics. It is the same in every line of a kind, so it is made once."""
    metrics = [{"Name": name, "Unit": _unit(name)} for name in names]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["service"]], "Metrics": metrics}
    return to_json({"CloudWatchMetrics": [directive]})[1:-1]


def _unit(name: str) -> str:
    if "-" in name:  # of a variant, which may be called anything
        return "Count"
    units = {"Age": "Seconds", "Duration": "Milliseconds"}
    return next((unit for end, unit in units.items() if name.endswith(end)), "Count")


def report(error: Exception, *, service: str, request_id: str | None) -> None:
    """Print a line about an unexpected error: its type, and where it was raised.

    The line has no message: messages quote values (a KeyError its key, a validation error its input).
    """
    stack = [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
    ]
    print(
        to_json(
            {
                "level": "ERROR",
                "service": service,
                "message": "Unexpected error",
                "requestId": request_id,
                "error": type(error).__name__,
                "stack": stack,
            }
        )
    )
