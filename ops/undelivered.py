"""Records that delivery could not deliver: what identifies them, why they wait, and what goes back. Pure.

A record comes from a message of the quarantine (``ops.quarantined``) or from a batch that Lambda gave up
(``ops.given_up``). It goes back under the event id that it had or, if it had none, the one derived from its
first place in the stream. So repeating trains on nothing twice.
"""

from __future__ import annotations

import hashlib
import re
import runpy
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias, cast

from chalicelib.delivery.outcome import RejectedRecord
from chalicelib.errors import InvalidRequestError
from chalicelib.records import Record, from_record
from ops.errors import InputError
from ops.terminal import printable_line

Repair: TypeAlias = Callable[[bytes, str, str], bytes | None]
"""Returns the changed bytes of a record, the same bytes, or None to leave the record where it is."""
Identity: TypeAlias = tuple[str, int, str, bytes]
"""Shard, sequence number, the derived id and a hash of the content. Sorted, records are in stream order.

The content counts because a message may name a place that is not its own.
"""

MAX_REASON_CHARACTERS = 300
"""Of a reason that is shown. Reasons come from outside."""
MAX_STREAM_RECORD_BYTES = 1024 * 1024
"""Of a record and its partition key (API_PutRecordsRequestEntry). One that is larger fails the whole call."""

# The service's own patterns (API_Shard, API_Record), shorter: the derived id has to fit into an EventId.
# Zeros may lead: an emulator writes them.
_SHARD_ID = re.compile(r"[a-zA-Z0-9_-][a-zA-Z0-9_.-]{0,127}")
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
    content_hash = hashlib.sha256(record.data).digest()
    return record.shard_id, int(record.sequence_number), record.derived_id, content_hash


def reason_of(rejected: RejectedRecord) -> str:
    """Return reason and error as one line that can be printed."""
    return readable_reason(f"{rejected.reason}: {rejected.error}")


def readable_reason(reason: str) -> str:
    """Return a reason as one line that can be printed."""
    return printable_line(reason, max_characters=MAX_REASON_CHARACTERS)


def to_record(rejected: RejectedRecord, repair: Repair | None) -> Record | None:
    """Return the record to put back; None when it breaks the contract, or the repair leaves the record.

    Raises InputError when the repair fails, or when the stream does not take a record of this size.
    """
    data = _repaired(rejected, repair) if repair is not None else rejected.record.data
    if data is None:
        return None
    with suppress(InvalidRequestError):
        record = from_record(
            data, fallback_id=rejected.record.derived_id, arrived_at=rejected.record.arrived_at
        )
        if len(record.data) + len(record.session_id.encode()) > MAX_STREAM_RECORD_BYTES:
            raise InputError(f"the stream takes no record of more than {MAX_STREAM_RECORD_BYTES} bytes")
        return record
    return None


def _repaired(rejected: RejectedRecord, repair: Repair) -> bytes | None:
    try:
        repaired = repair(rejected.record.data, rejected.reason, rejected.error)
    except Exception as error:  # The operator's own function, which may not expect this record.
        raise InputError(f"the repair failed: {type(error).__name__}: {error}") from error
    if not isinstance(repaired, bytes | None):
        raise InputError(f"the repair returned {type(repaired).__name__}, not bytes or None")
    return repaired


def load_repair(path: Path) -> Repair:
    """Return the function ``repair`` of a Python file. Raises InputError."""
    if not path.is_file():
        raise InputError(f"There is no file {path}. --repair takes a Python file with a function repair.")
    repair = runpy.run_path(str(path)).get("repair")
    if not callable(repair):
        raise InputError(f"{path} has no function repair(record, reason, error).")
    return cast(Repair, repair)
