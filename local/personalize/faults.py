"""Faults that can be switched on while the engine runs, to rehearse what production will do.

Pure: which fault strikes is decided here, the server carries it out. All are off at first. With a seed, the
same requests in the same order meet the same faults. The keys, as JSON:

    seed               integer or null   repeatable when set; null draws differently every time
    operations         list of names     only these, e.g. ["PutEvents"]; empty: all of them
    latencyMs          0–60000           added to every answer
    resetRate          0–1               the connection is reset before the request is looked at
    lostAnswerRate     0–1               the request is carried out, then the connection is reset
    accessDenied       true or false     AccessDeniedException, 403
    throttleRate       0–1               ThrottlingException, 400
    errorRate          0–1               the service itself fails, with `errorStatus`
    errorStatus        500 or 503        InternalFailure or ServiceUnavailable
    invalidItemIds     list of strings   PutEvents refuses calls with such an event, InvalidInputException
    invalidEventTypes  list of strings   the same by event type

Rates are judged for each request on its own, in the order of the list above.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from random import Random
from typing import Any

from local.personalize.errors import (
    AccessDeniedError,
    FaultSettingError,
    InternalError,
    InvalidInputError,
    ServiceError,
    ThrottlingError,
    UnavailableError,
)
from local.personalize.requests import PutEventsRequest

OPERATIONS = ("GetRecommendations", "GetPersonalizedRanking", "PutEvents", "PutItems", "PutUsers")
MAX_LATENCY_MS = 60_000


class Cut(Enum):
    """When the connection of a request is reset."""

    BEFORE = "reset"
    AFTER = "lostAnswer"


@dataclass(frozen=True)
class FaultSettings:
    """Field names are the JSON keys. Make them with `parse_settings`, which checks."""

    seed: int | None = None
    operations: tuple[str, ...] = ()
    latencyMs: float = 0
    resetRate: float = 0.0
    lostAnswerRate: float = 0.0
    accessDenied: bool = False
    throttleRate: float = 0.0
    errorRate: float = 0.0
    errorStatus: int = 503
    invalidItemIds: tuple[str, ...] = ()
    invalidEventTypes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Strike:
    """What one request meets: a delay, and at most one of a cut connection and an error."""

    delay_seconds: float = 0.0
    cut: Cut | None = None
    error: ServiceError | None = None


class Faults:
    """The settings in force and the dice. One set of dice for all requests, thrown in order of arrival."""

    def __init__(self, settings: FaultSettings | None = None) -> None:
        self.settings = settings or FaultSettings()
        self._dice = Random(self.settings.seed)  # noqa: S311 - decides faults, guards nothing

    def strike(self, operation: str) -> Strike:
        settings = self.settings
        # Always three throws, so that changing one rate does not shift the fortune of the others.
        reset_throw, throttle_throw, error_throw = (self._dice.random() for _ in range(3))
        lost_throw = self._dice.random()
        if settings.operations and operation not in settings.operations:
            return Strike()
        delay = settings.latencyMs / 1000
        if reset_throw < settings.resetRate:
            return Strike(delay, cut=Cut.BEFORE)
        if settings.accessDenied:
            return Strike(
                delay, error=AccessDeniedError(f"Not authorized to perform: personalize:{operation}")
            )
        if throttle_throw < settings.throttleRate:
            return Strike(delay, error=ThrottlingError("Rate exceeded"))
        if error_throw < settings.errorRate:
            failure = InternalError if settings.errorStatus == 500 else UnavailableError
            return Strike(delay, error=failure("The service failed, as it was asked to"))
        return Strike(delay, cut=Cut.AFTER if lost_throw < settings.lostAnswerRate else None)

    def refuse_marked(self, request: PutEventsRequest) -> None:
        """Raises InvalidInputError for the first event that the settings declare invalid."""
        if self.settings.operations and "PutEvents" not in self.settings.operations:
            return
        for number, event in enumerate(request.events, start=1):
            for name, value, marked in (
                ("itemId", event.item_id, self.settings.invalidItemIds),
                ("eventType", event.event_type, self.settings.invalidEventTypes),
            ):
                if value in marked:
                    raise InvalidInputError(
                        f"eventList.{number}.member.{name} is invalid, as it was asked to be"
                    )


def parse_settings(body: Any) -> FaultSettings:
    """Settings from JSON; a key left out is off. Raises FaultSettingError naming the key."""
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


_RATE = ("a number from 0 to 1", lambda value: _is_number(value, 1))
_STRINGS = ("a list of strings", _is_strings)
_RULES: Mapping[str, tuple[str, Any]] = {
    "seed": ("an integer or null", lambda value: value is None or _is_integer(value)),
    "operations": (
        f"a list of names out of {', '.join(OPERATIONS)}",
        lambda value: _is_strings(value) and set(value) <= set(OPERATIONS),
    ),
    "latencyMs": (f"a number from 0 to {MAX_LATENCY_MS}", lambda value: _is_number(value, MAX_LATENCY_MS)),
    "resetRate": _RATE,
    "lostAnswerRate": _RATE,
    "accessDenied": ("true or false", lambda value: isinstance(value, bool)),
    "throttleRate": _RATE,
    "errorRate": _RATE,
    "errorStatus": ("500 or 503", lambda value: _is_integer(value) and value in (500, 503)),
    "invalidItemIds": _STRINGS,
    "invalidEventTypes": _STRINGS,
}
