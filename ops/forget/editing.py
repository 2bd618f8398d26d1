"""What is left of an object without a person's events, for each form in which the bucket has events. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from chalicelib.contract import to_json
from chalicelib.delivery.kinesis import KinesisRecord, all_events_of, decode_records
from ops import given_up, quarantined
from ops.archive.pieces import Piece, lines_in, pieces_of, without
from ops.forget import archive
from ops.forget.person import Person

_UNKNOWN_TIME = datetime.fromtimestamp(0, timezone.utc)
GONE = "removed"
"""Stands in the place of a partition key, which is a session id."""


@dataclass(frozen=True)
class Part:
    """A part of an object: the bytes that stay, how many of the person's pieces were in it, their sessions.

    ``is_unreadable``: it holds events in a form that nobody here knows, so it cannot be judged.
    """

    kept: bytes = b""
    removed: int = 0
    sessions: frozenset[str] = frozenset()
    is_unreadable: bool = False


@dataclass(frozen=True)
class Form:
    """A form in which a prefix of the bucket has events.

    ``edit`` yields the parts of an object, which is given as its key and its lines. Where nothing is removed,
    they are the object, byte for byte. ``is_lines``: the object is read line by line, and may be compressed.
    Any other is read whole.
    """

    edit: Callable[[str, Iterable[bytes], Person], Iterator[Part]]
    is_lines: bool


def edit_lines(key: str, lines: Iterable[bytes], person: Person) -> Iterator[Part]:
    """Yield the parts of lines of JSON."""
    for pieces in pieces_of(lines):
        yield _part(pieces, person)


def edit_failed(key: str, lines: Iterable[bytes], person: Person) -> Iterator[Part]:
    """Yield the lines of Firehose about records that it could not archive.

    Each has the record in ``rawData``, in base64 (docs.aws.amazon.com/firehose/latest/dg/retry.html).
    """
    for line in lines:
        yield _failed_part(line, person)


def edit_record(key: str, lines: Iterable[bytes], person: Person) -> Iterator[Part]:
    """Yield a record of the stream, as delivery keeps one that is too large for the queue."""
    yield part_of_record(_record(key, b"".join(lines)), person)


def edit_batch(key: str, lines: Iterable[bytes], person: Person) -> Iterator[Part]:
    """Yield the document of a batch that Lambda gave up."""
    document = b"".join(lines)
    try:
        found = json.loads(document)
        info, payload = {**found["KinesisBatchInfo"]}, json.loads(found["payload"])
        records = [(entry, decode_records({"Records": [entry]})[0]) for entry in payload["Records"]]
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, OSError, RecursionError):
        yield replace(parts_of(document, person), is_unreadable=True)
        return
    parts = [part_of_record(record, person) for _, record in records]
    total = _joined(parts)
    if not total.removed:
        yield replace(total, kept=document)
        return
    entries = [_entry(entry, part) for (entry, _), part in zip(records, parts, strict=True) if part.kept]
    info["batchSize"] = len(entries)
    changed = {**found, "KinesisBatchInfo": info, "payload": json.dumps({**payload, "Records": entries})}
    yield replace(total, kept=json.dumps(changed).encode() if entries else b"")


FORMS = {
    archive.PREFIX: Form(edit_lines, is_lines=True),
    quarantined.PREFIX: Form(edit_record, is_lines=False),
    given_up.PREFIX: Form(edit_batch, is_lines=False),
    "events-failed/": Form(edit_failed, is_lines=True),
}
"""The prefixes of the bucket that keep events."""


def form_of(key: str) -> Form:
    """Return the form of an object, by its key."""
    return next(form for prefix, form in FORMS.items() if key.startswith(prefix))


def part_of_record(record: KinesisRecord, person: Person) -> Part:
    """Return a record of the stream, or one event of it, as one part.

    Of several events, each that stays is given the EventId that delivery derives from its position, which
    would be another one when those before it are gone.
    """
    events = [record] if record.index is not None else [*all_events_of(record)]
    parts = [parts_of(event.data, person) for event in events]
    total = _joined(parts)
    if not total.removed:
        return replace(total, kept=record.data)
    if len(events) == 1:
        return total
    kept = (
        _with_id(part.kept, event.derived_id) for event, part in zip(events, parts, strict=True) if part.kept
    )
    return replace(total, kept=b"".join(each.rstrip(b"\n") + b"\n" for each in kept))


def parts_of(data: bytes, person: Person) -> Part:
    """Return text of which nothing is known but that it may hold JSON, as one part."""
    return _joined(_part(pieces, person) for pieces in pieces_of(lines_in(data)))


def _part(pieces: Sequence[Piece], person: Person) -> Part:
    removed = sum(map(person.owns, pieces))
    sessions = frozenset[str]().union(*map(person.sessions_in, pieces))
    is_unreadable = any(piece.is_unreadable for piece in pieces)
    return Part(without(pieces, person.owns), removed, sessions, is_unreadable)


def _with_id(event: bytes, event_id: str) -> bytes:
    """Return an event with an EventId, if it has none. Nothing else of it changes."""
    try:
        value = json.loads(event)
    except (ValueError, RecursionError):
        return event
    if not isinstance(value, dict) or value.get("EventId") is not None:
        return event
    if "EventId" in value:
        return to_json({**value, "EventId": event_id}).encode()
    beginning, brace, rest = event.partition(b"{")
    separator = b"," if value else b""
    return b"".join([beginning, brace, b'"EventId":', json.dumps(event_id).encode(), separator, rest])


def _failed_part(line: bytes, person: Person) -> Part:
    try:
        encoded = json.loads(line)["rawData"]
        data = base64.b64decode(encoded, validate=True)
    except (LookupError, TypeError, ValueError, RecursionError):
        return parts_of(line, person)
    part = parts_of(data, person)
    if not part.removed:
        return replace(part, kept=line)
    return replace(
        part, kept=line.replace(encoded.encode(), base64.b64encode(part.kept)) if part.kept else b""
    )


def _entry(entry: dict[str, Any], part: Part) -> dict[str, Any]:
    """Return a record of the invocation event with what is left of it. Its partition key is a session."""
    if not part.removed:
        return entry
    data = base64.b64encode(part.kept).decode()
    return {**entry, "kinesis": {**entry["kinesis"], "data": data, "partitionKey": GONE}}


def _record(key: str, data: bytes) -> KinesisRecord:
    """Return the record of an object of the quarantine. Its key says SHARD/SEQUENCE_NUMBER-INDEX."""
    shard_id, _, number = key.removeprefix(quarantined.PREFIX).rpartition("/")
    sequence_number, _, index = number.partition("-")
    position = int(index) if index.isdecimal() else None
    return KinesisRecord(shard_id, sequence_number, _UNKNOWN_TIME, data, position)


def _joined(parts: Iterable[Part]) -> Part:
    """Return several parts as one."""
    found = [*parts]
    return Part(
        b"".join(part.kept for part in found),
        sum(part.removed for part in found),
        frozenset[str]().union(*(part.sessions for part in found)),
        any(part.is_unreadable for part in found),
    )
