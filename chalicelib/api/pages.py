"""Several requests of /recommendations in one: made at the same time, within one budget.

Each has its own outcome, in the order of the requests. With ``unique`` an item is only in the first list that
has it. A list is asked for with as many items to spare as all lists before it can take from it. So one call
is always enough to fill it, within the limits of Personalize.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib import contract, observability
from chalicelib.api import personalize
from chalicelib.api.personalize import Outcome, Plan
from chalicelib.api.responses import ApiResponse, failure
from chalicelib.errors import InvalidRequestError, PersonalizeApiError
from chalicelib.selection import unique

if TYPE_CHECKING:
    from chalicelib.config import Config
    from chalicelib.observability import Values
    from chalicelib.services import Services

MEMBER = "requests"
MAX_NAME_CHARACTERS = 256
"""Of page-request.schema.json. A longer name does not come back."""
GRACE_SECONDS = 0.1
"""After the deadline, for the calls that ended at it. Only the look-up of a host's name can last longer."""


@dataclass(frozen=True)
class Row:
    """One request of a page: its name, and its plan or why it has none."""

    name: str | None
    plan: Plan | None
    error: PersonalizeApiError | None


class ToPlan(Protocol):
    """Turns a request into a plan with some items to spare. Raises InvalidRequestError or NotFoundError."""

    def __call__(self, request: Mapping[str, Any], config: Config, spare: int) -> Plan: ...


def respond(body: object, to_plan: ToPlan, services: Services) -> ApiResponse:
    """Return ``{"results": [{"name"?, ...a response} | {"name"?, "Code", "Message"}]}`` to a page."""
    page = contract.read("page", body)
    requests, most = page[MEMBER], services.config.max_requests_per_page
    if len(requests) > most:
        raise InvalidRequestError.of(
            MEMBER, f"must have at most {most} entries on this deployment. Send several pages."
        )
    is_unique = bool(page.get("unique"))
    rows = plan_rows(requests, to_plan, services.config, is_unique=is_unique)
    outcomes = perform(rows, services)
    if is_unique:
        outcomes = without_repeats(rows, outcomes)
    results = [_result(row, outcome) for row, outcome in zip(rows, outcomes, strict=True)]
    return ApiResponse(200, {"results": results}, _counts(outcomes), reason=_reason(outcomes))


def plan_rows(requests: Sequence[object], to_plan: ToPlan, config: Config, *, is_unique: bool) -> list[Row]:
    """Return a row for each request. Pure."""
    rows: list[Row] = []
    spare = 0
    for request in requests:
        row = _row(request, to_plan, config, spare)
        rows.append(row)
        spare += row.plan.count if row.plan is not None and is_unique else 0
    return rows


def _row(request: object, to_plan: ToPlan, config: Config, spare: int) -> Row:
    if not isinstance(request, dict):
        return Row(None, None, InvalidRequestError("The request must be an object."))
    name = request.get("name")
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARACTERS:
        name = None
    try:
        return Row(name, to_plan(contract.read("page-request", request), config, spare), None)
    except PersonalizeApiError as error:
        return Row(name, None, error)


def perform(rows: Sequence[Row], services: Services) -> list[Outcome]:
    """Return the outcome of each row. Calls are made at the same time; a single one needs no thread."""
    plans = {index: row.plan for index, row in enumerate(rows) if row.plan is not None}
    ends_at = personalize.deadline(services)
    if len(plans) < 2:
        found = {index: personalize.perform(plan, services, ends_at=ends_at) for index, plan in plans.items()}
    else:
        found = _perform_together(plans, services, ends_at)
    return [found[index] if index in found else Outcome(None, row.error) for index, row in enumerate(rows)]


def _perform_together(plans: Mapping[int, Plan], services: Services, ends_at: float) -> dict[int, Outcome]:
    threads = services.page_threads
    futures = {
        index: threads.pool().submit(personalize.perform, plan, services, ends_at=ends_at)
        for index, plan in plans.items()
    }
    _, late = wait(futures.values(), timeout=max(0.0, ends_at - services.monotonic()) + GRACE_SECONDS)
    if late:
        threads.abandon()
    return {index: _outcome(future, plans[index], services) for index, future in futures.items()}


def _outcome(future: Future[Outcome], plan: Plan, services: Services) -> Outcome:
    """Return what became of a row. A fault of ours in one row must not cost the others."""
    if not future.done() or future.cancelled():
        return personalize.too_late(plan, services)
    error = future.exception()
    if isinstance(error, Exception):
        observability.report(error, service=services.config.service_name, request_id=None)
        return Outcome(None, error)
    return future.result()


def without_repeats(rows: Sequence[Row], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes with each item in the first list only that has it, and each list cut. Pure."""
    shown: set[str] = set()
    result = []
    for row, outcome in zip(rows, outcomes, strict=True):
        if row.plan is None or outcome.body is None:
            result.append(outcome)
            continue
        found = outcome.body.get("itemList", [])
        items = unique.choose(found, row.plan.count, shown, row.plan.percent_promoted)
        shown.update(map(unique.id_of, items))
        result.append(replace(outcome, body={**outcome.body, "itemList": items}))
    return result


def _result(row: Row, outcome: Outcome) -> dict[str, Any]:
    name = {} if row.name is None else {"name": row.name}
    if outcome.body is not None:
        return {**name, **outcome.body}
    assert outcome.error is not None  # noqa: S101 - an outcome without a body has an error
    return {**name, **failure(outcome.error).body}


def _counts(outcomes: Sequence[Outcome]) -> dict[str, Values]:
    """Return the metrics of all rows. Each has a value of its own in a metric that is read as a share."""
    counts: dict[str, Any] = {}
    for outcome in outcomes:
        for name, value in outcome.counts.items():
            if name.startswith(personalize.SHARE):
                counts.setdefault(name, []).append(value)
            else:
                counts[name] = counts.get(name, 0) + value
    # In one order, because the directive of the log line is made once for each.
    return dict(sorted(counts.items()))


def _reason(outcomes: Sequence[Outcome]) -> str | None:
    """Return for the log why lists are not Personalize's, each reason once."""
    return "; ".join(sorted({outcome.reason for outcome in outcomes if outcome.reason})) or None
