"""Faults of the service and the network that can be switched on while the engine runs.

Pure: this module decides which fault a request gets, and the server performs it. All faults are off at the
start. With a seed, the same requests in the same order get the same faults. The keys, as JSON:

    seed               integer or null   an integer repeats the same draws; null draws anew every time
    operations         list of names     the operations that get faults, e.g. ["PutEvents"]; empty: all
    campaigns          list of names     the campaigns that get faults, e.g. ["local"]: the last part of
                                         ``campaignArn`` or ``recommenderArn``; empty: all requests
    latencyMs          0–60000           added to every response; with the largest value the service hangs
    resetRate          0–1               the connection is reset before the request is processed
    lostAnswerRate     0–1               the request is processed, then the connection is reset
    stallRate          0–1               the request is processed, then half of the response is sent
    accessDenied       true or false     AccessDeniedException, 403
    campaignMissing    true or false     the campaign is deleted: ResourceNotFoundException, 404. It affects
                                         the Get operations only
    throttleRate       0–1               ThrottlingException, 400
    errorRate          0–1               the service itself fails, with ``errorStatus``
    errorStatus        500 or 503        InternalFailure or ServiceUnavailable
    invalidItemIds     list of strings   a call with an event of such an item, or an interaction with such an
                                         action, is refused: InvalidInputException
    invalidEventTypes  list of strings   a call with an event or interaction of such a type, the same error

With ``operations`` and ``campaigns`` together, both have to match. Operations that name no campaign, such as
PutEvents, get no fault while ``campaigns`` is not empty.

Every request draws one number for each of the five rates. Latency comes first. Then the request gets at most
one fault: a reset connection, else ``accessDenied``, else ``campaignMissing``, else throttling, else an error
of the service, else an event that is declared invalid, else a lost response, else a stalled response. Access
comes before the campaign: a caller without access does not learn which campaigns exist. The last two faults
need a valid request: an invalid one gets its error.

A stalled response has its status, its headers with the full length, and the first half of its body. Of a
response without a body nothing is sent. After 60 seconds without more, the connection is reset.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from random import Random
from typing import Any

from local.personalize import CAMPAIGN_ARNS
from local.personalize.action_requests import PutActionInteractionsRequest
from local.personalize.campaigns import ACTION_RECOMMENDATIONS, RANKING, RECOMMENDATIONS
from local.personalize.errors import (
    AccessDeniedError,
    FaultSettingError,
    InternalError,
    InvalidInputError,
    ResourceNotFoundError,
    ServiceError,
    ThrottlingError,
    UnavailableError,
)
from local.personalize.requests import PutEventsRequest

CAMPAIGN_OPERATIONS = (RECOMMENDATIONS, RANKING, ACTION_RECOMMENDATIONS)
"""The operations whose requests name a campaign or a recommender."""
OPERATIONS = (
    *CAMPAIGN_OPERATIONS,
    "PutEvents",
    "PutActionInteractions",
    "PutItems",
    "PutUsers",
    "PutActions",
)
MAX_LATENCY_MS = 60_000


class Reset(Enum):
    """When the connection of a request is reset. The values are the names in ``/_engine/stats``."""

    BEFORE_REQUEST = "reset"
    AFTER_REQUEST = "lostAnswer"


@dataclass(frozen=True)
class FaultSettings:
    """Settings that are in force. The fields have the names of the JSON keys.

    ``parse_settings`` makes and validates them.
    """

    seed: int | None = None
    operations: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    latencyMs: float = 0
    resetRate: float = 0.0
    lostAnswerRate: float = 0.0
    stallRate: float = 0.0
    accessDenied: bool = False
    campaignMissing: bool = False
    throttleRate: float = 0.0
    errorRate: float = 0.0
    errorStatus: int = 503
    invalidItemIds: tuple[str, ...] = ()
    invalidEventTypes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the settings under their JSON keys."""
        return asdict(self)


@dataclass(frozen=True)
class InjectedFault:
    """What one request gets: a delay, and at most one of a reset connection, an error and a stall."""

    delay_seconds: float = 0.0
    reset: Reset | None = None
    error: ServiceError | None = None
    stalled: bool = False


