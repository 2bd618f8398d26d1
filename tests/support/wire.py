"""Personalize, SQS and S3 in memory, answering where botocore would open a connection.

Everything above the socket is real: the clients, their retries, their parsing. Personalize judges requests by
the local engine's rules; a queue takes no more than SQS does.
"""

import json
import threading
from collections import defaultdict, deque
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.validate import ParamValidator

from chalicelib import delivery
from chalicelib.services import Services
from local.personalize import TRACKING_ID
from local.personalize.errors import ServiceError
from local.personalize.requests import parse_put_events
from tests.conftest import SETTINGS
from tests.support.factories import NOW

MAX_QUEUE_BYTES = 1024 * 1024
"""Of the messages of one SendMessageBatch together (API_SendMessageBatch)."""

MAX_ACTION_INTERACTIONS = 10
"""Of one PutActionInteractions (API_UBS_PutActionInteractions)."""

FAULTS = ("throttled", "500", "503", "denied", "reset", "timeout", "lost")
"""What one request may meet. Of a lost one only the answer is lost: the request has been carried out."""

_REFUSALS = {
    "throttled": (400, "ThrottlingException"),
    "500": (500, "InternalFailure"),
    "503": (503, "ServiceUnavailable"),
    "denied": (403, "AccessDeniedException"),
}


