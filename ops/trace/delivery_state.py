"""How far delivery is: two metrics of its batches, and why the newest ones returned events to Lambda.

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
from ops.trace.progress import GIVEN_UP

LINES_OF = timedelta(minutes=15)
MAX_PAGES = 20
_PERIOD_SECONDS = 60
_PATTERN = '{ $.message = "Delivery" && $.Retried[0] > 0 }'


@dataclass(frozen=True)
class DeliveryReader:
    """Clients of CloudWatch, the name that the metrics of ours have, and the function that delivers."""

    cloudwatch: Any
    logs: Any
    service: str
    function: str

    @classmethod
    def of(cls, deployment: Deployment, stage: Stage, session: boto3.Session) -> DeliveryReader:
        """Return the reader of a deployment. Raises AwsError."""
        make: Any = session.client
        # The one stack gives the functions its own name, 'chalice deploy' the one of config.json.
        is_stepwise = deployment.flow is Flow.STEPWISE
        service = stage.variables()["SERVICE_NAME"] if is_stepwise else deployment.stacks[0]
        with readable_aws_errors():
            return cls(make("cloudwatch"), make("logs"), service, deployment.delivery_function)

    def periods(self, since: datetime, now: datetime) -> list[Period]:
        """Return the minutes from ``since`` on in which a batch or an invocation ended, oldest first."""
        start = max(since, now - GIVEN_UP).replace(second=0, microsecond=0)
        found: dict[datetime, Period] = {}
        pages = self.cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=self._queries(), StartTime=start, EndTime=now, ScanBy="TimestampAscending"
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                for moment, value in zip(result["Timestamps"], result["Values"], strict=True):
                    period = found.get(moment, Period(moment))
                    found[moment] = (
                        replace(period, oldest_age=timedelta(seconds=value))
                        if result["Id"] == "age"
                        else replace(period, failures=int(value))
                    )
        return [found[moment] for moment in sorted(found)]

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
        return Delivery(self.periods(since, now), self.lines(now))

    def _queries(self) -> list[dict[str, Any]]:
        return [
            _query("age", NAMESPACE, "OldestEventAge", "Maximum", {"service": self.service}),
            _query("failures", "AWS/Lambda", "Errors", "Sum", {"FunctionName": self.function}),
        ]


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


def _query(
    name: str, namespace: str, metric: str, statistic: str, dimensions: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": metric,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            },
            "Period": _PERIOD_SECONDS,
            "Stat": statistic,
        },
    }
