"""A call of personalize-runtime within the budget, and what stands in for it when it fails.

In this order: the last good response to the same call, the fallback campaign, the fallback items of the plan.
None of them hides a mistake of the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import observability
from chalicelib.api.responses import ApiResponse, failure
from chalicelib.circuits import Permit
from chalicelib.errors import (
    AwsError,
    InvalidRequestError,
    NotFoundError,
    PersonalizeApiError,
    UnavailableError,
    from_botocore,
)
from chalicelib.last_responses import key_of
from chalicelib.selection import fallback
from chalicelib.selection.campaigns import campaign_of, name_of

if TYPE_CHECKING:
    from chalicelib.services import Services

PERSONALIZE, STALE, FALLBACK, NONE = "personalize", "stale", "fallback", "none"
"""Where a list comes from. ``none`` is only in metrics: the client gets an error."""
SHARE = "NotPersonalize"
"""The metric with 0 or 1 for each list, so that its average is the share that an alarm watches."""

_LIST = {
    "get_recommendations": "itemList",
    "get_personalized_ranking": "personalizedRanking",
    "get_action_recommendations": "actionList",
}
"""The member of a response that is the list."""
_FAILING = "Personalize is failing at the moment. Try again."
_LATE = UnavailableError("Personalize could not be reached. Try again.")
_NO_FILTER = NotFoundError(
    "There is no filter of this name, or the campaign does not exist any more. Check the name of the filter; "
    "if it is right, contact the operator."
)


@dataclass(frozen=True)
class Plan:
    """A call as data: a method of the client and its arguments. And what stands in for it.

    Personalize says of a filter and of a campaign that does not exist with the same error. With
    ``names_filter`` it is the caller's: the request names a filter. ``fallback_arguments`` are for the
    fallback campaign, ``fallback_items`` the ids that make a list without a call. ``experiment`` is said in
    the response. ``count`` is how many items a list of a page shall have, and ``percent_promoted`` the share
    of promoted ones; the arguments may ask for more.
    """

    method: str
    arguments: Mapping[str, Any]
    names_filter: bool = False
    fallback_arguments: Mapping[str, Any] | None = None
    fallback_items: Sequence[str] = ()
    experiment: Mapping[str, str] | None = None
    count: int = 0
    percent_promoted: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a plan. ``body`` is that of the response, None where the client gets the error.

    ``error`` is also why something stands in. ``counts`` are the metrics.
    """

    body: dict[str, Any] | None
    error: Exception | None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def reason(self) -> str | None:
        """Why the list is not Personalize's, for the log. A mistake of the caller's has no reason."""
        return None if self.error is None else failure(self.error).reason


@dataclass(frozen=True)
class _CallResult:
    """What became of one call. ``circuit`` has its metrics."""

    body: dict[str, Any] | None
    error: Exception | None = None
    circuit: Mapping[str, int] = field(default_factory=dict)


def respond(plan: Plan, services: Services) -> ApiResponse:
    """Return the response to a request with one plan."""
    outcome = perform(plan, services, ends_at=deadline(services))
    if outcome.body is not None:
        return ApiResponse(200, outcome.body, outcome.counts, outcome.reason)
    assert outcome.error is not None  # noqa: S101 - an outcome without a body has an error
    failed = failure(outcome.error)
    return ApiResponse(failed.status, failed.body, outcome.counts, failed.reason)


def deadline(services: Services) -> float:
    """Return the end of the budget of a request that begins now, on the monotonic clock.

    What a sandbox makes once is made before the clock runs, and before several threads ask for it.
    """
    _ = services.clients.personalize_runtime, services.circuits, services.last_responses
    return services.monotonic() + services.config.personalize_budget_seconds


def perform(plan: Plan, services: Services, *, ends_at: float) -> Outcome:
    """Make the call of a plan, or find what stands in for it."""
    until = ends_at
    if plan.fallback_arguments is not None:
        now = services.monotonic()
        until = now + (ends_at - now) / 2
    result = _call(plan, plan.arguments, services, until)
    if result.body is None:
        return _stand_in(plan, result, services, ends_at)
    if result.body[_LIST[plan.method]]:
        key = key_of(plan.method, plan.arguments)
        services.last_responses.keep(key, result.body, services.now().timestamp())
    return _outcome(plan, result.body, PERSONALIZE, result)


def too_late(plan: Plan, services: Services) -> Outcome:
    """Return what stands in for a call that is not over, although its time is. Its circuit counts it."""
    circuit = services.circuits.of(plan.method, campaign_of(plan.arguments))
    permit = circuit.admit(services.now().timestamp(), 0)
    if isinstance(permit, Permit):
        circuit.failed(permit, _LATE, services.now().timestamp())
    return _stand_in(plan, _CallResult(None, _LATE), services, ends_at=services.monotonic())


