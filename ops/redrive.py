"""The command that puts quarantined records back into the stream.

A message is deleted only once the stream holds its record, so an interruption at any point loses nothing. A
record goes back under the event id that it had or, if it had none, the one derived from its place in the
stream. Repeating an interrupted redrive therefore trains on nothing twice.

A record that still breaks the contract would only come back. It stays in the queue until a repair changes it:
a Python file with a function ``repair(record: bytes, reason: str, error: str)`` that returns the changed
bytes, the same bytes, or None to leave the record where it is.
"""

from __future__ import annotations

import random
import runpy
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, cast

import boto3

from chalicelib.errors import InvalidRequestError
from chalicelib.records import Record, from_record
from chalicelib.stream import EventStream
from ops.errors import InputError, readable_aws_errors
from ops.locate import Deployment, locate
from ops.packaging.bundle import ROOT
from ops.quarantined import HIDDEN_SECONDS, HeldMessages, QuarantinedRecord, content_of, records_of
from ops.sessions import open_session
from ops.stage import Stage

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

Repair = Callable[[bytes, str, str], bytes | None]


@dataclass(frozen=True)
class Pipeline:
    """The queue that records are taken from, and the stream that they go back to.

    ``wait_seconds`` is how long one call waits for messages: SQS asks only some of its servers when the call
    does not wait.
    """

    queue_url: str
    stream_name: str
    sqs: SQSClient
    kinesis: KinesisClient
    s3: S3Client
    wait_seconds: int = 1


@dataclass(frozen=True)
class RedriveResult:
    """What a redrive did, counted in distinct records. ``reasons`` counts why they were quarantined."""

    reasons: Counter[str] = field(default_factory=Counter)
    put_back: int = 0
    left: int = 0
    failed: int = 0

    def __add__(self, other: RedriveResult) -> RedriveResult:
        return RedriveResult(
            self.reasons + other.reasons,
            self.put_back + other.put_back,
            self.left + other.left,
            self.failed + other.failed,
        )


def run_redrive(
    stage_name: str,
    *,
    stack_name: str | None,
    dry_run: bool,
    repair_file: Path | None,
    profile: str | None,
    region: str | None,
) -> bool:
    """Redrive the quarantine of a stage, and return whether every record that was ready went back."""
    repair = load_repair(repair_file) if repair_file else None
    stage = Stage(ROOT, stage_name)
    session = open_session(stage, profile=profile, region=region, stack_name=stack_name)
    pipeline = pipeline_of(locate(stage, session, stack_name), session)
    started = datetime.now(timezone.utc)
    try:
        with readable_aws_errors():
            result = redrive(
                pipeline, repair=repair, dry_run=dry_run, progress=_print_progress, started=started
            )
    finally:
        print(flush=True)  # The line of progress has no end yet.
    print(summary(result, dry_run=dry_run), flush=True)
    return not result.failed


def pipeline_of(deployment: Deployment, session: boto3.Session) -> Pipeline:
    """Return queue and stream of a deployment, with clients for them. Raises NotDeployedError."""
    queue_url, stream_name = (deployment.output(name) for name in ("QuarantineQueueUrl", "EventStreamName"))
    with readable_aws_errors():
        return Pipeline(
            queue_url, stream_name, session.client("sqs"), session.client("kinesis"), session.client("s3")
        )


def redrive(
    pipeline: Pipeline,
    *,
    repair: Repair | None,
    dry_run: bool,
    progress: Callable[[RedriveResult], None],
    started: datetime,
) -> RedriveResult:
    """Go through the queue once. A message that is not deleted is visible to other readers at the end.

    What was quarantined after ``started`` is left alone: it may be a record that was put back a moment ago
    and refused again, and would go round for ever. ``progress`` gets the result so far after each round.
    """
    result = RedriveResult()
    seen: frozenset[tuple[str, int]] = frozenset()
    with HeldMessages(pipeline.sqs, pipeline.queue_url, pipeline.wait_seconds) as held:
        for messages in held.rounds():
            records = [record for record in records_of(messages) if record.quarantined_at < started]
            new = frozenset(record.position for record in records) - seen
            events_of = [
                (record, to_record(record, content_of(record, pipeline.s3), repair)) for record in records
            ]
            ready = [(record, event) for record, event in events_of if event is not None]
            stored = [record for record, _ in ready] if dry_run else _put_back(pipeline, ready, held)
            result += RedriveResult(
                Counter(record.why for record in records if record.position in new),
                put_back=sum(record.position in new for record in stored),
                left=sum(event is None and record.position in new for record, event in events_of),
                failed=len(ready) - len(stored),
            )
            seen |= new
            progress(result)
    return result


def to_record(record: QuarantinedRecord, data: bytes, repair: Repair | None) -> Record | None:
    """Return the record to put back; None when it breaks the contract, or the repair leaves the record."""
    message = record.message
    repaired = repair(data, message["reason"], message["error"]) if repair is not None else data
    if repaired is None:
        return None
    with suppress(InvalidRequestError):
        return from_record(
            repaired,
            fallback_id=f"{message['shardId']}:{message['sequenceNumber']}",
            arrived_at=record.quarantined_at,
        )
    return None


def _put_back(
    pipeline: Pipeline, ready: Sequence[tuple[QuarantinedRecord, Record]], held: HeldMessages
) -> list[QuarantinedRecord]:
    """Put records into the stream, delete their messages, and return the records that the stream holds.

    An interruption between the two repeats an event under its own id.
    """
    deadline = time.monotonic() + HIDDEN_SECONDS / 2
    stream = EventStream(pipeline.stream_name, pipeline.kinesis, time.sleep, random.random)
    outcomes = stream.put([record for _, record in ready], seconds_left=lambda: deadline - time.monotonic())
    stored = [quarantined for (quarantined, _), error in zip(ready, outcomes, strict=True) if error is None]
    held.delete([receipt for quarantined in stored for receipt in quarantined.receipts])
    return stored


def load_repair(path: Path) -> Repair:
    """Return the function ``repair`` of a Python file. Raises InputError."""
    if not path.is_file():
        raise InputError(f"There is no file {path}. --repair takes a Python file with a function repair.")
    repair = runpy.run_path(str(path)).get("repair")
    if not callable(repair):
        raise InputError(f"{path} has no function repair(record, reason, error).")
    return cast(Repair, repair)


def summary(result: RedriveResult, *, dry_run: bool) -> str:
    """Return the reasons counted, the most frequent first, and what was done."""
    lines = [f"{count:>7}  {why}" for why, count in result.reasons.most_common()]
    verb = "would go" if dry_run else "went"
    lines.append(f"{result.put_back} {verb} back into the stream, {result.left} stay in the quarantine.")
    if result.failed:
        lines.append(f"{result.failed} could not be put into the stream and stay too. Run it again later.")
    if result.left:
        lines.append("What stays breaks the contract; repair it with --repair FILE.")
    return "\n".join(lines)


def _print_progress(result: RedriveResult) -> None:
    read = sum(result.reasons.values())
    print(f"\r{read} records read, {result.put_back} back, {result.left} left", end="", flush=True)
