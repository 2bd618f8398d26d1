"""The command that puts records back into the stream: those of the quarantine, or those that Lambda gave up.

A message or an object is deleted only once the stream holds its records, so an interruption at any point
loses nothing. The events of a record go back one by one, each under the id that it had or, if it had none,
the one derived from its first place in the stream. Repeating an interrupted redrive therefore trains on
nothing twice.

An event that still breaks the contract would only come back. It stays where it is until a repair changes it:
a Python file with a function ``repair(record: bytes, reason: str, error: str)`` that returns the changed
bytes, the same bytes, a list with the bytes of each of several events, or None to leave the event where it
is. A message or an object that holds no record is counted and stays too.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import boto3

from chalicelib.delivery.outcome import RejectedRecord
from chalicelib.stream import MAX_RECORDS_PER_CALL, EventStream
from ops.bucket import Bucket
from ops.errors import InputError, readable_aws_errors
from ops.given_up import find_batches, read_batch
from ops.held_messages import HIDDEN_SECONDS, HeldMessages
from ops.locate import Deployment
from ops.quarantined import read_messages
from ops.redrive_result import RedriveResult, progress_line, summary
from ops.stream_writer import StreamWriter
from ops.target import Target
from ops.terminal import print_line
from ops.undelivered import Repair, load_repair, readable_reason

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

Progress: TypeAlias = Callable[[RedriveResult], None]


@dataclass(frozen=True)
class Pipeline:
    """Queue and bucket that records are taken from, and the stream that they go back to.

    ``wait_seconds`` is how long one call waits for messages: SQS asks only some of its servers when the call
    does not wait. ``hidden_seconds`` is how long a message that was read is hidden from other readers.
    """

    queue_url: str
    stream_name: str
    bucket_name: str
    sqs: SQSClient
    kinesis: KinesisClient
    s3: S3Client
    wait_seconds: int = 1
    hidden_seconds: int = HIDDEN_SECONDS

    @property
    def bucket(self) -> Bucket:
        """The archive bucket."""
        return Bucket(self.s3, self.bucket_name)


def run_redrive(target: Target, *, given_up: bool, dry_run: bool, repair_file: Path | None) -> bool:
    """Redrive the quarantine of a stage, or the batches that were given up.

    Returns whether every record that was ready went back.
    """
    repair = load_repair(repair_file) if repair_file else None
    reached = target.open()
    pipeline = pipeline_of(reached.deployment, reached.session)
    started = datetime.now(timezone.utc)
    try:
        with readable_aws_errors():
            if given_up:
                result = redrive_given_up(pipeline, repair=repair, dry_run=dry_run, progress=_print_progress)
            else:
                result = redrive(
                    pipeline, repair=repair, dry_run=dry_run, progress=_print_progress, started=started
                )
    finally:
        print(flush=True)  # The line of progress has no end yet.
    print_line(summary(result, dry_run=dry_run, place="bucket" if given_up else "quarantine"))
    return not result.failed


def pipeline_of(deployment: Deployment, session: boto3.Session) -> Pipeline:
    """Return queue, stream and bucket of a deployment, with clients for them. Raises NotDeployedError."""
    queue_url, stream_name, bucket_name = (
        deployment.output(name) for name in ("QuarantineQueueUrl", "EventStreamName", "EventsBucket")
    )
    with readable_aws_errors():
        return Pipeline(
            queue_url,
            stream_name,
            bucket_name,
            session.client("sqs"),
            session.client("kinesis"),
            session.client("s3"),
        )


def redrive(
    pipeline: Pipeline, *, repair: Repair | None, dry_run: bool, progress: Progress, started: datetime
) -> RedriveResult:
    """Go through the queue once. A message that is not deleted is visible to other readers at the end.

    What was quarantined after ``started`` is left alone: it may be a record that was put back a moment ago
    and refused again, and would go round for ever. ``progress`` gets the result so far after each round.
    """
    result = RedriveResult()
    writer = _writer(pipeline, repair, dry_run)
    with HeldMessages(
        pipeline.sqs, pipeline.queue_url, pipeline.wait_seconds, pipeline.hidden_seconds
    ) as held:
        for messages in held.rounds():
            records, odd = read_messages(messages, pipeline.bucket)
            waiting = [record for record in records if record.quarantined_at < started]
            result += writer.put([record.rejected for record in waiting]) + RedriveResult.of_odd(odd)
            result += RedriveResult(newer=len(records) - len(waiting))
            # An interruption before this repeats an event under its own id.
            stored = [record for record in waiting if writer.has_stored(record.rejected)]
            held.delete([receipt for record in stored for receipt in record.receipts])
            progress(result)
    return result


def redrive_given_up(
    pipeline: Pipeline, *, repair: Repair | None, dry_run: bool, progress: Progress
) -> RedriveResult:
    """Go through the batches that Lambda gave up, in stream order. What is given up meanwhile is left alone.

    The first record that the stream does not take ends the run: later ones of its session must not overtake
    it. ``progress`` gets the result so far after each object.
    """
    keys, odd = find_batches(pipeline.bucket)
    result = RedriveResult.of_odd(odd)
    writer = _writer(pipeline, repair, dry_run)
    for key in keys:
        try:
            batch = read_batch(pipeline.bucket.read(key))
        except InputError as error:  # It was there when the run began.
            result += RedriveResult.of_odd([readable_reason(f"odd object: {error}")])
            continue
        result += _put_batch(writer, batch.records) + RedriveResult.of_odd(batch.odd)
        # An interruption before this repeats events under their own ids.
        if not batch.odd and all(map(writer.has_stored, batch.records)):
            pipeline.bucket.delete(key)
        progress(result)
        if result.failed:
            break
    return result


def _put_batch(writer: StreamWriter, records: Sequence[RejectedRecord]) -> RedriveResult:
    """Put the records of a batch, some at a time, until the stream does not take one."""
    result = RedriveResult()
    for start in range(0, len(records), MAX_RECORDS_PER_CALL):
        result += writer.put(records[start : start + MAX_RECORDS_PER_CALL])
        if result.failed:
            break
    return result


def _writer(pipeline: Pipeline, repair: Repair | None, dry_run: bool) -> StreamWriter:
    stream = EventStream(pipeline.stream_name, pipeline.kinesis, time.sleep, random.random)
    return StreamWriter(stream, repair, dry_run, max_seconds=HIDDEN_SECONDS / 2)


def _print_progress(result: RedriveResult) -> None:
    print(f"\r{progress_line(result)}", end="", flush=True)
