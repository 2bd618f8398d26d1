"""Every status and Code that a client can meet stands in openapi.json and in docs/api.md.

What can be met comes from the code, from Chalice, and from the packaged template's gateway responses. The
tests name what the contract or the documentation lacks.
"""

import json
import re
from pathlib import Path

import pytest
from chalice.local import LambdaEventConverter, RouteMatcher

from chalicelib import contract
from chalicelib.api import responses

ROOT = Path(__file__).parents[2]
OPENAPI = json.loads((Path(contract.__file__).parent / "openapi.json").read_text("utf-8"))
API = (ROOT / "docs" / "api.md").read_text("utf-8")
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in OPENAPI["paths"].items()
    for method, operation in methods.items()
}

GATEWAY = {
    "API_CONFIGURATION_ERROR": 500,
    "BAD_REQUEST_BODY": 400,
    "BAD_REQUEST_PARAMETERS": 400,
    "DEFAULT_5XX": 502,
    "INTEGRATION_FAILURE": 504,
    "INTEGRATION_TIMEOUT": 504,
    "INVALID_API_KEY": 403,
    "MISSING_AUTHENTICATION_TOKEN": 403,
    "QUOTA_EXCEEDED": 429,
    "REQUEST_TOO_LARGE": 413,
    "THROTTLED": 429,
    "WAF_FILTERED": 403,
}
"""Response types that a request to this API can meet, with their status
(docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html). The others are
of authorizers and of signed requests. DEFAULT_5XX has no status of its own: here a function has failed."""
OURS = {(500, "InternalServerError"), *responses._STATUSES.values()}
OF_CHALICE = {(415, "UnsupportedMediaType")}
OF_NAMES = {(404, "NotFoundError")}
OF_SERVICES_AND_BODIES = (OURS | OF_CHALICE) - {(500, "InternalServerError")}
NEVER = {
    "POST /history": OF_NAMES,
    "POST /events": OF_NAMES,
    "GET /openapi.json": OF_SERVICES_AND_BODIES,
    "GET /health": OF_SERVICES_AND_BODIES,
}
"""What a route has no way to: the one names no campaign, the other has no body and calls no service."""
LAMBDA_BYTES = 6 * 1024 * 1024
"""Of an invocation (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""


@pytest.fixture(scope="module")
def of_gateway(packaged):
    """(status, Code) of the gateway's own responses, by type."""
    definition = packaged.template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    customised = definition["x-amazon-apigateway-gateway-responses"]

    def code(kind, status):
        response = customised.get(kind) or customised[f"DEFAULT_{status // 100}XX"]
        template = response["responseTemplates"]["application/json"]
        assert "statusCode" not in response, f"{kind} changes the status: GATEWAY here has to know it"
        return re.search(r'"Code":"([^"]+)"', template)[1].replace("$context.error.responseType", kind)

    return {kind: (status, code(kind, status)) for kind, status in GATEWAY.items()}


def in_openapi(operation):
    """(status, Code) of every error that an operation documents with an example."""
    for status, response in operation["responses"].items():
        if status >= "400":
            name = response["$ref"].removeprefix("#/components/responses/")
            content = OPENAPI["components"]["responses"][name].get("content", {}).get("application/json", {})
            yield from ((int(status), each["value"]["Code"]) for each in content.get("examples", {}).values())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_openapi_lacks_no_error_that_a_route_can_be_answered_with(operation, of_gateway):
    anywhere = {*of_gateway.values()} | OURS | OF_CHALICE
    possible = anywhere - NEVER.get(operation, set())
    documented = {*in_openapi(OPERATIONS[operation])}
    assert possible - documented == set(), f"{operation} in openapi.json lacks these"
    assert documented <= anywhere, f"{operation} in openapi.json has errors that nothing responds"


def test_the_documentation_lists_the_same_errors_as_openapi():
    rows = {(int(status), code) for status, code in re.findall(r"(?m)^\| (\d{3}) \| `(\w+)` \|", API)}
    documented = {pair for operation in OPERATIONS.values() for pair in in_openapi(operation)}
    assert documented - rows == set(), "docs/api.md lacks these"
    assert rows - documented == set(), "openapi.json lacks these"


def test_no_response_of_openapi_is_without_a_route():
    used = {
        response["$ref"].rpartition("/")[2]
        for operation in OPERATIONS.values()
        for response in operation["responses"].values()
        if "$ref" in response
    }
    assert used == set(OPENAPI["components"]["responses"])


def test_only_what_a_retry_can_help_says_when_to_retry(packaged):
    definition = packaged.template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    retried = {
        kind
        for kind, response in definition["x-amazon-apigateway-gateway-responses"].items()
        if "gatewayresponse.header.Retry-After" in response["responseParameters"]
    }
    assert retried == {"THROTTLED"}
    with_header = {
        name
        for name, each in OPENAPI["components"]["responses"].items()
        if "Retry-After" in each.get("headers", {})
    }
    assert with_header == {"TooManyRequests", "ServiceUnavailable"}


# --- How large a body may be --------------------------------------------------------------------------------


def invocation_bytes(body):
    """Return the size of the invocation event for a body, with the most headers that API Gateway takes."""
    headers = {"content-type": "application/json", "x-filler": '"' * 10_240}
    converter = LambdaEventConverter(RouteMatcher(["/history"]))
    event = converter.create_lambda_event("POST", "/history", headers, b"")
    event["body"] = body
    event["multiValueHeaders"] = {name: [value] for name, value in event["headers"].items()}
    return len(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode())


def test_three_megabytes_fit_whatever_they_are():
    """Every byte of the body becomes two at most: JSON has no control character inside a string."""
    assert "A body of 3 MB always fits, and so do 500 events of at most 6,000 bytes each." in API
    events = json.dumps({"Events": ["x" * 5_998] * 500}, separators=(",", ":"))
    for size in (3_000_000, len(events)):
        assert invocation_bytes('"' * size) <= LAMBDA_BYTES


def test_the_documented_formula_is_no_less_than_the_size_of_the_invocation():
    assert "headers and the rest)  ≤  6,291,456" in API
    for body in ('"' * 1_000, "\\" * 1_000, "\n" * 1_000, "\t" * 1_000, "a" * 1_000, "\u00e9" * 1_000):
        doubled = sum(map(body.count, '"\\\n\r\t'))
        assert invocation_bytes(body) <= len(body.encode()) + doubled + 50_000


def test_usual_events_of_four_and_a_half_megabytes_fit():
    assert "4.5 MB of them fit" in API
    [example] = re.findall(r"(?s)One event:\n\n```json POST /history\n(.*?)```", API)
    event = json.dumps(json.loads(example), separators=(",", ":"))
    body = '{"Events":[' + ",".join([event] * (4_500_000 // (len(event) + 1))) + "]}"
    assert invocation_bytes(body) <= LAMBDA_BYTES
