"""Stream records: what a client's request becomes in the stream, and what a record becomes for Personalize.

A record has a type, and each type has a module here. To add a type, write a module with the names of
``RecordType`` and add it to ``TYPES``. docs/api.md describes requests and records. Pure: the clock and the
ids are passed in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from chalicelib import contract, timestamps
from chalicelib.errors import InvalidRequestError
from chalicelib.records import events

MAX_ENTRY_BYTES = 10 * 1024
"""Of one event in PutEvents (docs.aws.amazon.com/personalize/latest/dg/limits.html, 2023)."""
SIZE_CHECK_THRESHOLD_BYTES = 3 * 1024
"""An entry of a smaller record cannot exceed MAX_ENTRY_BYTES, so it is not measured. What was escaped once is
escaped twice in properties, which at most doubles it. A number may be written longer (1e15), but only within
the properties' limit. Names, time and value take less than 500 bytes."""


class RecordType(Protocol):
    """What a module of this package says about its type."""

    MEMBER: str
    """The member of a request that only this type has."""
    SCHEMA: str
    """Name of the JSON Schema that a request has to fit."""
    METHOD: str
    """The method of boto3's ``personalize-events`` client that takes the entries."""
    ENTRIES_ARGUMENT: str
    """The argument of ``METHOD`` that takes the entries."""
    MAX_ENTRIES_PER_CALL: int

    def to_entry(self, body: Mapping[str, Any], happened_at: datetime) -> dict[str, Any]:
        """Return the entry for a record's body. InvalidRequestError for what a schema cannot express.

        ``happened_at`` is the time of a body that has no SentAt.
        """

    def shared_arguments(self, body: Mapping[str, Any]) -> dict[str, str]:
        """Return the arguments that all entries of one call have in common."""

    def chain(self, body: Mapping[str, Any]) -> str:
        """Return the name of the chain: its calls are made one after another, in stream order."""


TYPES: tuple[RecordType, ...] = (events,)


@dataclass(frozen=True)
class Record:
    """A record that fits the contract.

    ``body`` is the record: the request's own shape plus EventId and ReceivedAt. ``entry`` is the same thing
    as one element of the call that ``type`` names.
    """

    type: RecordType
    body: dict[str, Any]
    entry: dict[str, Any]

    @property
    def event_id(self) -> str:
        return str(self.body["EventId"])

    @property
    def session_id(self) -> str:
        return str(self.body["SessionId"])

    @property
    def data(self) -> bytes:
        """One line of JSON. The newline is there because Firehose joins records as they are."""
        return contract.to_json(self.body).encode() + b"\n"


def from_request(request: object, *, received_at: datetime, new_id: Callable[[], str]) -> Record:
    """Return the record of a client's request. Raises InvalidRequestError, which names the field.

    The id is the client's. Without one, a request with SentAt gets a hash of itself, so that the same request
    sent again is the same event. Any other request gets a new id.
    """
    kind = type_of(request)
    contract.validate(kind.SCHEMA, request)
    assert isinstance(request, dict)  # noqa: S101 - says to the type checker what the schema has proved
    event_id = request.get("EventId") or (_fingerprint(request) if "SentAt" in request else new_id())
    body = {**request, "EventId": event_id, "ReceivedAt": timestamps.to_rfc3339(received_at)}
    entry = kind.to_entry(body, received_at)
    _check_size(entry)
    return Record(kind, body, entry)


def from_record(data: bytes, *, fallback_id: str, arrived_at: datetime) -> Record:
    """Return the record for data of the stream: ours, or another producer's in the plain request shape.

    ``fallback_id`` and ``arrived_at`` stand in for EventId and ReceivedAt, which only we write. Raises
    InvalidRequestError.
    """
    request = contract.parse(data)
    received_at = request.pop("ReceivedAt", None) if isinstance(request, dict) else None
    kind = type_of(request)
    contract.validate(kind.SCHEMA, request)
    body = {"EventId": fallback_id, **request, "ReceivedAt": received_at or timestamps.to_rfc3339(arrived_at)}
    is_time_of_event = received_at and "SentAt" not in request
    happened_at = timestamps.parse(received_at, "ReceivedAt") if is_time_of_event else arrived_at
    entry = kind.to_entry(body, happened_at)
    if len(data) > SIZE_CHECK_THRESHOLD_BYTES:
        _check_size(entry)
    return Record(kind, body, entry)


def type_of(request: object) -> RecordType:
    """Return the type whose member a request has. A request without any is judged as the first type."""
    if isinstance(request, dict):
        for kind in TYPES:
            if kind.MEMBER in request:
                return kind
    return TYPES[0]


def _check_size(entry: Mapping[str, Any]) -> None:
    size_bytes = len(_readable(entry).encode())
    if size_bytes > MAX_ENTRY_BYTES:
        raise InvalidRequestError(
            f"The event takes {size_bytes} bytes; Personalize takes {MAX_ENTRY_BYTES}. "
            "Shorten Impression, the ids or the properties."
        )


def _fingerprint(request: Mapping[str, Any]) -> str:
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


# Made once: json.dumps makes an encoder for every call that has options.
_readable = json.JSONEncoder(ensure_ascii=False, default=str).encode
