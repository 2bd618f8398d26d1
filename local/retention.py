"""Bounds for what MiniStack 1.5.33 keeps of every request for ever, and saves with its state.

``install()`` replaces functions of MiniStack inside its process. ``tests/integration/test_retention.py``
fails when a new version of MiniStack no longer calls one of them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ministack.services import cloudwatch_logs, firehose, s3

from local.archive_spool import ArchiveSpool
from local.function_log import FunctionLog

INVOCATIONS_PER_LOG_GROUP = 500
"""Newest invocations whose lines CloudWatch Logs keeps. Each has a log stream of its own."""

archiving = ContextVar("archiving", default=False)
"""Whether ``put_object`` runs. Its caller keeps what MiniStack could not write to disk."""
_FUNCTIONS = "/aws/lambda/"
_trimming = threading.Lock()


def install(log: FunctionLog, archive: ArchiveSpool) -> None:
    """Bound what MiniStack keeps. ``log`` gets the functions' lines, ``archive`` gets Firehose's objects."""
    cloudwatch_logs._fanout_to_subscription_filters = _hand_over(
        log, cloudwatch_logs._fanout_to_subscription_filters
    )
    cloudwatch_logs.load_persisted_state = _then(cloudwatch_logs.load_persisted_state, _trim_all_groups)
    firehose._put_s3_object = archive.add
    firehose.ingest_from_kinesis_source = _then(firehose.ingest_from_kinesis_source, _forget_delivered)
    firehose.load_persisted_state = _then(firehose.load_persisted_state, _forget_delivered)
    # It prints all that a function has logged after each delivery.
    logging.getLogger("lambda").setLevel(logging.WARNING)


def put_object(bucket: str, key: str, body: bytes) -> None:
    """Put an object into MiniStack's S3, as its Firehose does.

    Raises RuntimeError when S3 refuses the object, or has it in memory only: it responds with success then.
    """
    token = archiving.set(True)
    try:
        unwritten = s3._buckets.get(bucket, {"objects": {}})["objects"].get(key)
        if unwritten is not None and unwritten.get("body") == body:
            s3._persist_object(bucket, key, unwritten)  # another PUT would be another version in memory
        else:
            _put(bucket, key, body)
    finally:
        archiving.reset(token)
    file = s3._object_disk_path(bucket, key)
    if file is None or not Path(file).is_file() or Path(file).stat().st_size != len(body):
        raise RuntimeError(f"S3 could not write {file}")


def _put(bucket: str, key: str, body: bytes) -> None:
    headers = {"content-type": "application/octet-stream", "content-length": str(len(body))}
    request = s3.handle_request(
        "PUT", f"/{bucket}/{key}", headers | {"host": "s3.localhost"}, body, {}, internal=True
    )
    status, _, response = asyncio.run(request)
    if status >= 300:
        raise RuntimeError(f"S3 responded to the PUT of {bucket}/{key} with {status}: {response!r}")


def _then(first: Callable[..., Any], second: Callable[[], None]) -> Callable[..., Any]:
    def both(*arguments: Any) -> Any:
        result = first(*arguments)
        second()
        return result

    return both


def _hand_over(log: FunctionLog, original: Callable[..., None]) -> Callable[..., None]:
    """Return what MiniStack calls after it has stored lines of a log stream."""

    def stored(group: str, stream: str, events: Sequence[Mapping[str, Any]]) -> None:
        if group.startswith(_FUNCTIONS):
            log.add((event["timestamp"], event["message"]) for event in events)
        _trim(cloudwatch_logs._log_groups.get(group, {"streams": {}}))
        original(group, stream, events)

    return stored


def _trim_all_groups() -> None:
    for _, group in cloudwatch_logs._log_groups.all_items():
        _trim(group)


def _trim(group: Mapping[str, Any]) -> None:
    """Drop the oldest log streams. They are in the order of their creation."""
    streams = group["streams"]
    with _trimming:
        while len(streams) > INVOCATIONS_PER_LOG_GROUP:
            del streams[next(iter(streams))]


def _forget_delivered() -> None:
    """Drop Firehose's own copies of records: they are in the archive, and nothing reads the copies."""
    for _, stream in firehose._streams.all_items():
        for destination in stream.get("destinations", []):
            destination["records"].clear()
