"""The log lines of delivery, one for each batch. They hold counts, and no id of anybody."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.observability import NAMESPACE
from ops import diagnosis
from ops.diagnosis import Finding, bad, good
from ops.locate import log_group
from ops.verify.play import Play
from ops.verify.points import Answer


@dataclass(frozen=True)
class BatchLine:
    """A log line. ``at`` is in seconds since 1970."""

    at: float
    delivered: int
    retried: int
    reasons: dict[str, int]

    def __str__(self) -> str:
        return f"Delivered {self.delivered}, Retried {self.retried}"


def lines_since(play: Play, since: datetime) -> list[BatchLine]:
    """Return the lines of batches that ended after a moment, the oldest first."""
    group = log_group(play.deployment.delivery_function)
    pages = play.clients("logs").get_paginator("filter_log_events")
    start = int((since.timestamp() - play.clock_seconds) * 1000)
    found = [
        each
        for page in pages.paginate(logGroupName=group, startTime=start, filterPattern='"Delivery"')
        for each in page["events"]
    ]
    return sorted(filter(None, (_line(each["message"]) for each in found)), key=lambda line: line.at)


def _line(text: str) -> BatchLine | None:
    try:
        line: dict[str, Any] = json.loads(text)
        if line["message"] != "Delivery":
            return None
        at = line["_aws"]["Timestamp"] / 1000
        delivered, retried = (sum(line[name]) for name in ("Delivered", "Retried"))
    except (ValueError, KeyError, TypeError):
        return None
    return BatchLine(at, int(delivered), int(retried), line.get("reasons", {}))


def delivered(play: Play, events: int) -> tuple[Finding, str]:
    """Wait until batches have delivered as many events as this run has sent so far.

    Returns the finding, and what came back. The lines have no ids: of a busy stream they may be those of
    other events. The query of the archive has the ids.
    """
    since = play.found.sent_at or play.now()

    def is_delivered() -> list[BatchLine]:
        lines = lines_since(play, since)
        return lines if sum(line.delivered for line in lines) >= events else []

    lines = play.poll(is_delivered, play.deadlines.delivery)
    if lines:
        return good(f"Delivery tells of at least {events} events that Personalize took."), _last(lines)
    lines = lines_since(play, since)
    reasons = sum((Counter(line.reasons) for line in lines), Counter[str]())
    if reasons:
        return bad(
            f"Delivery fails: {', '.join(reasons)}", "Remove the cause; the stream keeps events."
        ), _last(lines)
    if lines:
        return bad("Fewer events are delivered than were sent.", "Run it again; look at the log."), _last(
            lines
        )
    return (
        bad(
            "No batch has ended: the function is not invoked, or Personalize keeps it waiting.",
            "See what doctor says of the event source, and which alarm rings.",
        ),
        _last(lines),
    )


def _last(lines: list[BatchLine]) -> str:
    return "; ".join(str(line) for line in lines[-3:]) or "no log line of a batch"


def metric_datapoints(play: Play, name: str, since: datetime) -> Iterator[float]:
    """Yield the sums of a metric of the functions since a moment."""
    response = play.clients("cloudwatch").get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName=name,
        Dimensions=[{"Name": "service", "Value": play.variables.get("SERVICE_NAME", "personalize-api")}],
        StartTime=datetime.fromtimestamp(since.timestamp() - 60, since.tzinfo),
        EndTime=datetime.fromtimestamp(play.now().timestamp() + 60, since.tzinfo),
        Period=60,
        Statistics=["Sum"],
    )
    for each in response["Datapoints"]:
        yield each["Sum"]


def event_sources(play: Play) -> list[Mapping[str, Any]]:
    """Return the event sources of the function that delivers events. A whole deployment has one."""
    found = play.clients("lambda").list_event_source_mappings(FunctionName=play.deployment.delivery_function)
    return [*found["EventSourceMappings"]]


def not_one(mappings: Sequence[Mapping[str, Any]], call: str) -> Answer:
    """Return the answer of a point that needs the one event source, where there is none or another. Pure."""
    return Answer(diagnosis.event_source(mappings, {}, {}), call, f"{len(mappings)} event sources")