class Wire:
    """``trained`` are the events that Personalize took, first arrivals only, as (session, event id).
    ``acted`` are the action interactions in the same form.

    ``faults`` holds, by session, what its next requests meet; under the key None those of the queue and the
    bucket. ``tick`` is called before and after every request is carried out.
    """

    def __init__(self, *, invalid_items=(), faults=None, tick=lambda: None, sleep=lambda seconds: None):
        self.trained = []
        self.acted = []
        self.messages = []
        self.objects = {}
        self.requests = 0
        self.faults = defaultdict(deque, {key: deque(kinds) for key, kinds in (faults or {}).items()})
        self.tick = tick
        self.sleep = sleep
        self._invalid_items = frozenset(invalid_items)
        self._event_ids = set()
        self._action_event_ids = set()
        self._lock = threading.Lock()

    @contextmanager
    def connected(self, monkeypatch, *, concurrency=1, **settings):
        """Services whose clients speak over this wire. botocore's pauses between retries take no time."""
        services = replace(
            Services.from_environ(
                SETTINGS | {"TRACKING_ID": TRACKING_ID, "EVENTS_BUCKET_NAME": "archive"} | settings
            ),
            now=lambda: NOW,
            sleep=self.sleep,
            delivery_concurrency=concurrency,
        )
        clients = services.clients
        for client, operation, carry_out in (
            (clients.personalize_events, "personalize-events.PutEvents", self._put_events),
            (
                clients.personalize_events,
                "personalize-events.PutActionInteractions",
                self._put_action_interactions,
            ),
            (clients.sqs, "sqs.SendMessageBatch", self._send_message_batch),
            (clients.s3, "s3.PutObject", self._put_object),
        ):
            client.meta.events.register(f"before-send.{operation}", self._answering(carry_out))
        monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda seconds: None))
        with ExitStack() as stack:
            for client in (clients.personalize_events, clients.sqs, clients.s3):
                stack.enter_context(held_to_its_model(client))
            yield services

    @property
    def quarantined(self):
        """The place of every event in quarantine, once: shard, sequence number and index in its record."""
        return {place_of(message) for message in self.messages}

    def _answering(self, carry_out):
        def answer(request, **_):
            with self._lock:
                self.requests += 1
                self.tick()
                status, body = carry_out(request)
                self.tick()
            return response(request.url, status, body)

        return answer

    def _put_events(self, request):
        body = json.loads(request.body)
        fault = self._next_fault(body["sessionId"], request)
        if fault in _REFUSALS:
            return refusal(*_REFUSALS[fault])
        try:
            parsed = parse_put_events(body)
        except ServiceError as error:
            return refusal(error.status, error.code, error.message)
        if any(event.item_id in self._invalid_items for event in parsed.events):
            return refusal(400, "InvalidInputException", "an item is invalid")
        for event in parsed.events:
            if event.event_id not in self._event_ids:
                self._event_ids.add(event.event_id)
                self.trained.append((parsed.session_id, event.event_id))
        return self._unless_lost(fault, request, {})

    def _put_action_interactions(self, request):
        entries = json.loads(request.body)["actionInteractions"]
        fault = self._next_fault(entries[0]["sessionId"], request)
        if fault in _REFUSALS:
            return refusal(*_REFUSALS[fault])
        if len(entries) > MAX_ACTION_INTERACTIONS:
            return refusal(400, "InvalidInputException", "too many")
        if any(entry["actionId"] in self._invalid_items for entry in entries):
            return refusal(400, "InvalidInputException", "an action is invalid")
        for entry in entries:
            if entry["eventId"] not in self._action_event_ids:
                self._action_event_ids.add(entry["eventId"])
                self.acted.append((entry["sessionId"], entry["eventId"]))
        return self._unless_lost(fault, request, {})

    def _send_message_batch(self, request):
        entries = json.loads(request.body)["Entries"]
        fault = self._next_fault(None, request)
        if fault in _REFUSALS:
            return refusal(*_REFUSALS[fault])
        if sum(len(entry["MessageBody"]) for entry in entries) > MAX_QUEUE_BYTES:
            return refusal(400, "AWS.SimpleQueueService.BatchRequestTooLong", "too long")
        failed = entries[:1] if fault == "partial" else []
        taken = entries[len(failed) :]
        self.messages += [json.loads(entry["MessageBody"]) for entry in taken]
        answer = {
            "Successful": [
                {"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "unchecked"} for entry in taken
            ],
            "Failed": [
                {"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in failed
            ],
        }
        return self._unless_lost(fault, request, answer)

    def _put_object(self, request):
        fault = self._next_fault(None, request)
        if fault in _REFUSALS:
            return _REFUSALS[fault][0], b""
        self.objects[request.url.partition("/quarantine/")[2]] = content_of(request)
        return self._unless_lost(fault, request, b"")

    def _next_fault(self, key, request):
        waiting = self.faults[key]
        fault = waiting.popleft() if waiting else None
        if fault == "reset":
            raise ConnectionClosedError(endpoint_url=request.url)
        if fault == "timeout":
            raise ReadTimeoutError(endpoint_url=request.url)
        return fault

    @staticmethod
    def _unless_lost(fault, request, answer):
        if fault == "lost":
            raise ConnectionClosedError(endpoint_url=request.url)
        return 200, answer


def place_of(message):
    """The place that a message names. An event that was alone in its record has no index."""
    return message["shardId"], message["sequenceNumber"], message.get("index")


@contextmanager
def held_to_its_model(client):
    """Validate every call against the service's own model, which our clients themselves leave out."""
    broken = []

    def validate(params, model, **_):
        report = ParamValidator().validate(params, model.input_shape)
        if report.has_errors():
            broken.append(f"{model.name}: {report.generate_report()}")

    client.meta.events.register("before-parameter-build", validate)
    try:
        yield
    finally:
        client.meta.events.unregister("before-parameter-build", validate)
    assert broken == []


def content_of(request):
    """The object in an S3 request, without the chunks and the checksum that botocore wraps around it."""
    body = request.body.read() if hasattr(request.body, "read") else request.body
    if b"aws-chunked" not in request.headers.get("Content-Encoding", b""):
        return body
    size, _, rest = body.partition(b"\r\n")
    return rest[: int(size, 16)]


def refusal(status, code, message="said"):
    return status, {"__type": code, "message": message}


def response(url, status, body):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers: Any = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    if isinstance(body, dict) and "__type" in body:
        headers["x-amzn-ErrorType"] = body["__type"]
    return AWSResponse(url, status, headers, SimpleNamespace(stream=lambda **_: [content]))


def deliver(batch, services, *, seconds_left=lambda: 60.0):
    """Deliver a batch with the services of ``Wire.connected``. Returns the outcome."""
    return delivery.deliver(batch, services, seconds_left=seconds_left)
