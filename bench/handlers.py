"""The contenders, as functions that make a number of calls: our handlers, and the smallest possible ones.

The smallest handlers do what a tutorial does: they parse the body, make one call with a default boto3 client,
return the response as JSON and log one line. They have no validation, no error handling and no metrics. Two
handlers that people know are modules of their own: bench.sample_handler and bench.powertools_handler. Only
bench.sandbox runs this module. Each function has its own imports, so that no contender loads another's.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from bench.traffic import (
    Context,
    all_options_body,
    api_event,
    history_body,
    kinesis_event,
    page_body,
    recommendations_body,
)

if TYPE_CHECKING:
    from chalicelib.services import Services


def our_recommendations(calls: int) -> None:
    """Request recommendations from our API function."""
    from app import app

    _request(app, "/recommendations", recommendations_body(), calls)


def our_all_options(calls: int) -> None:
    """Request recommendations with every option from our API function."""
    from app import app

    _request(app, "/recommendations", all_options_body(), calls)


def our_recommendations_alone(calls: int) -> None:
    """Request recommendations without budget, circuit and last responses: botocore sends, nothing is kept."""
    import app

    if not isinstance(vars(app.services).get("circuits"), _Never):
        clients = app.services.clients
        transport = clients.transport
        vars(transport).update(attach=lambda client: None, until=lambda ends_at: nullcontext())
        vars(app.services)["circuits"] = vars(app.services)["last_responses"] = _Never()
    _request(app.app, "/recommendations", recommendations_body(), calls)


class _Never:
    """Circuits that are never open and responses that are never kept."""

    def of(self, method: str, campaign_arn: str) -> _Never:
        return self

    def admit(self, now: float, seconds: float) -> Any:
        from chalicelib.circuits import Permit

        return Permit(0)

    def succeeded(self, permit: object) -> None:
        pass

    def keep(self, key: bytes, response: object, now: float) -> None:
        pass


def our_page(calls: int, lists: int) -> None:
    """Request a page of so many lists from our API function."""
    from app import app

    _request(app, "/recommendations", page_body(lists), calls)


def our_history(calls: int, events: int) -> None:
    """Send ``events`` events in each request to our API function."""
    from app import app

    _request(app, "/history", history_body(events), calls, expected=202)


def sample_recommendations(calls: int) -> None:
    """Request recommendations from the handler of a first try."""
    from bench.sample_handler import handler

    _request(handler, "/recommendations", recommendations_body(), calls)


def powertools_recommendations(calls: int) -> None:
    """Request recommendations from the handler with Powertools."""
    from bench.powertools_handler import handler

    _request(handler, "/recommendations", recommendations_body(), calls)


def _request(handler: Callable[..., Any], path: str, body: str, calls: int, *, expected: int = 200) -> None:
    event, context = api_event(path, body), Context()
    for _ in range(calls):
        response = handler(event, context)
        if response["statusCode"] != expected:
            raise RuntimeError(response)


def smallest_recommendations(calls: int) -> None:
    """Request recommendations from the smallest handler."""
    client = _default_client("personalize-runtime")
    event = api_event("/recommendations", recommendations_body())
    for _ in range(calls):
        body = json.loads(event["body"])
        response = client.get_recommendations(
            campaignArn=os.environ["CAMPAIGN_ARN"], userId=body["userId"], numResults=body["numResults"]
        )
        response.pop("ResponseMetadata")
        print("recommended")
        _respond(response)


def smallest_all_options(calls: int) -> None:
    """Request recommendations with every option from the smallest handler."""
    client = _default_client("personalize-runtime")
    event = api_event("/recommendations", all_options_body())
    campaign_arn = os.environ["CAMPAIGN_ARN"]
    for _ in range(calls):
        body = json.loads(event["body"])
        response = client.get_recommendations(
            campaignArn=campaign_arn,
            **{name: body[name] for name in ("userId", "itemId", "numResults", "context", "metadataColumns")},
            **_filter_arguments(body, campaign_arn),
            promotions=[
                {
                    "name": promotion["name"],
                    "percentPromotedItems": promotion["percentPromotedItems"],
                    **_filter_arguments(promotion, campaign_arn),
                }
                for promotion in body["promotions"]
            ],
        )
        response.pop("ResponseMetadata")
        print("recommended")
        _respond(response)


def _filter_arguments(body: Mapping[str, Any], campaign_arn: str) -> dict[str, Any]:
    """Return the filter of a request as Personalize takes it, lists of strings with quotes."""
    values = {
        name: ",".join(f'"{each}"' for each in value) if isinstance(value, list) else str(value)
        for name, value in body["filterValues"].items()
    }
    arn = f"{campaign_arn.rpartition(':')[0]}:filter/{body['filter']}"
    return {"filterArn": arn, "filterValues": values}


def smallest_history(calls: int, events: int) -> None:
    """Send ``events`` events in each request to the smallest handler."""
    client = _default_client("kinesis")
    event = api_event("/history", history_body(events))
    for _ in range(calls):
        body = json.loads(event["body"])
        client.put_records(
            StreamName=os.environ["EVENT_STREAM_NAME"],
            Records=[
                {"Data": json.dumps(each), "PartitionKey": each["SessionId"]}
                for each in body.get("Events", [body])
            ],
        )
        print("stored")
        _respond({"stored": events})


def our_delivery(calls: int, records: int, sessions: int, concurrency: int = 0) -> None:
    """Deliver a batch. ``concurrency`` 0 means the deployed one."""
    import app
    from chalicelib.clients import Clients

    if concurrency:
        clients = Clients(delivery_concurrency=concurrency)
        app.services = replace(app.services, clients=clients, delivery_concurrency=concurrency)
    event = _batch(records, sessions)
    for _ in range(calls):
        _forget(app.services)
        response = app.deliver_events(event, Context())
        if response != {"batchItemFailures": []}:
            raise RuntimeError(response)


def peak_of_delivery(_calls: int, records: int, sessions: int) -> int:
    """Return the most bytes that Python allocates for a batch, Lambda's event included.

    What a first small batch allocates is not counted.
    """
    import tracemalloc

    from app import deliver_events, services

    deliver_events(_batch(10, 2), Context())
    _forget(services)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    deliver_events(kinesis_event(records, sessions), Context())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak - before


def _forget(services: Services) -> None:
    """Forget which records were delivered: a sandbox passes over them when the same batch comes again."""
    vars(services).pop("finished_records", None)


def sequential_delivery(calls: int, records: int, sessions: int, sample: int) -> None:
    """Make one PutEvents call per record, one after another, for the first ``sample`` records."""
    from datetime import datetime

    client = _default_client("personalize-events")
    event = _batch(records, sessions)
    for _ in range(calls):
        for record in event["Records"][:sample]:
            body = json.loads(base64.b64decode(record["kinesis"]["data"]))
            client.put_events(
                trackingId=os.environ["TRACKING_ID"],
                sessionId=body["SessionId"],
                userId=body["UserId"],
                eventList=[
                    {
                        "eventId": body["EventId"],
                        "eventType": body["EventType"],
                        "sentAt": datetime.fromisoformat(body["ReceivedAt"].replace("Z", "+00:00")),
                        "itemId": body["Event"]["itemId"],
                        "eventValue": body["Event"]["eventValue"],
                        "properties": json.dumps({"CHANNEL": body["Event"]["CHANNEL"]}),
                    }
                ],
            )
        print("delivered")


@cache
def _batch(records: int, sessions: int) -> dict[str, Any]:
    return kinesis_event(records, sessions)


@cache
def _default_client(service: str) -> Any:
    import boto3

    make: Any = boto3.client
    return make(service)


def _respond(body: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