class Faults:
    """The settings in force, and the random numbers that all requests draw in order of arrival."""

    def __init__(self, settings: FaultSettings | None = None) -> None:
        self.settings = settings or FaultSettings()
        self._random = Random(self.settings.seed)  # noqa: S311 - not for security

    def next_fault(self, operation: str, campaign: str | None = None) -> InjectedFault:
        """Return the fault of the next request, which calls ``operation`` and may name a campaign."""
        settings = self.settings
        # Always five numbers, so that a change of one rate does not change which requests the others affect.
        draws = [self._random.random() for _ in range(5)]
        reset_draw, throttle_draw, error_draw, lost_draw, stall_draw = draws
        if not self._reaches(operation, campaign):
            return InjectedFault()
        delay = settings.latencyMs / 1000
        if reset_draw < settings.resetRate:
            return InjectedFault(delay, reset=Reset.BEFORE_REQUEST)
        error = self._error(operation, throttle_draw, error_draw)
        if error is not None:
            return InjectedFault(delay, error=error)
        if lost_draw < settings.lostAnswerRate:
            return InjectedFault(delay, reset=Reset.AFTER_REQUEST)
        return InjectedFault(delay, stalled=stall_draw < settings.stallRate)

    def _reaches(self, operation: str, campaign: str | None) -> bool:
        """Return whether the settings give faults to a request."""
        operations, campaigns = self.settings.operations, self.settings.campaigns
        if operations and operation not in operations:
            return False
        return not campaigns or (operation in CAMPAIGN_OPERATIONS and campaign in campaigns)

    def _error(self, operation: str, throttle_draw: float, error_draw: float) -> ServiceError | None:
        settings = self.settings
        if settings.accessDenied:
            return AccessDeniedError(f"Not authorized to perform: personalize:{operation}")
        if settings.campaignMissing and operation in CAMPAIGN_OPERATIONS:
            return ResourceNotFoundError("The campaign does not exist, as the faults say")
        if throttle_draw < settings.throttleRate:
            return ThrottlingError("Rate exceeded")
        if error_draw < settings.errorRate:
            failure = InternalError if settings.errorStatus == 500 else UnavailableError
            return failure("The service failed, as it was asked to")
        return None

    def refuse_marked(self, request: PutEventsRequest | PutActionInteractionsRequest) -> None:
        """Raise InvalidInputError for the first event or interaction that the settings declare invalid."""
        operation, where, marked = _markable(request)
        if not self._reaches(operation, None):
            return
        for number, (id_name, record_id, event_type) in enumerate(marked, start=1):
            for name, value, invalid in (
                (id_name, record_id, self.settings.invalidItemIds),
                ("eventType", event_type, self.settings.invalidEventTypes),
            ):
                if value in invalid:
                    raise InvalidInputError(
                        f"{where}.{number}.member.{name} is invalid, as it was asked to be"
                    )


def campaign_name(body: Mapping[str, Any]) -> str | None:
    """Return the last part of the ARN of a request's campaign or recommender. The body may be invalid."""
    arn = body.get("campaignArn") or body.get("recommenderArn")
    return arn.rsplit("/", 1)[-1] if isinstance(arn, str) else None


def _markable(
    request: PutEventsRequest | PutActionInteractionsRequest,
) -> tuple[str, str, list[tuple[str, str | None, str]]]:
    """Return the operation, the name of its list, and of each member the id with its name and the type."""
    if isinstance(request, PutEventsRequest):
        events = [("itemId", event.item_id, event.event_type) for event in request.events]
        return "PutEvents", "eventList", [*events]
    interactions = [("actionId", each.action_id, each.event_type) for each in request.interactions]
    return "PutActionInteractions", "actionInteractions", [*interactions]


def parse_settings(body: Any) -> FaultSettings:
    """Return the settings that a JSON object asks for; a key that is left out is off.

    Raises FaultSettingError, which names the key.
    """
    if not isinstance(body, Mapping):
        raise FaultSettingError("expected a JSON object")
    names = [field.name for field in fields(FaultSettings)]
    for key in body:
        if key not in names:
            raise FaultSettingError(f"unknown key {key!a}; the keys are {', '.join(names)}")
    return FaultSettings(**{key: _setting(key, value) for key, value in body.items()})


def _setting(key: str, value: Any) -> Any:
    expected, valid = _RULES[key]
    if not valid(value):
        raise FaultSettingError(f"'{key}' must be {expected}")
    return tuple(value) if isinstance(value, list) else value


def _is_number(value: Any, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= high


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(member, str) for member in value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _names(known: Collection[str]) -> tuple[str, Any]:
    """Return the rule for a list of names."""
    expected = f"a list of names out of {', '.join(known)}"
    return expected, lambda value: _is_strings(value) and set(value) <= set(known)


_BOOLEAN = ("true or false", lambda value: isinstance(value, bool))
_RATE = ("a number from 0 to 1", lambda value: _is_number(value, 1))
_STRINGS = ("a list of strings", _is_strings)
_RULES: Mapping[str, tuple[str, Any]] = {
    "seed": ("an integer or null", lambda value: value is None or _is_integer(value)),
    "operations": _names(OPERATIONS),
    "campaigns": _names(CAMPAIGN_ARNS),
    "latencyMs": (f"a number from 0 to {MAX_LATENCY_MS}", lambda value: _is_number(value, MAX_LATENCY_MS)),
    "resetRate": _RATE,
    "lostAnswerRate": _RATE,
    "stallRate": _RATE,
    "accessDenied": _BOOLEAN,
    "campaignMissing": _BOOLEAN,
    "throttleRate": _RATE,
    "errorRate": _RATE,
    "errorStatus": ("500 or 503", lambda value: _is_integer(value) and value in (500, 503)),
    "invalidItemIds": _STRINGS,
    "invalidEventTypes": _STRINGS,
}
