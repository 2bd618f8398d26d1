"""The application: three routes and the Kinesis handler. Each decodes, calls one function and returns.

The only module that knows Chalice. Two functions of Lambda load it, so each handler imports what it alone
needs: a cold start loads no more (docs/performance.md).
"""

from __future__ import annotations

import os
import time
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast

from chalice.app import Chalice, CORSConfig, KinesisEvent, Request, Response

from chalicelib import clients, contract, observability
from chalicelib.config import Config
from chalicelib.errors import DeliveryIncompleteError, PersonalizeApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.api.responses import Answer
    from chalicelib.delivery import Arrival, Outcome

config = Config.from_environ(os.environ)
observability.set_level(config.log_level)

app = Chalice(app_name="personalize-api")
PROTECTED: dict[str, Any] = {
    "methods": ["POST"],
    "api_key_required": True,
    "content_types": ["application/json"],
    "cors": CORSConfig(
        allow_origin=config.allowed_origin,
        allow_headers=["X-Api-Key"],
        expose_headers=["Retry-After"],
        max_age=600,
    ),
}


@app.route("/recommendations", **PROTECTED)
def post_recommendations() -> Response:
    return _respond("Recommendations", _recommend)


@app.route("/history", **PROTECTED)
def post_history() -> Response:
    return _respond("History", _record)


@app.route("/events", **PROTECTED)
def post_events() -> Response:
    return _respond("History", _record)


@app.on_kinesis_record(
    stream=config.event_stream_name,
    name="deliver_events",
    batch_size=1000,
    starting_position="TRIM_HORIZON",
    maximum_batching_window_in_seconds=1,
)
def deliver_events(event: KinesisEvent) -> dict[str, Any]:
    from chalicelib.delivery import arrivals, deliver
    from chalicelib.delivery.quarantine import Quarantine

    started = time.perf_counter()
    context: Any = event.context
    batch = arrivals(event.to_dict())
    outcome = deliver(
        batch,
        tracking_id=config.tracking_id,
        client=clients.personalize_events(),
        quarantine_to=Quarantine(
            config.quarantine_queue_url, config.events_bucket_name, clients.sqs, clients.s3
        ),
        concurrency=clients.PUT_EVENTS_CONCURRENCY,
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
        now=_now,
    )
    observability.emit(
        "Delivery",
        outcome.counts | {"OldestEventAge": _age(batch)},
        service=config.service_name,
        milliseconds=1000 * (time.perf_counter() - started),
        requestId=context.aws_request_id,
        reasons=outcome.reasons,
    )
    return _return_failures(outcome)


def _recommend(body: object) -> Answer:
    from chalicelib.api.recommendations import recommend
    from chalicelib.api.responses import Answer

    return Answer(
        200, recommend(body, campaign_arn=config.campaign_arn, runtime=clients.personalize_runtime())
    )


def _record(body: object) -> Answer:
    from chalicelib.api.responses import batch, single
    from chalicelib.stream import Stream, events_of, ingest

    requests, is_batch = events_of(body)
    stream = Stream(config.event_stream_name, clients.kinesis, time.sleep, _seconds_left)
    verdicts = ingest(requests, stream, received_at=_now(), new_id=lambda: uuid.uuid4().hex)
    return batch(verdicts) if is_batch else single(verdicts[0])


def _respond(name: str, handle: Callable[[object], Answer]) -> Response:
    """Run one request: whatever happens becomes a documented status and one line in the log."""
    started = time.perf_counter()
    request = cast(Request, app.current_request)
    request_id = request.context.get("requestId")
    try:
        answer = handle(contract.parse(cast(bytes, request.raw_body)))
    except PersonalizeApiError as error:
        from chalicelib.api.responses import failure

        answer = failure(error)
    except Exception as error:  # noqa: BLE001 - Chalice would log the message, which may quote values
        from chalicelib.api.responses import crash

        observability.report(error, service=config.service_name, request_id=request_id)
        answer = crash(error)
    observability.emit(
        name,
        {f"Status{answer.status // 100}xx": 1, **answer.counts},
        service=config.service_name,
        milliseconds=1000 * (time.perf_counter() - started),
        status=answer.status,
        requestId=request_id,
        reason=answer.reason,
    )
    return Response(observability.to_json(answer.body), {**answer.headers}, answer.status)


def _return_failures(outcome: Outcome) -> dict[str, Any]:
    """Tell Lambda what to deliver again, in the way that the event source mapping understands."""
    first = outcome.first_deferred
    if first is None:
        return {"batchItemFailures": []}
    if config.report_batch_item_failures:
        return {"batchItemFailures": [{"itemIdentifier": first}]}
    # A mapping without ReportBatchItemFailures takes any answer for success; only an error is retried.
    raise DeliveryIncompleteError(f"{len(outcome.deferred)} records have to be delivered again.")


def _seconds_left() -> float:
    return app.lambda_context.get_remaining_time_in_millis() / 1000


def _age(batch: list[Arrival]) -> float:
    """Seconds since the oldest record of the batch arrived in the stream."""
    now = _now()
    return (now - min((arrival.arrived_at for arrival in batch), default=now)).total_seconds()


def _now() -> datetime:
    return datetime.now(timezone.utc)
