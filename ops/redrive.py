"""Puts quarantined records back into the stream.

    python ops/redrive.py --stage prod --dry-run
    python ops/redrive.py --stage prod [--repair FILE]

A message is deleted only once the stream holds its record, so an interruption at any point loses nothing. A
record goes back under the event id that it had or, if it had none, the one derived from its place in the
stream, so that repeating an interrupted redrive trains on nothing twice.

A record that still breaks the contract would only come back; it stays in the queue until a repair mends it.
FILE is a Python file with a function ``repair(record: bytes, reason: str, error: str)`` that returns the
mended bytes, the same bytes, or None to leave the record where it is.

AWS_ENDPOINT_URL points it at an emulator. Exit status 0: done; 1: it could not, and a sentence on stderr says
why, or some records could not be put; 130: interrupted.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import runpy
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if __name__ == "__main__":
    # Run as a program, Python looks for modules in resources/; the packages are one folder up.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import boto3
from botocore.exceptions import ClientError

from chalicelib import stream as ingestion
from chalicelib.errors import InvalidRequestError
from chalicelib.records import events
from chalicelib.records.events import Event
from ops.errors import DeployError, StackError, in_sentences

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

HIDDEN_SECONDS = 900
"""How long a message that was read stays hidden from other readers: ample for a round, even after a crash."""
ROUND = 500
"""Messages read before they are put back: as many records as one PutRecords takes."""
INTERRUPTED = 130

Repair = Callable[[bytes, str, str], bytes | None]


@dataclass(frozen=True)
class Place:
    """Where records come from and go to."""

    queue_url: str
    stream_name: str
    sqs: SQSClient
    kinesis: KinesisClient
    s3: S3Client
    linger_seconds: int = 1
    """How long an empty answer is waited for: SQS asks only some of its servers when it need not wait."""


@dataclass(frozen=True)
class Quarantined:
    """A record of the quarantine and the messages that hold it: a batch delivered twice leaves two."""

    message: Mapping[str, Any]
    receipts: list[str] = field(default_factory=list)

    @property
    def place(self) -> tuple[str, int]:
        """Shard and sequence number, which identify a record and order it among the others of its shard."""
        return self.message["shardId"], int(self.message["sequenceNumber"])

    @property
    def since(self) -> datetime:
        return datetime.fromisoformat(self.message["quarantinedAt"].replace("Z", "+00:00"))

    @property
    def why(self) -> str:
        return f"{self.message['reason']}: {self.message['error']}"


@dataclass
class Report:
    """What a redrive did, counted in distinct records."""

    reasons: Counter[str] = field(default_factory=Counter)
    put_back: int = 0
    left: int = 0
    failed: int = 0


def read_round(messages: Sequence[Mapping[str, Any]]) -> list[Quarantined]:
    """The records of some SQS messages, each once, in the order they had in the stream."""
    found: dict[tuple[str, int], Quarantined] = {}
    for message in messages:
        record = Quarantined(json.loads(message["Body"]))
        found.setdefault(record.place, record).receipts.append(message["ReceiptHandle"])
    return [record for _, record in sorted(found.items())]


def to_event(record: Quarantined, data: bytes, repair: Repair | None) -> Event | None:
    """The event to put back; None when the record still breaks the contract, or the repair leaves it."""
    message = record.message
    mended = repair(data, message["reason"], message["error"]) if repair is not None else data
    if mended is None:
        return None
    with suppress(InvalidRequestError):
        return events.read(
            mended,
            fallback_id=f"{message['shardId']}:{message['sequenceNumber']}",
            arrived_at=record.since,
        )
    return None


def redrive(
    place: Place,
    *,
    repair: Repair | None,
    dry_run: bool,
    progress: Callable[[Report], None],
    started: datetime,
) -> Report:
    """Go through the queue once. What is not put back is visible to the next reader again at the end.

    What was quarantined after ``started`` is left alone: it may be a record put back a moment ago and refused
    again, which would go round for ever.
    """
    report = Report()
    seen: set[tuple[str, int]] = set()
    kept: list[str] = []
    try:
        for messages in _rounds(place, kept):
            records = [record for record in read_round(messages) if record.since < started]
            for record in records:
                if record.place not in seen:
                    report.reasons[record.why] += 1
            ready: list[tuple[Quarantined, Event]] = []
            for record in records:
                event = to_event(record, _content(record, place), repair)
                if event is not None:
                    ready.append((record, event))
                elif record.place not in seen:
                    report.left += 1
            if dry_run:
                report.put_back += sum(record.place not in seen for record, _ in ready)
            else:
                _put_back(place, ready, seen, kept, report)
            seen.update(record.place for record in records)
            progress(report)
    finally:
        _release(place, kept)
    return report


def _put_back(
    place: Place,
    ready: list[tuple[Quarantined, Event]],
    seen: set[tuple[str, int]],
    kept: list[str],
    report: Report,
) -> None:
    """Put into the stream, then delete. An interruption in between repeats the event under its own id."""
    deadline = time.monotonic() + HIDDEN_SECONDS / 2
    stream = ingestion.Stream(
        place.stream_name,
        lambda: place.kinesis,
        time.sleep,
        lambda: deadline - time.monotonic(),
        random.random,
    )
    outcomes = ingestion.put([event for _, event in ready], stream)
    stored = [record for (record, _), error in zip(ready, outcomes, strict=True) if error is None]
    report.put_back += sum(record.place not in seen for record in stored)
    report.failed += len(ready) - len(stored)
    receipts = [receipt for record in stored for receipt in record.receipts]
    for start in range(0, len(receipts), 10):
        chunk = receipts[start : start + 10]
        answer = place.sqs.delete_message_batch(
            QueueUrl=place.queue_url,
            Entries=[{"Id": str(index), "ReceiptHandle": receipt} for index, receipt in enumerate(chunk)],
        )
        deleted = {int(entry["Id"]) for entry in answer.get("Successful", [])}
        gone = {receipt for index, receipt in enumerate(chunk) if index in deleted}
        kept[:] = [receipt for receipt in kept if receipt not in gone]


def _rounds(place: Place, kept: list[str]) -> Iterator[list[Mapping[str, Any]]]:
    """Messages in rounds, until the queue shows no more. ``kept`` collects the receipts we hold."""
    while True:
        found: list[Mapping[str, Any]] = []
        while len(found) < ROUND:
            answer = place.sqs.receive_message(
                QueueUrl=place.queue_url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=place.linger_seconds,
            )
            messages = answer.get("Messages", [])
            kept += [message["ReceiptHandle"] for message in messages]
            found += cast(list[Mapping[str, Any]], messages)
            if not messages:
                break
        if not found:
            return
        yield found


def _content(record: Quarantined, place: Place) -> bytes:
    """The bytes of the record as they came: text, base64, or an object in the archive bucket."""
    message = record.message
    if "recordLocation" in message:
        bucket, _, key = message["recordLocation"].removeprefix("s3://").partition("/")
        return place.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    text: str = message["record"]
    return base64.b64decode(text) if message.get("encoding") == "base64" else text.encode()


def _release(place: Place, receipts: Sequence[str]) -> None:
    """Show again what we still hold. Where that fails, it shows by itself after HIDDEN_SECONDS."""
    for start in range(0, len(receipts), 10):
        with suppress(ClientError):
            place.sqs.change_message_visibility_batch(
                QueueUrl=place.queue_url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                    for index, receipt in enumerate(receipts[start : start + 10])
                ],
            )


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        repair = load_repair(options.repair) if options.repair else None
        with in_sentences():
            session = boto3.Session(profile_name=options.profile, region_name=options.region)
            place = find(session, options.stack_name or f"personalize-api-{options.stage}")
            report = redrive(
                place,
                repair=repair,
                dry_run=options.dry_run,
                progress=_show_progress,
                started=datetime.now(timezone.utc),
            )
    except DeployError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Nothing is lost; run it again to go on.", file=sys.stderr)
        return INTERRUPTED
    print("\n" + summary(report, dry_run=options.dry_run))
    return 1 if report.failed else 0


def find(session: boto3.Session, stack_name: str) -> Place:
    """Queue and stream of a stack, by its outputs. StackError when it has none."""
    cloudformation = session.client("cloudformation")
    described = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
    try:
        return Place(
            outputs["QuarantineQueueUrl"],
            outputs["EventStreamName"],
            session.client("sqs"),
            session.client("kinesis"),
            session.client("s3"),
        )
    except KeyError as error:
        raise StackError(
            f"The stack {stack_name} has no output {error}; is it one of personalize-api?"
        ) from error


def load_repair(path: Path) -> Repair:
    """The function ``repair`` of a Python file."""
    if not path.is_file():
        raise DeployError(f"There is no file {path}. --repair takes a Python file with a function repair.")
    repair = runpy.run_path(str(path)).get("repair")
    if not callable(repair):
        raise DeployError(f"{path} has no function repair(record, reason, error).")
    return cast(Repair, repair)


def summary(report: Report, *, dry_run: bool) -> str:
    """The reasons counted, the most frequent first, and what was done."""
    lines = [f"{count:>7}  {why}" for why, count in report.reasons.most_common()]
    verb = "would go" if dry_run else "went"
    lines.append(f"{report.put_back} {verb} back into the stream, {report.left} stay in the quarantine.")
    if report.failed:
        lines.append(f"{report.failed} could not be put into the stream and stay too. Run it again later.")
    if report.left:
        lines.append("What stays breaks the contract; mend it with --repair FILE.")
    return "\n".join(lines)


def _show_progress(report: Report) -> None:
    print(
        f"\r{sum(report.reasons.values())} records read, {report.put_back} back, {report.left} left",
        end="",
        flush=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Put quarantined records back into the stream.")
    parser.add_argument("--stage", default="dev", help="stage of the deployment (default: dev)")
    parser.add_argument("--stack-name", help="default: personalize-api-STAGE")
    parser.add_argument("--dry-run", action="store_true", help="count the reasons; put and delete nothing")
    parser.add_argument("--repair", type=Path, metavar="FILE", help="Python file with a function repair")
    parser.add_argument("--profile", help="profile of the AWS configuration")
    parser.add_argument("--region", help="AWS region (default: that of the environment or the profile)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
