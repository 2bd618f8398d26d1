"""The HTTP edge: paths, bodies, statuses and headers of the two services, and the control endpoints.

A handler decodes the request, calls one function and encodes the response. No log names users or properties.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.origin_guard import OriginGuard
from local.personalize.action_requests import (
    parse_action_recommendations,
    parse_put_action_interactions,
    parse_put_actions,
)
from local.personalize.background import GroupCommit
from local.personalize.bodies import Body, read_body
from local.personalize.connections import Connections, ResetResponse, StalledResponse
from local.personalize.control import Control
from local.personalize.engine import Engine
from local.personalize.errors import (
    InternalError,
    ServiceError,
    UnavailableError,
    UnknownOperationError,
)
from local.personalize.faults import MAX_LATENCY_MS, Reset, campaign_name
from local.personalize.requests import (
    parse_put_events,
    parse_put_items,
    parse_put_users,
    parse_ranking,
    parse_recommendations,
)
from local.personalize.store import Call

# The largest request that the services allow has ten items of 32,000 characters each.
MAX_BODY_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True)
class ReceivedBody:
    """The body of a request, or the error of a body that cannot be used. Faults come before that error."""

    content: Body
    error: ServiceError | ClientDisconnect | None = None

    def valid(self) -> Body:
        """Return the body. Raises its error."""
        if self.error is not None:
            raise self.error
        return self.content


@dataclass(frozen=True)
class Parts:
    """What the handlers use. ``clock`` returns seconds since 1970. ``stopping`` ends delays of requests."""

    engine: Engine
    commits: GroupCommit
    connections: Connections
    control: Control
    clock: Callable[[], float]
    new_id: Callable[[], str]
    stopping: asyncio.Event


def create_app(parts: Parts) -> Starlette:
    """Return the application. Its caller starts and stops the parts."""
    operations = Operations(parts)
    return Starlette(
        routes=[
            operations.route("/recommendations", "GetRecommendations", operations.get_recommendations),
            operations.route("/personalize-ranking", "GetPersonalizedRanking", operations.get_ranking),
            operations.route(
                "/action-recommendations", "GetActionRecommendations", operations.get_action_recommendations
            ),
            operations.route(
                "/action-interactions", "PutActionInteractions", operations.put_action_interactions
            ),
            operations.route("/actions", "PutActions", operations.put_actions),
            operations.route("/events", "PutEvents", operations.put_events),
            operations.route("/items", "PutItems", operations.put_items),
            operations.route("/users", "PutUsers", operations.put_users),
            *parts.control.routes(),
        ],
        # Without the guard, a form of any web page could store events.
        middleware=[Middleware(OriginGuard, queries=True)],
        exception_handlers={
            ServiceError: _service_error,
            HTTPException: _http_error,
            ClientDisconnect: _client_gone,
            Exception: _internal_error,
        },
    )


class Operations:
    """The operations of the services: each takes a body and returns a body, or None for an empty one."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def route(self, path: str, name: str, operation: Callable[[Body, str], Awaitable[Body | None]]) -> Route:
        """Return the route of an operation, with the faults that are switched on.

        Faults come before the body is validated, as on the service. The body is read before them, because it
        names the campaign.
        """
        parts = self._parts

        async def endpoint(request: Request) -> Response:
            request.state.call_id = parts.new_id()
            body = await _receive_body(request)
            fault = parts.control.next_fault(name, campaign_name(body.content))
            if fault.delay_seconds:
                await _delay(fault.delay_seconds, parts.stopping)
            if fault.reset is Reset.BEFORE_REQUEST:
                return ResetResponse(parts.connections)
            if fault.error is not None:
                raise fault.error
            content = await operation(body.valid(), request.state.call_id)
            if fault.reset is Reset.AFTER_REQUEST:
                return ResetResponse(parts.connections)
            response = _response(request, 200, content)
            if fault.stalled:
                return StalledResponse(response, parts.connections, parts.stopping, MAX_LATENCY_MS / 1000)
            return response

        return Route(path, endpoint, methods=["POST"])

    async def get_recommendations(self, body: Body, call_id: str) -> Body:
        return self._parts.engine.recommend(parse_recommendations(body))

    async def get_ranking(self, body: Body, call_id: str) -> Body:
        return self._parts.engine.rank(parse_ranking(body))

    async def get_action_recommendations(self, body: Body, call_id: str) -> Body:
        return self._parts.engine.recommend_actions(parse_action_recommendations(body))

    async def put_action_interactions(self, body: Body, call_id: str) -> None:
        request = parse_put_action_interactions(body)
        self._parts.control.refuse_marked(request)
        await self._parts.commits.append(Call(call_id, self._parts.clock(), request))

    async def put_events(self, body: Body, call_id: str) -> None:
        request = parse_put_events(body)
        self._parts.control.refuse_marked(request)
        await self._parts.commits.append(Call(call_id, self._parts.clock(), request))

    async def put_items(self, body: Body, call_id: str) -> None:
        items = parse_put_items(body)
        await self._parts.commits.run(lambda store: store.put_records("item", items))
        self._parts.engine.put_items(items)

    async def put_users(self, body: Body, call_id: str) -> None:
        users = parse_put_users(body)
        await self._parts.commits.run(lambda store: store.put_records("user", users))
        self._parts.engine.put_users(users)

    async def put_actions(self, body: Body, call_id: str) -> None:
        actions = parse_put_actions(body)
        await self._parts.commits.run(lambda store: store.put_records("action", actions))
        self._parts.engine.put_actions(actions)


async def _delay(seconds: float, stopping: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except asyncio.TimeoutError:
        return
    raise UnavailableError("The local engine is stopping")


async def _receive_body(request: Request) -> ReceivedBody:
    try:
        return ReceivedBody(await read_body(request, MAX_BODY_BYTES))
    except (ServiceError, ClientDisconnect) as error:
        return ReceivedBody({}, error)


def _response(request: Request, status: int, content: Body | None, code: str | None = None) -> Response:
    """Return a response whose headers and body are sent together."""
    headers = {"x-amzn-RequestId": getattr(request.state, "call_id", "none")}
    if code is not None:
        headers["x-amzn-ErrorType"] = code
    body = json.dumps(content, separators=(",", ":")).encode() if content is not None else b""
    return Response(body, status, headers, media_type="application/json")


async def _service_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ServiceError):
        raise error
    return _response(request, error.status, {"message": error.message}, error.code)


async def _http_error(request: Request, error: Exception) -> Response:
    """Return the response to a path or method that the router does not know."""
    if request.url.path.startswith("/_engine"):
        return JSONResponse({"message": "There is no such control endpoint"}, 404)
    unknown = UnknownOperationError("The local engine does not offer this operation")
    return _response(request, unknown.status, {"message": unknown.message}, unknown.code)


async def _client_gone(request: Request, error: Exception) -> Response:
    """Return a response that the server drops: the client left before the end of its request."""
    return Response(status_code=400)


async def _internal_error(request: Request, error: Exception) -> Response:
    """Return the response to an unexpected error. Its traceback goes to standard error, not to the client."""
    return _response(
        request, InternalError.status, {"message": "The local engine failed"}, InternalError.code
    )
