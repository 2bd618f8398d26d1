"""Patch of the emulated API: the parts of the template that MiniStack 1.5.33 drops when it imports an API.

These are the responses to CORS preflights and the gateway's own error responses. API Gateway itself imports
both. Not for AWS: there, a change outside CloudFormation would be drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ops.packaging import merge
from ops.packaging.bundle import Package

_RESPONSES = "x-amazon-apigateway-gateway-responses"
_INTEGRATION = "x-amazon-apigateway-integration"


def patch_api(gateway: Any, api_id: str, package: Package) -> None:
    """Add the preflights and error responses of the package's template to the API, and deploy it.

    ``gateway`` is an API Gateway client of the emulator. A repetition changes nothing.
    """
    template = merge.load(package.template_path.read_text(encoding="utf-8"))
    api = template["Resources"]["RestAPI"]["Properties"]
    definition = api["DefinitionBody"]
    pages = gateway.get_paginator("get_resources").paginate(restApiId=api_id)
    ids = {resource["path"]: resource["id"] for page in pages for resource in page["items"]}
    for path, preflight in _preflights(definition):
        _put_preflight(gateway, {"restApiId": api_id, "resourceId": ids[path]}, preflight)
    for kind, response in definition.get(_RESPONSES, {}).items():
        gateway.put_gateway_response(restApiId=api_id, responseType=kind, **response)
    # The gateway uses the responses that the API had at its last deployment.
    gateway.create_deployment(restApiId=api_id, stageName=api["StageName"])


def _preflights(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in definition["paths"].items():
        if "options" in methods:
            yield path, methods["options"][_INTEGRATION]


def _put_preflight(gateway: Any, resource: dict[str, str], integration: dict[str, Any]) -> None:
    method = {**resource, "httpMethod": "OPTIONS"}
    headers = integration["responses"]["default"]["responseParameters"]
    gateway.put_integration(**method, type="MOCK", requestTemplates=integration["requestTemplates"])
    gateway.put_method_response(**method, statusCode="200", responseParameters=dict.fromkeys(headers, False))
    gateway.put_integration_response(**method, statusCode="200", responseParameters=headers)
