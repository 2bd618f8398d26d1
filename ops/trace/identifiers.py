"""The ids of an event: its own, and the one that delivery derives from its place in the stream. Pure."""

from __future__ import annotations

import re

from chalicelib import contract
from chalicelib.delivery.kinesis import KinesisRecord, all_events_of
from chalicelib.errors import InvalidRequestError
from chalicelib.records import from_record

_DERIVED = re.compile(r"shardId-[\w.-]{1,100}:[0-9]{1,127}(:[0-9]{1,9}){0,2}", re.ASCII)


def is_derived(event_id: str) -> bool:
    """Return whether an id has the form of those that delivery derives: ``shardId-...:SEQUENCE[:INDEX]``."""
    return _DERIVED.fullmatch(event_id) is not None


def find_event(record: KinesisRecord, event_id: str) -> KinesisRecord | None:
    """Return the event of a record that has an id, its own or the derived one; None when there is none."""
    events = all_events_of(record) if record.index is None else (record,)
    return next((event for event in events if event_id in (event.derived_id, _own_id(event.data))), None)


def keeps_contract(event: KinesisRecord) -> bool:
    """Return whether an event could be delivered as it is."""
    try:
        from_record(event.data, fallback_id=event.derived_id, arrived_at=event.arrived_at)
    except InvalidRequestError:
        return False
    return True


def _own_id(data: bytes) -> object:
    try:
        body = contract.parse(data)
    except InvalidRequestError:
        return None
    return body.get("EventId") if isinstance(body, dict) else None
