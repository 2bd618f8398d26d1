"""A contender: the same route with router, tracer, logger and metrics of Powertools for AWS Lambda.

It is written as its documentation shows it, with a default client made at import. `make bench` installs
Powertools below build/, without bytecode, as our own package is unpacked.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

# Only this contender has it on its path. Its tracer needs the X-Ray SDK, the SDK only botocore.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "build" / "powertools"))

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger(service="personalize-api")
tracer = Tracer(service="personalize-api")
metrics = Metrics(namespace="PersonalizeApi", service="personalize-api")
app = APIGatewayRestResolver()
_make_client: Any = boto3.client
personalize = _make_client("personalize-runtime")


@app.post("/recommendations")  # type: ignore[untyped-decorator]
@tracer.capture_method  # type: ignore[untyped-decorator]
def recommend() -> dict[str, Any]:
    """Return the response of Personalize."""
    body = app.current_event.json_body
    response = personalize.get_recommendations(
        campaignArn=os.environ["CAMPAIGN_ARN"], userId=body["userId"], numResults=body["numResults"]
    )
    metrics.add_metric(name="Recommendations", unit=MetricUnit.Count, value=1)
    logger.info("recommended")
    return {name: response[name] for name in ("itemList", "recommendationId")}


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)  # type: ignore[untyped-decorator]
@tracer.capture_lambda_handler  # type: ignore[untyped-decorator]
@metrics.log_metrics(capture_cold_start_metric=True)  # type: ignore[untyped-decorator]
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Return the route's response in the form of a proxy integration."""
    response: dict[str, Any] = app.resolve(event, context)
    return response
