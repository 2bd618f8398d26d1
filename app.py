"""The application: the routes and the Kinesis handler. The only module that knows Chalice.

Two functions of Lambda load this module, so the handler of each imports what it alone needs: a cold start
loads no more (docs/performance.md).
"""

from __future__ import annotations

import os
from typing import Any, cast

from chalice.app import Chalice, CORSConfig, KinesisEvent, Request, Response

from chalicelib import cors, observability
from chalicelib.services import Services

services = Services.from_environ(os.environ)
observability.set_level(services.config.log_level)

app = Chalice(app_name="personalize-api")
POST: dict[str, Any] = {
    "methods": ["POST"],
    "api_key_required": True,
    "content_types": ["application/json"],
    "cors": CORSConfig(
        allow_origin=services.config.allowed_origins.fixed,
        allow_headers=["X-Api-Key", *services.config.allowed_headers],
        expose_headers=cors.EXPOSED,
        max_age=600,
    ),
}
GET: dict[str, Any] = {**POST, "methods": ["GET"], "content_types": []}  # Chalice would check the default


@app.route("/recommendations", **POST)
def post_recommendations() -> Response:
    return _respond("recommendations")


@app.route("/ranking", **POST)
def post_ranking() -> Response:
    return _respond("ranking")


@app.route("/action-recommendations", **POST)
def post_action_recommendations() -> Response:
    return _respond("action_recommendations")


@app.route("/history", **POST)
def post_history() -> Response:
    return _respond("history")


@app.route("/events", **POST)
def post_events() -> Response:
    return _respond("history")


@app.route("/openapi.json", **GET)
def get_openapi() -> Response:
    return _respond("openapi")


@app.route("/health", **GET)
def get_health() -> Response:
    return _respond("health")


@app.on_kinesis_record(
    stream=services.config.event_stream_name,
    name="deliver_events",
    batch_size=1000,
    starting_position="TRIM_HORIZON",
    maximum_batching_window_in_seconds=1,
)
def deliver_events(event: KinesisEvent) -> dict[str, Any]:
    from chalicelib import delivery

    return delivery.handle(event.to_dict(), cast(Any, event.context), services)


def _respond(operation: str) -> Response:
    from chalicelib import api

    request = cast(Request, app.current_request)
    asked = api.Request(
        cast(bytes, request.raw_body),
        {**(request.query_params or {})},
        seconds_left=lambda: app.lambda_context.get_remaining_time_in_millis() / 1000,
    )
    response = api.respond(operation, asked, services, request_id=request.context.get("requestId"))
    of_origin = services.config.allowed_origins.headers(request.headers.get("origin"))
    return Response(observability.to_json(response.body), {**response.headers, **of_origin}, response.status)
