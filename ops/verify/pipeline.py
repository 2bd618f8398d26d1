"""The points of the pipeline: delivery, quarantine, redrive, a given-up batch."""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.stream import EventStream
from ops.cloudformation.artifacts import delete_versions_of
from ops.diagnosis import Finding, bad, good
from ops.given_up import PREFIX, read_batch
from ops.quarantined import read_messages
from ops.redrive_result import RedriveResult
from ops.stream_writer import StreamWriter
from ops.undelivered import Repair
from ops.verify import delivery, quarantine
from ops.verify.ledger import Kind
from ops.verify.play import Play
from ops.verify.points import Answer, Point

_SHARD = "shardId-000000000000"
_GIVEN_UP_EVENTS = 2


def delivered(play: Play) -> Answer:
    """The log of delivery tells of batches with the events."""
    finding, came = delivery.delivered(play, len(play.found.event_ids))
    return Answer(finding, "FilterLogEvents of the function that delivers events", came)


def quarantined(play: Play) -> Answer:
    """A record that breaks the contract ends in the quarantine, and blocks nothing."""
    play.note(Kind.BAD_RECORD, play.mark)
    record = json.dumps(play.event("redriven", EventType=None)).encode() + b"\n"
    play.clients("kinesis").put_record(StreamName=play.stream, Data=record, PartitionKey=play.mark)

    def reason() -> str:
        with quarantine.marked_messages(play, play.mark) as (_, messages):
            return str(json.loads(messages[0]["Body"])["reason"]) if messages else ""

    found = play.poll(reason, play.deadlines.delivery, quarantine.pause_seconds(play))
    call = "PutRecord of an event without EventType, then ReceiveMessage"
    if found:
        return Answer(good("A record that breaks the contract ends in the quarantine."), call, found)
    return Answer(
        bad(
            "A record that breaks the contract does not come into the quarantine.",
            "May the function's role send to the queue, and is it the queue of QUARANTINE_QUEUE_URL?",
        ),
        call,
        "no message with the mark",
    )


def redriven(play: Play) -> Answer:
    """The quarantined record goes back into the stream with a repair, as ``make redrive`` does it."""
    at = play.now()

    def repair(record: bytes, _reason: str, _error: str) -> bytes:
        return json.dumps({**json.loads(record), "EventType": play.event_type}).encode()

    with quarantine.marked_messages(play, play.mark) as (held, messages):
        records, odd = read_messages(messages, play.bucket)
        writer = _writer(play, repair)
        result = writer.put([each.rejected for each in records]) + RedriveResult.of_odd(odd)
        stored = [each for each in records if writer.has_stored(each.rejected)]
        held.delete([receipt for each in stored for receipt in each.receipts])
    call = "redrive of the one message, with a repair"
    if not stored:
        return Answer(_not_back("quarantined record"), call, _counts(result))
    _strike(play, Kind.BAD_RECORD)
    return _back(play, call, result, (f"{play.mark}-redriven",), at)


def given_up(play: Play) -> Answer:
    """A batch that was given up goes back into the stream, as ``make redrive ARGS=--given-up`` does it."""
    at = play.now()
    numbers = [f"given-up-{number}" for number in range(1, _GIVEN_UP_EVENTS + 1)]
    key = f"{PREFIX}{play.mark}/{_SHARD}/{at:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
    play.note(Kind.OBJECT, key)
    document = _document([play.event(number) for number in numbers], at)
    play.clients("s3").put_object(Bucket=play.bucket.name, Key=key, Body=document)
    batch = read_batch(play.bucket.read(key))
    writer = _writer(play, None)
    result = writer.put(batch.records) + RedriveResult.of_odd(batch.odd)
    call = "PutObject of a batch in Lambda's form, then redrive of the one object"
    if not all(map(writer.has_stored, batch.records)):
        return Answer(_not_back("given-up batch"), call, _counts(result))
    delete_versions_of(play.clients("s3"), play.bucket.name, key)
    _strike(play, Kind.OBJECT)
    return _back(play, call, result, tuple(f"{play.mark}-{number}" for number in numbers), at)


def _writer(play: Play, repair: Repair | None) -> StreamWriter:
    stream = EventStream(play.stream, play.clients("kinesis"), play.sleep, random.random)
    return StreamWriter(stream, repair, dry_run=False, max_seconds=play.deadlines.hidden / 2)


def _strike(play: Play, kind: Kind) -> None:
    for thing in play.ledger.things():
        if (thing.kind, thing.mark) == (kind, play.mark):
            play.ledger.strike(thing)


def _counts(result: RedriveResult) -> str:
    return f"{result.put_back} back, {result.left} left, {result.failed} failed"


def _not_back(what: str) -> Finding:
    return bad(
        f"The {what} does not go back into the stream.",
        "The person who redrives needs kinesis:PutRecords on the stream.",
    )


def _back(play: Play, call: str, result: RedriveResult, ids: tuple[str, ...], at: datetime) -> Answer:
    """Return the answer of records that the stream holds again: whether they are delivered."""
    found = replace(play.found, **play.found.sent(ids, at))
    finding, line = delivery.delivered(play, len(found.event_ids))
    return Answer(finding, call, f"{_counts(result)}; {line}", found)


def _document(events: list[Mapping[str, Any]], at: datetime) -> bytes:
    """Return the document that Lambda writes for a batch (kinesis-on-failure-destination.html)."""
    records = [
        {
            "eventID": f"{_SHARD}:{number}",
            "eventSource": "aws:kinesis",
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": event["SessionId"],
                "sequenceNumber": str(number),
                "data": base64.b64encode(json.dumps(event).encode() + b"\n").decode(),
                "approximateArrivalTimestamp": at.timestamp(),
            },
        }
        for number, event in enumerate(events, start=1)
    ]
    place = {"shardId": _SHARD, "startSequenceNumber": "1", "endSequenceNumber": str(len(records))}
    document = {
        "requestContext": {"condition": "RecordAgeExceeded", "approximateInvokeCount": 1},
        "version": "1.0",
        "timestamp": at.isoformat(),
        "KinesisBatchInfo": {**place, "batchSize": len(records)},
        "payload": json.dumps({"Records": records}),
    }
    return json.dumps(document).encode()


def points() -> Iterator[Point]:
    """Yield the points."""
    alarms = "docs/operations.md#which-alarm-tells-which-fault"
    yield Point("delivered", "Does Personalize get the events?", alarms, delivered, ("event", "batch"))
    yield Point(
        "quarantine",
        "Does a record that breaks the contract end in the quarantine?",
        "docs/operations.md#redrive",
        quarantined,
        ("delivered",),
    )
    yield Point(
        "redrive",
        "Does it go back, repaired?",
        "docs/operations.md#redrive",
        redriven,
        ("quarantine",),
    )
    yield Point(
        "given-up batch",
        "Does a batch that Lambda gave up go back?",
        "docs/operations.md#given-up-batches",
        given_up,
        ("delivered",),
    )
