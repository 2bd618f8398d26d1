"""The HTTP API: one module per operation, and ``respond``, the one path of every request.

A module of this package has ``handle(request, services)``, which returns an ApiResponse or raises an error of
``errors``, and ``IAM_ACTIONS``, the rights that it needs. Each request loads the module of its operation and
no other: a cold start pays for what it uses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from chalicelib import contract, observability
from chalicelib.api.responses import ApiResponse, crash, failure
from chalicelib.errors import PersonalizeApiError
from chalicelib.services import Services


@dataclass(frozen=True)
class Request:
    """A request as an operation sees it. ``query`` has the last value of each parameter of the address."""

    raw_body: bytes
    query: Mapping[str, str]
    seconds_left: Callable[[], float]

    @property
    def body(self) -> Any:
        """The parsed JSON. Raises InvalidRequestError. A GET has none."""
        return contract.parse(self.raw_body)


def respond(operation: str, request: Request, services: Services, *, request_id: str | None) -> ApiResponse:
    """Return a documented response, whatever happens, and log one line.

    ``operation`` is the name of a module of this package.
    """
    started = time.perf_counter()
    try:
        module = import_module(f"chalicelib.api.{operation}")
        response: ApiResponse = module.handle(request, services)
    except PersonalizeApiError as error:
        response = failure(error)
    except Exception as error:  # noqa: BLE001 - Chalice would log the message, which may quote values
        observability.report(error, service=services.config.service_name, request_id=request_id)
        response = crash(error)
    observability.emit(
        log_name(operation),
        {f"Status{response.status // 100}xx": 1, **response.counts},
        service=services.config.service_name,
        milliseconds=1000 * (time.perf_counter() - started),
        status=response.status,
        requestId=request_id,
        reason=response.reason,
    )
    return response


def log_name(operation: str) -> str:
    """Return the name of an operation in log lines and metrics, such as ``ActionRecommendations``."""
    return operation.title().replace("_", "")
