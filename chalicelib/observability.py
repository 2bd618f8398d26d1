"""What operators see: one JSON line per request and per Kinesis batch, read as metrics as well.

The line is in CloudWatch's Embedded Metric Format, so counting costs no API call and no second line. It holds
counts, durations, statuses and request ids; never a user id, an item id, a property or a header.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from functools import cache

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

NAMESPACE = "PersonalizeApi"
"""Of the metrics; resources/access.yaml has alarms on them, and docs/operations.md says what they mean."""


@cache
def logger(service: str, level: str) -> Logger:
    """The JSON logger; name of the service and level are settings."""
    # botocore logs requests, with their bodies and signatures, at DEBUG; our level must not reach it.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    return Logger(service=service, level=level)


def emit(
    message: str, counts: Mapping[str, float], *, service: str, milliseconds: float, **fields: object
) -> None:
    """Print the line: ``counts`` and Duration become metrics, ``fields`` are only there to be read."""
    metrics = EphemeralMetrics(namespace=NAMESPACE, service=service)
    for name, value in counts.items():
        unit = MetricUnit.Seconds if name.endswith("Age") else MetricUnit.Count
        metrics.add_metric(name=name, unit=unit, value=value)
    metrics.add_metric(name=f"{message}Duration", unit=MetricUnit.Milliseconds, value=round(milliseconds, 1))
    for name, field in {"message": message, **fields}.items():
        metrics.add_metadata(name, field)
    print(json.dumps(metrics.serialize_metric_set(), separators=(",", ":")))


def stack_of(error: BaseException) -> list[str]:
    """Where an unexpected error came from, as ``file:line function``.

    Without its message: those quote values (a KeyError its key, a validation error its input).
    """
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
    ]
