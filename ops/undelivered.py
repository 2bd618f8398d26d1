"""What delivery could not deliver: what identifies it, why it waits, and what goes back. Pure.

A record, or one event of a record that holds several, comes from a message of the quarantine
(``ops.quarantined``) or from a batch that Lambda gave up (``ops.given_up``). The events of a whole record go
back one by one. An event goes back under the id that it had or, if it had none, the one derived from its
first place in the stream. So repeating trains on nothing twice.
"""

from __future__ import annotations

import hashlib
import re
import runpy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TypeAlias, cast

from chalicelib import timestamps
from chalicelib.delivery.kinesis import all_events_of
from chalicelib.delivery.outcome import UNREADABLE, RejectedRecord
from chalicelib.errors import InvalidRequestError
from chalicelib.records import Record, content_of, from_record
from ops.errors import InputError
from ops.terminal import printable_line

Repair: TypeAlias = Callable[[bytes, str, str], bytes | list[bytes] | None]
"""Returns the changed bytes of an event, the same bytes, a list with those of several events, or None to
leave the event where it is."""
Identity: TypeAlias = tuple[str, int, int, str, bytes]
"""Shard, sequence number, index (-1 for none), the derived id and a hash of the content. Sorted, records are
in stream order.

The content counts because a message may name a place that is not its own.
"""

GIVEN_UP = "given up"
"""The reason of an event that keeps the contract, in a batch that Lambda gave up."""
MAX_REASON_CHARACTERS = 300
"""Of a reason that is shown. Reasons come from outside."""
MAX_STREAM_RECORD_BYTES = 1024 * 1024
"""Of a record and its partition key (API_PutRecordsRequestEntry). One that is larger fails the whole call."""

MAX_INDEX = 10**8
"""Of an event in its record, or of an event that a repair returned. No record of 10 MiB holds more."""

# The service's own patterns (API_Shard, API_Record), shorter: the derived id has to fit into an EventId, also
# with two positions behind it. Zeros may lead: an emulator writes them.
_SHARD_ID = re.compile(r"[a-zA-Z0-9_-][a-zA-Z0-9_.-]{0,99}")
_SEQUENCE_NUMBER = re.compile(r"[0-9]{1,127}")


def check_place(shard_id: object, sequence_number: object) -> None:
    """Raise InputError for a place that no stream has."""
    if not (isinstance(shard_id, str) and _SHARD_ID.fullmatch(shard_id)):
        raise InputError("shardId is not the id of a shard")
    if not (isinstance(sequence_number, str) and _SEQUENCE_NUMBER.fullmatch(sequence_number)):
        raise InputError("sequenceNumber is not a sequence number")


def identity_of(rejected: RejectedRecord) -> Identity:
    """Return what two copies of one record have in common."""
    record = rejected.record
    index = -1 if record.index is None else record.index
    content_hash = hashlib.sha256(record.data).digest()
    return record.shard_id, int(record.sequence_number), index, record.derived_id, content_hash


def reason_of(rejected: RejectedRecord) -> str:
    """Return reason and error as one line that can be printed."""
    return readable_reason(f"{rejected.reason}: {rejected.error}")


def readable_reason(reason: str) -> str:
    """Return a reason as one line that can be printed."""
    return printable_line(reason, max_characters=MAX_REASON_CHARACTERS)


def events_of(rejected: RejectedRecord) -> Iterator[RejectedRecord]:
    """Yield the events of a record that is not an event itself, each with why it waits.

    Each of several is judged: what is said of the whole record need not be true of it.
    """
    record = rejected.record
    events = all_events_of(record) if record.index is None else iter((record,))
    first_two = [*islice(events, 2)]
    if len(first_two) == 1 and rejected.reason != GIVEN_UP:
        yield replace(rejected, record=first_two[0])
        return
    for event in chain(first_two, events):
        try:
            from_record(event.data, fallback_id=event.derived_id, arrived_at=event.arrived_at)
        except InvalidRequestError as error:
            yield RejectedRecord(event, UNREADABLE, str(error))
        else:
            yield replace(rejected, record=event)


def to_records(rejected: RejectedRecord, repair: Repair | None) -> list[Record]:
    """Return what to put back for an event; nothing when it breaks the contract, or the repair leaves it.

    A repair may make several of it: each of them needs to keep the contract. Raises InputError when the
    repair fails, or when the stream does not take a record of this size.
    """
    event = rejected.record
    contents = _repaired(rejected, repair) if repair is not None else [event.data]
    times = timestamps.spaced([content_of(content) for content in contents], event.arrived_at)
    ids = [event.derived_id]
    if len(contents) != 1:
        ids = [f"{event.derived_id}:{position}" for position in range(len(contents))]
    try:
        records = [
            from_record(content, fallback_id=fallback_id, arrived_at=time)
            for content, fallback_id, time in zip(contents, ids, times, strict=True)
        ]
    except InvalidRequestError:
        return []
    records = _with_ids_of_their_own(records, ids)
    if any(
        len(record.data) + len(record.session_id.encode()) > MAX_STREAM_RECORD_BYTES for record in records
    ):
        raise InputError(f"the stream takes no record of more than {MAX_STREAM_RECORD_BYTES} bytes")
    return records


def _with_ids_of_their_own(records: list[Record], ids: list[str]) -> list[Record]:
    """Return the records with another id each, where a repair gave several of them the same EventId.

    Personalize would ignore all of them but the first.
    """
    count_of = Counter(record.event_id for record in records)
    return [
        record
        if count_of[record.event_id] == 1
        else Record(record.type, {**record.body, "EventId": event_id}, {**record.entry, "eventId": event_id})
        for record, event_id in zip(records, ids, strict=True)
    ]


def _repaired(rejected: RejectedRecord, repair: Repair) -> list[bytes]:
    """Return what a repair makes of an event: nothing, one or several."""
    try:
        repaired = repair(rejected.record.data, rejected.reason, rejected.error)
    except Exception as error:  # The operator's own function, which may not expect this record.
        raise InputError(f"the repair failed: {type(error).__name__}: {error}") from error
    if repaired is None:
        return []
    contents = repaired if isinstance(repaired, list) else [repaired]
    if not contents or not all(isinstance(content, bytes) for content in contents):
        kind = type(repaired).__name__
        raise InputError(f"the repair returned {kind}, not bytes, several of them in a list, or None")
    return contents


def load_repair(path: Path) -> Repair:
    """Return the function ``repair`` of a Python file. Raises InputError."""
    if not path.is_file():
        raise InputError(f"There is no file {path}. --repair takes a Python file with a function repair.")
    repair = runpy.run_path(str(path)).get("repair")
    if not callable(repair):
        raise InputError(f"{path} has no function repair(record, reason, error).")
    return cast(Repair, repair)
