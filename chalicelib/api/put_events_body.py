"""The body of a PutEvents call as events of ours, for clients that used to call Personalize. Pure.

API_UBS_PutEvents has the shape. Its names are other names for the fields of an event. So an event is judged
in our shape, and an error is told with the caller's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib import contract
from chalicelib.errors import InvalidRequestError

SCHEMA = "put-events"
MEMBER = "eventList"
"""Its presence decides that a body is one of PutEvents."""

_OF_CALL = {"userId": "UserId", "sessionId": "SessionId"}
_OF_EVENT = {
    "eventId": "EventId",
    "eventType": "EventType",
    "sentAt": "SentAt",
    "recommendationId": "RecommendationId",
    "impression": "Impression",
}
_OF_CONTENT: dict[str, dict[str, Any]] = {"itemId": {}, "eventValue": {}}


def to_events(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a body that fits the schema. InvalidRequestError for properties that do not."""
    shared = {ours: body[theirs] for theirs, ours in _OF_CALL.items() if theirs in body}
    return [shared | _to_event(event, f"{MEMBER}[{index}]") for index, event in enumerate(body[MEMBER])]


def renamed(error: InvalidRequestError, index: int) -> InvalidRequestError:
    """Return the error of the event at ``index`` with the caller's own name of the field."""
    ours = error.field or "The event"
    theirs = f"{MEMBER}[{index}]{_their_name(ours)}"
    return InvalidRequestError(str(error).replace(ours, theirs, 1), field=theirs)


def _to_event(event: Mapping[str, Any], path: str) -> dict[str, Any]:
    fields = {ours: event[theirs] for theirs, ours in _OF_EVENT.items() if theirs in event}
    if "metricAttribution" in event:
        fields["EventAttributionSource"] = event["metricAttribution"]["eventAttributionSource"]
    return fields | {"Event": _content(event, path)}


def _content(event: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the member Event: the properties, which older clients write item and value into, and both."""
    content = _properties(event["properties"], f"{path}.properties") if "properties" in event else {}
    for name in _OF_CONTENT:
        if name not in event:
            continue
        if content.get(name, event[name]) != event[name]:
            raise InvalidRequestError.of(
                f"{path}.properties", f"has another {name} than {path}.{name}. Send it once."
            )
        content[name] = event[name]
    contract.refuse_misspelt({"properties": _OF_CONTENT}, content, f"{path}.properties")
    return content


def _properties(text: str, field: str) -> dict[str, Any]:
    properties = contract.parse(text.encode(), field)
    if not isinstance(properties, dict):
        raise InvalidRequestError.of(field, "must hold a JSON object.")
    return properties


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
