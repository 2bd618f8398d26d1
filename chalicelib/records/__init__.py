"""Stream records: what a client's request becomes in the stream, and what a record becomes for Personalize.

A record has a type, and each type has a module here. To add a type, write a module with the names of
``RecordType`` and add it to ``TYPES``. docs/api.md describes requests and records. Pure: the clock and the
ids are passed in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib import contract, timestamps
from chalicelib.errors import InvalidRequestError
from chalicelib.records import action_interactions, events

if TYPE_CHECKING:
    from chalicelib.selection.experiments import Experiment

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
    TIME_MEMBER: str
    """The member of an entry that has the time of the event."""
    MAX_ENTRIES_PER_CALL: int

    def to_entry(self, body: Mapping[str, Any], happened_at: datetime) -> dict[str, Any]:
        """Return the entry for a record's body. InvalidRequestError for what a schema cannot express.

        ``happened_at`` is the time of the event.
        """

    def shared_arguments(self, body: Mapping[str, Any]) -> dict[str, str]:
        """Return the arguments that all entries of one call have in common."""

    def chain(self, body: Mapping[str, Any]) -> str:
        """Return the name of the chain: its calls are made one after another, in stream order."""


TYPES: tuple[RecordType, ...] = (events, action_interactions)


@dataclass(frozen=True)
class Record:
    """A record that fits the contract.

    ``body`` is the record: the request's own shape plus EventId and ReceivedAt, and in an experiment
    Experiment. ``entry`` is the same thing as one element of the call that ``type`` names. ``has_random_id``
    says that the next request would get another EventId.
    """

    type: RecordType
    body: dict[str, Any]
    entry: dict[str, Any]
    has_random_id: bool = field(default=False, compare=False)

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


def from_request(
    request: object,
    *,
    received_at: datetime,
    new_id: Callable[[], str],
    experiment: Experiment | None = None,
) -> Record:
    """Return the record of a client's request. Raises InvalidRequestError, which names the field.

    The id is the client's. Without one, a request with SentAt gets a hash of itself, so that the same request
    sent again is the same event. Any other request gets a new id. In an experiment the record has the variant
    that /recommendations gives to the same user.
    """
    kind, request = _read(request, received_at)
    event_id = request.get("EventId") or (_fingerprint(request) if "SentAt" in request else None)
    body = {**request, "EventId": event_id or new_id()} | _received(received_at)
    if experiment is not None:
        body["Experiment"] = experiment.assignment(request.get("UserId") or request["SessionId"])
    record = _record(kind, body, received_at, has_random_id=event_id is None)
    _check_size(record.entry)
    return record


def spaced(records: Sequence[Record], received_at: datetime) -> list[Record]:
    """Return the records of one request, each that has no SentAt with a ReceivedAt of its own."""
    timeless = [record for record in records if "SentAt" not in record.body]
    if len(timeless) < 2:
        return [*records]
    contents = [_content(record.type.MEMBER, record.body) for record in timeless]
    times = iter(timestamps.spaced(contents, received_at))
    return [record if "SentAt" in record.body else _received_at(record, next(times)) for record in records]


def _received_at(record: Record, time: datetime) -> Record:
    entry = record.entry | {record.type.TIME_MEMBER: timestamps.in_milliseconds(time)}
    return Record(record.type, record.body | _received(time), entry, record.has_random_id)


def from_record(data: bytes, *, fallback_id: str, arrived_at: datetime) -> Record:
    """Return the record for data of the stream: ours, or another producer's in the plain request shape.

    ReceivedAt tells them apart: only we write it. What was accepted once is delivered. So a record of ours is
    held only to what Personalize refuses, whatever the rules of this version are. Another producer's record
    is held to the whole contract; ``fallback_id`` and ``arrived_at`` stand in for EventId and ReceivedAt.
    Raises InvalidRequestError.
    """
    request = contract.parse(data)
    received_at = request.pop("ReceivedAt", None) if isinstance(request, dict) else None
    if received_at is None:
        kind, request = _read(request, arrived_at)
        received = _received(arrived_at)
    else:
        kind = type_of(request)
        request = contract.read_stored(kind.SCHEMA, request)
        received = {"ReceivedAt": received_at}
        arrived_at = timestamps.parse(received_at, "ReceivedAt")
    record = _record(kind, {"EventId": fallback_id, **request, **received}, arrived_at)
    if len(data) > SIZE_CHECK_THRESHOLD_BYTES:
        _check_size(record.entry)
    return record


def _read(request: object, received_at: datetime) -> tuple[RecordType, dict[str, Any]]:
    """Return the type of a request and the request without nulls, held to the whole contract."""
    kind = type_of(request)
    body = contract.read(kind.SCHEMA, request)
    if "SentAt" in body:
        timestamps.check_time_of_event(timestamps.parse(body["SentAt"], "SentAt"), "SentAt", received_at)
    return kind, body


def _record(
    kind: RecordType, body: dict[str, Any], received_at: datetime, *, has_random_id: bool = False
) -> Record:
    """Return a record. ``received_at`` is the time of the event where SentAt is not."""
    happened_at = timestamps.parse(body["SentAt"], "SentAt") if "SentAt" in body else received_at
    return Record(kind, body, kind.to_entry(body, timestamps.in_milliseconds(happened_at)), has_random_id)


def _received(at: datetime) -> dict[str, str]:
    return {"ReceivedAt": timestamps.to_rfc3339(at)}


def content_of(data: bytes) -> Hashable:
    """Return what Personalize tells two events of one time apart by; the data itself where it is no event."""
    try:
        request = contract.parse(data)
        return _content(type_of(request).MEMBER, request)
    except (InvalidRequestError, LookupError, TypeError, AttributeError):
        return data


def _content(member: str, body: Mapping[str, Any]) -> Hashable:
    own = {name: value for name, value in body[member].items() if name != "eventValue"}
    return (
        *(body.get(name) for name in ("UserId", "SessionId", "EventType")),
        member,
        contract.canonical(own),
    )


def type_of(request: object) -> RecordType:
    """Return the type whose member a request has, or seems to mean. Any other is judged as the first type.

    Raises InvalidRequestError for a request with the members of several.
    """
    if not isinstance(request, dict):
        return TYPES[0]
    found = [kind for kind in TYPES if request.get(kind.MEMBER) is not None]
    if len(found) > 1:
        members = " and ".join(kind.MEMBER for kind in found)
        raise InvalidRequestError(
            f"There are {members}. Send one of them in an event.", field=found[1].MEMBER
        )
    found = found or [kind for kind in TYPES if contract.is_misspelt(kind.MEMBER, request)]
    return found[0] if found else TYPES[0]


def _check_size(entry: Mapping[str, Any]) -> None:
    size_bytes = len(_readable(entry).encode())
    if size_bytes > MAX_ENTRY_BYTES:
        raise InvalidRequestError(
            f"The event takes {size_bytes} bytes; Personalize takes {MAX_ENTRY_BYTES}. "
            "Shorten Impression, the ids or the properties."
        )


def _fingerprint(request: Mapping[str, Any]) -> str:
    return hashlib.sha256(contract.canonical(request).encode()).hexdigest()[:32]


# Made once: json.dumps makes an encoder for every call that has options.
_readable = json.JSONEncoder(ensure_ascii=False, default=str).encode
