"""The control endpoints under ``/_engine/``, which the real services do not have.

GET    /_engine/health                  {"status": "ok", "items", "users", "interactions", ...}
GET    /_engine/events?after=0&limit=N  {"events": [...], "last": seq}: accepted events in order of arrival
                                        ``after=end``: none, and the last seq there is
GET    /_engine/action-interactions     {"actionInteractions": [...], "last": seq}: the same for actions
GET    /_engine/stats                   counts (see ``Engine.stats``), and "faults": counts of injected faults
GET    /_engine/items/{itemId}          {"itemId", "metadata"}
GET    /_engine/faults                  the settings in force
PUT    /_engine/faults                  new settings; a key that is left out is off (keys: ``faults.py``)
DELETE /_engine/faults                  all faults off
POST   /_engine/forget                  {"userId": "ann", "sessionIds": ["s1"]} removes a person for good, as
                                        CreateDataDeletionJob does. "sessionIds" is optional, at most 10,000

``forget`` returns the counts of the rows that it removed: {"events": 3, "actionInteractions": 1, "users": 1,
"importedInteractions": 5}. These are the rows with this user id, and the rows without a user in a session of
the person: one of "sessionIds", or a session with a row of this user id. "users" counts records of PutUsers
and rows of users.csv. Asked again, it removes nothing, and all counts are 0. When the data folder cannot be
read, it removes nothing either: 409.

A request that is refused gets 400 and {"message": one sentence}. A body of more than 32 MiB gets 413.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from local.personalize import CAMPAIGN_ARN, TRACKING_ID
from local.personalize.action_requests import PutActionInteractionsRequest
from local.personalize.background import GroupCommit
from local.personalize.bodies import read_body
from local.personalize.engine import Engine
from local.personalize.errors import FaultSettingError, InvalidInputError, StartError
from local.personalize.faults import Faults, InjectedFault, parse_settings
from local.personalize.forget import MAX_BODY_BYTES, forget, parse_forget
from local.personalize.requests import PutEventsRequest
from local.personalize.store import Store, StoredActionInteraction, StoredEvent

MAX_EVENTS_PER_PAGE = 10_000

Row = TypeVar("Row")


class Control:
    """The handlers of ``/_engine/``, the faults in force, and how often each was injected."""

    def __init__(self, engine: Engine, commits: GroupCommit, data: Path) -> None:
        self._engine = engine
        self._commits = commits
        self._data = data
        self._faults = Faults()
        self._injected: Counter[str] = Counter()

    def next_fault(self, operation: str, campaign: str | None) -> InjectedFault:
        """Return the fault of the next request and count it. ``campaign`` is the one that it names."""
        fault = self._faults.next_fault(operation, campaign)
        if fault.delay_seconds:
            self._injected["delayed"] += 1
        if fault.reset is not None:
            self._injected[fault.reset.value] += 1
        if fault.error is not None:
            self._injected[fault.error.code] += 1
        if fault.stalled:
            self._injected["stalled"] += 1
        return fault

    def refuse_marked(self, request: PutEventsRequest | PutActionInteractionsRequest) -> None:
        """Raise InvalidInputError, and count it, when the faults declare a part of the request invalid."""
        try:
            self._faults.refuse_marked(request)
        except InvalidInputError:
            self._injected["markedInvalid"] += 1
            raise

    def routes(self) -> list[Route]:
        """Return the routes of the control endpoints."""
        return [
            Route("/_engine/health", self.health),
            Route("/_engine/events", self.events),
            Route("/_engine/action-interactions", self.action_interactions),
            Route("/_engine/stats", self.stats),
            Route("/_engine/items/{item_id:path}", self.item),
            Route("/_engine/faults", self.faults, methods=["GET", "PUT", "DELETE"]),
            Route("/_engine/forget", self.forget, methods=["POST"]),
        ]

    async def health(self, request: Request) -> JSONResponse:
        resources = {"campaignArn": CAMPAIGN_ARN, "trackingId": TRACKING_ID}
        return JSONResponse({"status": "ok", **self._engine.sizes(), **resources})

    async def stats(self, request: Request) -> JSONResponse:
        return JSONResponse({**self._engine.stats(), "faults": dict(self._injected)})

    async def events(self, request: Request) -> JSONResponse:
        return await self._page(request, "events", Store.events, Store.last_event, _event_as_json)

    async def action_interactions(self, request: Request) -> JSONResponse:
        read, last = Store.action_interactions, Store.last_action_interaction
        return await self._page(request, "actionInteractions", read, last, _action_interaction_as_json)

    async def _page(
        self,
        request: Request,
        name: str,
        read: Callable[[Store, int, int], Iterator[Row]],
        last_seq: Callable[[Store], int],
        as_json: Callable[[Row], dict[str, Any]],
    ) -> JSONResponse:
        if request.query_params.get("after") == "end":
            last = await self._commits.run(last_seq)
            return JSONResponse({name: [], "last": last})
        try:
            after = int(request.query_params.get("after", "0"))
            limit = int(request.query_params.get("limit", str(MAX_EVENTS_PER_PAGE)))
        except ValueError:
            return _refused("'after' and 'limit' must be whole numbers")
        if not (0 <= after < 2**63 and 1 <= limit <= MAX_EVENTS_PER_PAGE):
            return _refused(f"'after' must not be negative, 'limit' must be from 1 to {MAX_EVENTS_PER_PAGE}")
        found = await self._commits.run(lambda store: list(read(store, after, limit)))
        rows = [as_json(stored) for stored in found]
        return JSONResponse({name: rows, "last": rows[-1]["seq"] if rows else after})

    async def item(self, request: Request) -> JSONResponse:
        found = self._engine.item(request.path_params["item_id"])
        return JSONResponse(found) if found else JSONResponse({"message": "There is no such item"}, 404)

    async def faults(self, request: Request) -> JSONResponse:
        if request.method == "DELETE":
            self._faults = Faults()
        elif request.method == "PUT":
            try:
                self._faults = Faults(parse_settings(json.loads(await request.body())))
            except (ValueError, RecursionError):
                return _refused("expected a JSON object")
            except FaultSettingError as error:
                return _refused(str(error))
        return JSONResponse(self._faults.settings.as_json())

    async def forget(self, request: Request) -> JSONResponse:
        wanted = parse_forget(await read_body(request, MAX_BODY_BYTES))
        rest = self._engine.unloaded()
        try:
            removed = await self._commits.run(lambda store: forget(store, self._data, wanted, rest))
        except (StartError, OSError) as error:
            return JSONResponse({"message": f"Nothing was removed. {error}"}, 409)
        # Results of the store come back in its order: what it stored later is added to ``rest``.
        self._engine.adopt(rest)
        await self._commits.run(Store.erase)
        return JSONResponse(removed)


def _refused(message: str) -> JSONResponse:
    return JSONResponse({"message": message}, 400)


def _event_as_json(stored: StoredEvent) -> dict[str, Any]:
    """Return an event under the names of PutEvents. ``properties`` is the string that was sent."""
    event = asdict(stored.event)
    return {
        "seq": stored.seq,
        "eventId": event["event_id"],
        "userId": stored.user_id,
        "sessionId": stored.session_id,
        "itemId": event["item_id"],
        "eventType": event["event_type"],
        "eventValue": event["event_value"],
        "sentAt": event["sent_at"],
        "properties": event["properties"],
        "recommendationId": event["recommendation_id"],
        "impression": event["impression"],
        "eventAttributionSource": event["attribution_source"],
        "callId": stored.call_id,
        "receivedAt": stored.received_at,
    }


def _action_interaction_as_json(stored: StoredActionInteraction) -> dict[str, Any]:
    """Return an action interaction under the names of PutActionInteractions."""
    each = stored.interaction
    return {
        "seq": stored.seq,
        "eventId": each.event_id,
        "userId": each.user_id,
        "sessionId": each.session_id,
        "actionId": each.action_id,
        "eventType": each.event_type,
        "timestamp": each.timestamp,
        "properties": each.properties,
        "recommendationId": each.recommendation_id,
        "impression": each.impression,
        "callId": stored.call_id,
        "receivedAt": stored.received_at,
    }
