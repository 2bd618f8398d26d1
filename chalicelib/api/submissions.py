"""What a body of /history holds: one event, a batch, or the body of a PutEvents call. Pure.

The names of PutEvents (API_UBS_PutEvents) are other names for the fields of an event. So its events are
judged in our shape, and an error is told with the caller's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any

from chalicelib import contract, records
from chalicelib.errors import InvalidRequestError, PersonalizeApiError
from chalicelib.records import Record

if TYPE_CHECKING:
    from chalicelib.selection.experiments import Experiment

_BATCH = "Events"
_PUT_EVENTS = "eventList"
_DECIDING: Mapping[str, Any] = {"properties": {_BATCH: {}, _PUT_EVENTS: {}}}

_OF_CALL = {"userId": "UserId", "sessionId": "SessionId"}
_OF_EVENT = {
    "eventId": "EventId",
    "eventType": "EventType",
    "sentAt": "SentAt",
    "recommendationId": "RecommendationId",
    "impression": "Impression",
}
_OF_CONTENT: dict[str, dict[str, Any]] = {"itemId": {}, "eventValue": {}}


class Shape(Enum):
    """What a body is."""

    SINGLE = auto()
    BATCH = auto()
    PUT_EVENTS = auto()


@dataclass(frozen=True)
class Submission:
    """The events of a body, as they came. ``shared`` has what PutEvents says once for all of them."""

    shape: Shape
    events: Sequence[object]
    shared: Mapping[str, Any] = field(default_factory=dict)

    def to_record(
        self,
        index: int,
        *,
        received_at: datetime,
        new_id: Callable[[], str],
        experiment: Experiment | None = None,
    ) -> Record:
        """Return the record of an event. InvalidRequestError names the field as the caller does."""
        to_record = partial(
            records.from_request, received_at=received_at, new_id=new_id, experiment=experiment
        )
        event = self.events[index]
        if self.shape is Shape.BATCH and not isinstance(event, dict):
            raise InvalidRequestError("The event must be an object.")
        if self.shape is not Shape.PUT_EVENTS:
            return to_record(event)
        path = f"{_PUT_EVENTS}[{index}]"
        ours = {**self.shared, **_to_event(event, path)}
        try:
            return to_record(ours)
        except InvalidRequestError as error:
            raise _renamed(error, path) from error


@dataclass(frozen=True)
class EventResult:
    """What became of one event of a request. The stream holds ``record`` when ``error`` is None."""

    record: Record | None
    error: PersonalizeApiError | None

    @property
    def accepted(self) -> bool:
        return self.error is None


def read(body: object, max_events: int) -> Submission:
    """Return the events of a body. InvalidRequestError for a malformed list of events."""
    contract.refuse_misspelt(_DECIDING, body)
    if isinstance(body, dict) and _PUT_EVENTS in body:
        call = contract.read("put-events", body)
        shared = {ours: call[theirs] for theirs, ours in _OF_CALL.items() if theirs in call}
        return Submission(Shape.PUT_EVENTS, _events(call, _PUT_EVENTS, max_events), shared)
    if isinstance(body, dict) and _BATCH in body:
        return Submission(Shape.BATCH, _events(contract.read("batch", body), _BATCH, max_events))
    return Submission(Shape.SINGLE, [body])


def _events(body: Mapping[str, Any], member: str, max_events: int) -> list[object]:
    events: list[object] = body[member]
    if len(events) > max_events:
        raise InvalidRequestError.of(
            member, f"must have at most {max_events} entries on this deployment. Send several requests."
        )
    return events


def _to_event(event: object, path: str) -> dict[str, Any]:
    """Return an event of eventList in our shape, without user and session."""
    given = contract.read("put-events-event", event, path)
    fields = {ours: given[theirs] for theirs, ours in _OF_EVENT.items() if theirs in given}
    if "metricAttribution" in given:
        fields["EventAttributionSource"] = given["metricAttribution"]["eventAttributionSource"]
    return fields | {"Event": _content(given, path)}


def _content(event: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the member Event: the properties, which older clients write item and value into, and both."""
    content = _properties(event["properties"], f"{path}.properties") if "properties" in event else {}
    for name in _OF_CONTENT:
        if name not in event:
            continue
        if name in content and (content[name] != event[name] or isinstance(content[name], bool)):
            raise InvalidRequestError.of(
                f"{path}.properties", f"has another {name} than {path}.{name}. Send it once."
            )
        content[name] = event[name]
    contract.refuse_misspelt({"properties": _OF_CONTENT}, content, f"{path}.properties")
    return content


def _properties(text: str, name: str) -> dict[str, Any]:
    properties = contract.parse(text.encode(), name)
    if not isinstance(properties, dict):
        raise InvalidRequestError.of(name, "must hold a JSON object.")
    return {key: each for key, each in properties.items() if each is not None or key not in _OF_CONTENT}


def _renamed(error: InvalidRequestError, path: str) -> InvalidRequestError:
    """Return the error of the event at ``path`` with the caller's own name of the field."""
    ours = error.field or "The event"
    theirs = path + _their_name(ours)
    return InvalidRequestError(str(error).replace(ours, theirs, 1), field=theirs)


def _their_name(ours: str) -> str:
    """Return the caller's name of a field, such as ``.impression[2]``, or nothing for the whole event."""
    name, separator, rest = ours.partition("[")
    member = name.partition(".")[2]
    if name == "EventAttributionSource":
        return ".metricAttribution.eventAttributionSource"
    if name.partition(".")[0] == "Event":
        return f".{member}" if member in _OF_CONTENT else ".properties"
    theirs = {own: their for their, own in _OF_EVENT.items()}.get(name)
    return f".{theirs}{separator}{rest}" if theirs else ""
