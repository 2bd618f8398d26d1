"""How far delivery is: metrics of its batches, and why the newest ones returned events to Lambda.

Neither names an event: logs and metrics hold counts and reasons only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

import boto3

from chalicelib.observability import NAMESPACE
from ops.errors import readable_aws_errors
from ops.locate import Deployment, Flow, log_group
from ops.stage import Stage
from ops.trace.facts import Delivery, DeliveryLine, Period
from ops.trace.progress import EARLIER, QUARANTINED

LINES_OF = timedelta(minutes=15)
MAX_PAGES = 20
RETENTION_PARAMETER = "StreamRetentionHours"
PERIODS = ((timedelta(days=1), 60), (timedelta(days=5), 300), (QUARANTINED, 3600))
"""Seconds of a period for events up to an age: at most about 1,450 periods. CloudWatch keeps minutes for 15
days (docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html)."""
_PATTERN = '{ $.message = "Delivery" && $.Retried[0] > 0 }'


@dataclass(frozen=True)
class DeliveryReader:
    """Clients, the name that the metrics of ours have, the function that delivers, and the stream.

    ``retention_hours`` is the parameter of the deployment; empty where it has none.
    """

    cloudwatch: Any
    logs: Any
    kinesis: Any
    service: str
    function: str
    stream: str
    retention_hours: str

    @classmethod
    def of(cls, deployment: Deployment, stage: Stage, session: boto3.Session) -> DeliveryReader:
        """Return the reader of a deployment. Raises AwsError."""
        make: Any = session.client
        # The one stack gives the functions its own name, 'chalice deploy' the one of config.json.
        is_stepwise = deployment.flow is Flow.STEPWISE
        service = stage.variables()["SERVICE_NAME"] if is_stepwise else deployment.stacks[0]
        with readable_aws_errors():
            return cls(
                make("cloudwatch"),
                make("logs"),
                make("kinesis"),
                service,
                deployment.delivery_function,
                deployment.output("EventStreamName"),
                deployment.parameters.get(RETENTION_PARAMETER, ""),
            )

    def periods(self, since: datetime, now: datetime) -> list[Period]:
        """Return the periods from a little before ``since`` on that a metric has, oldest first."""
        since = max(since - EARLIER, now - QUARANTINED)
        seconds = period_seconds(now - since)
        start = datetime.fromtimestamp(since.timestamp() // seconds * seconds, timezone.utc)
        found: dict[datetime, Period] = {}
        pages = self.cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=self._queries(seconds),
            StartTime=start,
            EndTime=now,
            ScanBy="TimestampAscending",
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                for moment, value in zip(result["Timestamps"], result["Values"], strict=True):
                    period = found.get(moment, Period(moment, length=timedelta(seconds=seconds)))
                    found[moment] = _with_value(period, result["Id"], value)
        return [found[moment] for moment in sorted(found)]

    def retention(self) -> timedelta:
        """Return how long the stream keeps a record."""
        if self.retention_hours:
            return timedelta(hours=int(self.retention_hours))
        response = self.kinesis.describe_stream_summary(StreamName=self.stream)
        return timedelta(hours=response["StreamDescriptionSummary"]["RetentionPeriodHours"])

    def lines(self, now: datetime) -> list[DeliveryLine]:
        """Return the lines of the last minutes about batches that returned events, of MAX_PAGES pages."""
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=log_group(self.function),
            filterPattern=_PATTERN,
            startTime=int((now - LINES_OF).timestamp() * 1000),
        )
        events = (event for page in islice(pages, MAX_PAGES) for event in page["events"])
        return [line for event in events for line in read_line(event["timestamp"], event["message"])]

    def read(self, since: datetime, now: datetime) -> Delivery:
        """Return the state of delivery since a time."""
        return Delivery(self.periods(since, now), self.lines(now), self.retention())

    def _queries(self, seconds: int) -> list[dict[str, Any]]:
        ours, function = {"service": self.service}, {"FunctionName": self.function}
        return [
            _query("age", _metric(NAMESPACE, "OldestEventAge", ours), "Maximum", seconds),
            _query("failures", _metric("AWS/Lambda", "Errors", function), "Sum", seconds),
            _query(
                "not_stored", _metric("AWS/Lambda", "DestinationDeliveryFailures", function), "Sum", seconds
            ),
        ]


def period_seconds(age: timedelta) -> int:
    """Return the seconds of a period, for metrics from ``age`` ago on."""
    return next((seconds for most, seconds in PERIODS if age <= most), PERIODS[-1][1])


def _with_value(period: Period, name: str, value: float) -> Period:
    if name == "age":
        return replace(period, oldest_age=timedelta(seconds=value))
    if name == "failures":
        return replace(period, failures=int(value))
    return replace(period, not_stored=int(value))


def read_line(at_ms: int, text: str) -> Iterator[DeliveryLine]:
    """Yield what a line of the function's log says about a batch; nothing for any other line."""
    try:
        entry = json.loads(text)
    except ValueError:
        return
    if isinstance(entry, dict) and entry.get("message") == "Delivery":
        at = datetime.fromtimestamp(at_ms / 1000, timezone.utc)
        age = max(entry.get("OldestEventAge") or [0])
        yield DeliveryLine(at, timedelta(seconds=age), [*(entry.get("reasons") or {})])


def _metric(namespace: str, name: str, dimensions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }


def _query(name: str, metric: Mapping[str, Any], statistic: str, seconds: int) -> dict[str, Any]:
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": seconds, "Stat": statistic}}