def _stand_in(plan: Plan, failed: _CallResult, services: Services, ends_at: float) -> Outcome:
    if isinstance(failed.error, InvalidRequestError):
        return Outcome(None, failed.error)
    if isinstance(failed.error, NotFoundError):
        return _if_only_the_campaign_is_missing(plan, failed, services, ends_at)
    last = services.last_responses.find(key_of(plan.method, plan.arguments), services.now().timestamp())
    if last is not None:
        return _outcome(plan, last, STALE, failed)
    asked = _ask_fallback_campaign(plan, services, ends_at)
    failed = _CallResult(None, failed.error, _sum(failed.circuit, asked.circuit))
    member = _LIST[plan.method]
    items = fallback.item_list(plan.fallback_items, plan.arguments)
    if asked.body is not None and (asked.body[member] or not items):
        return _outcome(plan, asked.body, FALLBACK, failed, plan.fallback_arguments)
    if items:
        return _outcome(plan, {member: items}, FALLBACK, failed)
    return Outcome(None, failed.error, _counts(plan, NONE, failed))


def _if_only_the_campaign_is_missing(
    plan: Plan, failed: _CallResult, services: Services, ends_at: float
) -> Outcome:
    """Return what the fallback campaign says with the same filter: when it knows the filter, that exists."""
    not_found = {"FilterNotFound": 1}
    if "promotions" in plan.arguments:  # whose filter the fallback campaign is not asked about
        return Outcome(None, failed.error, not_found)
    asked = _ask_fallback_campaign(plan, services, ends_at)
    if asked.body is None:
        return Outcome(None, failed.error, {**not_found, **asked.circuit})
    failed = _CallResult(None, failed.error, asked.circuit)
    return _outcome(plan, asked.body, FALLBACK, failed, plan.fallback_arguments)


def _ask_fallback_campaign(plan: Plan, services: Services, ends_at: float) -> _CallResult:
    if plan.fallback_arguments is None or services.monotonic() >= ends_at:
        return _CallResult(None)
    return _call(plan, plan.fallback_arguments, services, ends_at)


def _outcome(
    plan: Plan,
    found: Mapping[str, Any],
    source: str,
    result: _CallResult,
    arguments: Mapping[str, Any] | None = None,
) -> Outcome:
    """Return a response with what every one has. ``arguments`` are those of the call that it came from."""
    body = {**found, "campaign": name_of(campaign_of(arguments or plan.arguments)), "source": source}
    if plan.experiment is not None:
        body["experiment"] = plan.experiment
    return Outcome(body, result.error, _counts(plan, source, result))


def _counts(plan: Plan, source: str, result: _CallResult) -> dict[str, int]:
    """Return the metrics of a list. In an experiment those of its variant are beside those of all."""
    is_other = int(source != PERSONALIZE)
    counts = {f"Source{source.title()}": 1, SHARE: is_other, **result.circuit}
    if plan.experiment is not None:
        variant = plan.experiment["variant"]
        counts |= {f"Variant-{variant}": 1, f"{SHARE}-{variant}": is_other}
    return counts


def _call(plan: Plan, arguments: Mapping[str, Any], services: Services, until: float) -> _CallResult:
    """Make one call, unless its circuit is open. A fault of ours counts as one of the campaign's."""
    circuit = services.circuits.of(plan.method, campaign_of(arguments))
    permit = circuit.admit(services.now().timestamp(), until - services.monotonic())
    if not isinstance(permit, Permit):
        return _CallResult(None, permit, {"CircuitSkipped": 1})
    method = getattr(services.clients.personalize_runtime, plan.method)
    error: Exception
    try:
        with services.clients.transport.until(until):
            body = _body(method(**arguments), _LIST[plan.method])
    except AwsError as raised:
        error = _error(raised, names_filter=plan.names_filter)
    except PersonalizeApiError as raised:
        error = raised
    except Exception as raised:  # noqa: BLE001 - what stands in is there for this one, too
        observability.report(raised, service=services.config.service_name, request_id=None)
        error = raised
    else:
        circuit.succeeded(permit)
        return _CallResult(body)
    counted = error if isinstance(error, PersonalizeApiError) else UnavailableError(_FAILING)
    has_opened = circuit.failed(permit, counted, services.now().timestamp())
    return _CallResult(None, error, {"CircuitOpened": 1} if has_opened else {})


def _body(response: Mapping[str, Any], member: str) -> dict[str, Any]:
    """Return a response of Personalize with its list. Raises UnavailableError for what is none."""
    body = {name: value for name, value in response.items() if name != "ResponseMetadata"}
    if member not in body and "recommendationId" not in body:
        raise UnavailableError(_FAILING)
    return body if member in body else {member: [], **body}


def _error(raised: ClientError | BotoCoreError, *, names_filter: bool) -> PersonalizeApiError:
    if names_filter and _is_not_found(raised):
        return _NO_FILTER
    return from_botocore(raised, "Personalize")


def _is_not_found(raised: Exception) -> bool:
    return isinstance(raised, ClientError) and raised.response["Error"]["Code"] == "ResourceNotFoundException"


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> Mapping[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in {**first, **second}}
