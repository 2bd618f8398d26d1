"""The throttles of the local stack, which would refuse what a measurement sends."""

from __future__ import annotations

from typing import Any

import boto3

from local.personalize import REGION

_LIMIT = "100000"


def raise_throttle(aws_url: str) -> None:
    """Raise the limits of usage plans and stages. Requests without a pause exceed those of the template."""
    session: Any = boto3.Session("test", "test", region_name=REGION)
    gateway = session.client("apigateway", endpoint_url=aws_url)
    for plan in gateway.get_usage_plans()["items"]:
        gateway.update_usage_plan(usagePlanId=plan["id"], patchOperations=_changes("/throttle"))
        for each in plan["apiStages"]:
            gateway.update_stage(
                restApiId=each["apiId"],
                stageName=each["stage"],
                patchOperations=_changes("/*/*/throttling"),
            )


def _changes(path: str) -> list[dict[str, str]]:
    return [
        {"op": "replace", "path": f"{path}/{limit}", "value": _LIMIT} for limit in ("rateLimit", "burstLimit")
    ]
