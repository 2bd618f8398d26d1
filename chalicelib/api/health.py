"""GET /health: whether the API responds, without a call to any service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.api.responses import ApiResponse
from chalicelib.version import VERSION

if TYPE_CHECKING:
    from chalicelib.api import Request
    from chalicelib.services import Services

IAM_ACTIONS = ()


def handle(request: Request, services: Services) -> ApiResponse:
    """Return ``{"status": "ok", "version": "..."}``."""
    return ApiResponse(200, {"status": "ok", "version": VERSION}, is_personal=False)
