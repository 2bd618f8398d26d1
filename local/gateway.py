"""Gives the emulated API what MiniStack 1.5.33 drops when it imports one: the answers to CORS preflights and
the gateway's own error responses. Both are in the packaged template, where API Gateway itself finds them.

Not for AWS: there, a change beside the stack would be drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ops.deploy import Package
from ops.packaging import merge

_RESPONSES = "x-amazon-apigateway-gateway-responses"
_INTEGRATION = "x-amazon-apigateway-integration"


def patch_api(gateway: Any, api_id: str, package: Package) -> None:
    """Put what the package's template defines into the API, and deploy that. Harmless to repeat.

    ``gateway`` is an API Gateway client of the emulator.
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
    # The gateway's responses are those that the API had when it was deployed.
    gateway.create_deployment(restApiId=api_id, stageName=api["StageName"])


def _preflights(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in definition["paths"].items():
        if "options" in methods:
            yield path, methods["options"][_INTEGRATION]


def _put_preflight(gateway: Any, resource: dict[str, str], integration: dict[str, Any]) -> None:
    method = {**resource, "httpMethod": "OPTIONS"}
    answer = integration["responses"]["default"]
    headers = answer["responseParameters"]
    gateway.put_integration(**method, type="MOCK", requestTemplates=integration["requestTemplates"])
    gateway.put_method_response(**method, statusCode="200", responseParameters=dict.fromkeys(headers, False))
    gateway.put_integration_response(**method, statusCode="200", responseParameters=headers)
