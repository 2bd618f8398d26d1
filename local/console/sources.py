"""Reads stream, engine, archive, quarantine and the functions' log of a local stack into a ``Pipeline``.

One reading does a bounded part of the work and goes on there the next time. It deletes nothing, and shows the
messages of the quarantine again at once.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from functools import cached_property
from http.client import HTTPException
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.delivery.kinesis import KinesisRecord
from chalicelib.timestamps import to_rfc3339
from local.console.engine import EngineUnreachableError, call_engine
from local.console.pipeline import LogLine, Pipeline, Quarantined, Trained
from local.coordinates import Stack
from local.log_view import read_page, to_line, without_expected_tracebacks
from local.personalize import REGION

ARCHIVE_PREFIX = "events/"
MIN_SECONDS_BETWEEN = 0.25
"""Between two readings. Several tabs share one."""
RECORDS_PER_READING = 2000
ENGINE_EVENTS_PER_READING = 2000
OBJECTS_PER_READING = 20
MAX_OBJECT_BYTES = 8_000_000
MESSAGES_PER_READING = 1000
EARLIER_ENGINE_EVENTS = 500
_RECORDS_PER_CALL = 10_000
_MESSAGES_PER_CALL = 10
_HIDDEN_SECONDS = 10
_KEYS_BEHIND = 50
"""Newest keys that are listed again. Keys of one second have no order."""
_DELIVERY_MEMBERS = ("Delivered", "Quarantined", "Retried", "PutEventsCalls", "DeliveryDuration")
_ONE_TRY = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5, proxies={})
_Reading = Callable[[], None]


class Sources:
    """What of one stack is read, and how far. ``begin()`` leaves out what was there before this run."""

    def __init__(self, stack: Stack, session: boto3.Session, pipeline: Pipeline, now: datetime) -> None:
        self._stack = stack
        self._pipeline = pipeline
        self._started_at = now
        self._kinesis = _client(session, "kinesis", stack.awsEndpointUrl)
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._sequence_numbers: dict[str, str | None] = {}
        self._engine_seqs: dict[str, int] = {}
        self._keys: list[str] = []
        self._first_key = f"{ARCHIVE_PREFIX}dt={(now - timedelta(days=1)).date().isoformat()}"
        self._messages = 0
        self._log_number = 0
        self.unreachable: list[str] = []

    def begin(self) -> None:
        """Go to the end of the stream, and nearly to that of the engine's events.

        A page that was open before may wait for the last of them. Raises AwsError, EngineUnreachableError.
        """
        for shard in self._kinesis.list_shards(StreamName=self._stack.streamName)["Shards"]:
            last = None
            while records := [*self._records(shard["ShardId"], last, _RECORDS_PER_CALL)]:
                last = records[-1]["SequenceNumber"]
            self._sequence_numbers[shard["ShardId"]] = last
        for path in _ENGINE_LISTS:
            _, end = call_engine(self._stack.personalizeUrl, "GET", f"{path}?after=end")
            self._engine_seqs[path] = max(0, end["last"] - EARLIER_ENGINE_EVENTS)

    def read(self) -> None:
        """Read what is new into the pipeline, unless that was done just before."""
        with self._lock:
            if time.monotonic() - self._read_at < MIN_SECONDS_BETWEEN:
                return
            self.unreachable = [name for name, reading in self._readings() if not _succeeds(reading)]
            self._read_at = time.monotonic()

    def changes(self, cursor: str) -> dict[str, Any]:
        """Return ``Pipeline.changes``, and which of the sources did not respond to the last reading."""
        with self._lock:
            return {**self._pipeline.changes(cursor), "unreachable": self.unreachable}

    def put_record(self, data: bytes, partition_key: str) -> dict[str, str]:
        """Put a record into the stream as another producer does, and return its place. Raises AwsError."""
        put = self._kinesis.put_record(
            StreamName=self._stack.streamName, Data=data, PartitionKey=partition_key
        )
        return {"shardId": put["ShardId"], "sequenceNumber": put["SequenceNumber"]}

    def _readings(self) -> Iterator[tuple[str, _Reading]]:
        yield "stream", self._read_stream
        yield "engine", self._read_engine
        yield "quarantine", self._read_quarantine
        yield "archive", self._read_archive
        yield "log", self._read_log

    # Clients are made where they are first used, with a session that no other thread has.
    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session("test", "test", region_name=REGION)

    @cached_property
    def _s3(self) -> Any:
        return _client(self._session, "s3", self._stack.awsEndpointUrl)

    @cached_property
    def _sqs(self) -> Any:
        return _client(self._session, "sqs", self._stack.awsEndpointUrl)

    def _records(self, shard_id: str, after: str | None, limit: int) -> Iterator[dict[str, Any]]:
        start = {"ShardIteratorType": "TRIM_HORIZON"}
        if after is not None:
            start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
        iterator = self._kinesis.get_shard_iterator(
            StreamName=self._stack.streamName, ShardId=shard_id, **start
        )
        yield from self._kinesis.get_records(ShardIterator=iterator["ShardIterator"], Limit=limit)["Records"]

    def _read_stream(self) -> None:
        for shard_id, after in self._sequence_numbers.items():
            for record in self._records(shard_id, after, RECORDS_PER_READING):
                self._pipeline.streamed(
                    KinesisRecord(
                        shard_id,
                        record["SequenceNumber"],
                        record["ApproximateArrivalTimestamp"].astimezone(timezone.utc),
                        record["Data"],
                    )
                )
                self._sequence_numbers[shard_id] = record["SequenceNumber"]

    def _read_engine(self) -> None:
        for path, (name, to_trained) in _ENGINE_LISTS.items():
            query = f"?after={self._engine_seqs[path]}&limit={ENGINE_EVENTS_PER_READING}"
            status, page = call_engine(self._stack.personalizeUrl, "GET", path + query)
            if status != 200:
                raise EngineUnreachableError(f"The engine responds with {status}")
            for row in page[name]:
                self._pipeline.trained(to_trained(row))
            self._engine_seqs[path] = page["last"]

    def _read_quarantine(self) -> None:
        """Read the messages when their number has changed, or while an event may become one of them."""
        url = self._stack.quarantineQueueUrl
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]
        count = int(attributes["ApproximateNumberOfMessages"])
        if count == 0 or (count == self._messages and not self._pipeline.has_pending):
            self._messages = count
            return
        receipts: list[str] = []
        try:
            while len(receipts) < MESSAGES_PER_READING:
                # Hidden, so that the next call returns others; shown again below.
                messages = self._sqs.receive_message(
                    QueueUrl=url, MaxNumberOfMessages=_MESSAGES_PER_CALL, VisibilityTimeout=_HIDDEN_SECONDS
                ).get("Messages", [])
                receipts += [message["ReceiptHandle"] for message in messages]
                for message in messages:
                    if (found := quarantined_of(message["Body"])) is not None:
                        self._pipeline.quarantined(found)
                if len(messages) < _MESSAGES_PER_CALL:
                    break
        finally:
            self._show_again(receipts)
        self._messages = count

    def _show_again(self, receipts: list[str]) -> None:
        for start in range(0, len(receipts), _MESSAGES_PER_CALL):
            entries = [
                {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for index, receipt in enumerate(receipts[start : start + _MESSAGES_PER_CALL])
            ]
            with suppress(ClientError):
                self._sqs.change_message_visibility_batch(
                    QueueUrl=self._stack.quarantineQueueUrl, Entries=entries
                )

    def _read_archive(self) -> None:
        if not self._pipeline.has_unarchived:
            return
        listed = self._s3.list_objects_v2(
            Bucket=self._stack.bucket, Prefix=ARCHIVE_PREFIX, StartAfter=self._list_after()
        )
        known = set(self._keys)
        new = [found for found in listed.get("Contents", []) if found["Key"] not in known]
        for found in new[:OBJECTS_PER_READING]:
            # An object of an earlier run has none of this run's events. S3 counts whole seconds.
            if found["LastModified"] >= self._started_at - timedelta(seconds=1):
                content = self._s3.get_object(
                    Bucket=self._stack.bucket, Key=found["Key"], Range=f"bytes=0-{MAX_OBJECT_BYTES - 1}"
                )["Body"].read()
                self._pipeline.archived(content, found["Key"], found["LastModified"])
            self._keys = sorted([*self._keys, found["Key"]])[-2 * _KEYS_BEHIND :]

    def _list_after(self) -> str:
        return self._keys[-_KEYS_BEHIND] if len(self._keys) >= _KEYS_BEHIND else self._first_key

    def _read_log(self) -> None:
        page = read_page(self._stack.awsEndpointUrl, self._log_number)
        if page is None:
            raise EngineUnreachableError("The emulator does not respond")
        self._log_number = page.last
        lines = (log_line_of(at, text) for at, text in without_expected_tracebacks(page.lines))
        self._pipeline.logged(line for line in lines if line is not None)


def _client(session: boto3.Session, service: str, aws_url: str) -> Any:
    make_client: Any = session.client
    return make_client(service, endpoint_url=aws_url, config=_ONE_TRY)


def _succeeds(reading: _Reading) -> bool:
    try:
        reading()
    except (BotoCoreError, ClientError, EngineUnreachableError, HTTPException, OSError):
        return False
    return True


def _event_of(row: Mapping[str, Any]) -> Trained:
    return _trained(row, "event", row["itemId"])


def _interaction_of(row: Mapping[str, Any]) -> Trained:
    return _trained(row, "action", row["actionId"])


_ENGINE_LISTS: dict[str, tuple[str, Callable[[Mapping[str, Any]], Trained]]] = {
    "/_engine/events": ("events", _event_of),
    "/_engine/action-interactions": ("actionInteractions", _interaction_of),
}
"""The lists of the engine by path: the member with the rows, and what a row says."""


def _trained(row: Mapping[str, Any], kind: str, item_id: str | None) -> Trained:
    at = datetime.fromtimestamp(row["receivedAt"], timezone.utc)
    return Trained(row["eventId"], kind, row["userId"], row["sessionId"], row["eventType"], item_id, at)


def quarantined_of(body: str) -> Quarantined | None:
    """Return what a message of the quarantine says; None for one that delivery does not write."""
    try:
        message = json.loads(body)
        place = f"{message['shardId']}:{message['sequenceNumber']}"
        index = message.get("index")
        return Quarantined(
            place if index is None else f"{place}:{int(index)}",
            str(message["reason"]),
            str(message["error"]),
            str(message["quarantinedAt"]),
            _record_text(message),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _record_text(message: Mapping[str, Any]) -> str | None:
    """Return the record as text; bytes that are none as escapes. None for one that is kept in the bucket."""
    record = message.get("record")
    if not isinstance(record, str):
        return None
    if message.get("encoding") != "base64":
        return record
    return base64.b64decode(record).decode("utf-8", "backslashreplace")


def log_line_of(at_ms: int, logged: str) -> LogLine | None:
    """Return a line of the functions' log as the page shows it; None for lines of the platform."""
    text = to_line(logged)
    if text is None:
        return None
    at = to_rfc3339(datetime.fromtimestamp(at_ms / 1000, timezone.utc))
    try:
        entry = json.loads(logged)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or entry.get("message") != "Delivery":
        return LogLine(at, text)
    numbers = {name[0].lower() + name[1:]: _total(entry.get(name)) for name in _DELIVERY_MEMBERS}
    return LogLine(at, text, {**numbers, "reasons": entry.get("reasons") or {}})


def _total(value: Any) -> int:
    """Return a metric, which EMF writes as a number or as a list of numbers."""
    return int(sum(value) if isinstance(value, list) else value or 0)
