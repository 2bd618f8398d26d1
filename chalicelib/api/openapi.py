"""GET /openapi.json: the contract in one document, with the limits of this deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import contract
from chalicelib.api.responses import ApiResponse

if TYPE_CHECKING:
    from chalicelib.api import Request
    from chalicelib.services import Services

IAM_ACTIONS = ()


def handle(request: Request, services: Services) -> ApiResponse:
    """Return openapi.json with the schemas in it. Events and pages have the limits of this deployment."""
    document = contract.document()
    schemas = document["components"]["schemas"]
    most = services.config.max_events_per_request
    schemas["Batch"]["properties"]["Events"]["maxItems"] = most
    schemas["PutEventsBody"]["properties"]["eventList"]["maxItems"] = most
    schemas["Page"]["properties"]["requests"]["maxItems"] = services.config.max_requests_per_page
    return ApiResponse(200, document, is_personal=False)
