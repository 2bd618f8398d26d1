"""Pages in a real browser against an API that two origins may call, with the headers of their tracing.

The stack has the preflights and the gateway's responses of a package made for these settings, and its
function has their variables.
"""

import json

import pytest

from local.gateway import patch_api
from ops.local_stage import STACK_NAME
from ops.packaging.bundle import package
from tests.browser.conftest import ATTACKER
from tests.support.clone import clone_project

LISTED, UNLISTED = ("127.0.0.1", "localhost"), ATTACKER
TRACING = ("traceparent", "baggage", "sentry-trace", "x-datadog-trace-id")

FETCH = """
async ([url, options]) => {
    try {
        const response = await fetch(url, options);
        const headers = Object.fromEntries(response.headers);
        return {status: response.status, headers, body: await response.json()};
    } catch (error) {
        return {failed: String(error)};
    }
}
"""


@pytest.fixture(scope="module")
def two_origins(stack, page_server, tmp_path_factory):
    """The stack as if it was deployed for the pages of two names of ``page_server``."""
    settings = {
        "ALLOWED_ORIGIN": ",".join(f"http://{name}:{page_server.server_port}" for name in LISTED),
        "ALLOWED_HEADERS": ",".join(TRACING),
    }
    project = clone_project(tmp_path_factory.mktemp("project"))
    path = project / ".chalice" / "config.json"
    config = json.loads(path.read_text())
    config["environment_variables"] |= settings
    path.write_text(json.dumps(config))
    made = package("dev", project_dir=project, build_dir=project / "build")
    api_id = stack.stack.apiUrl.rsplit("/", 2)[1]
    functions, gateway = stack.client("lambda"), stack.client("apigateway")
    found = stack.client("cloudformation").describe_stack_resource(
        StackName=STACK_NAME, LogicalResourceId="APIHandler"
    )
    name = found["StackResourceDetail"]["PhysicalResourceId"]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    patch_api(gateway, api_id, made)
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before | settings})
    yield
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})
    patch_api(gateway, api_id, package("dev"))


@pytest.fixture
def ask(stack, page, other_origin, two_origins):
    """``ask(host)`` returns what a page of a host sees when it asks for recommendations."""

    def call(host, *, headers=None, key=stack.stack.apiKey, content_type="application/json", user="ann"):
        page.goto(f"http://{host}:{other_origin('')}/")
        options = {
            "method": "POST",
            "headers": {"x-api-key": key, "content-type": content_type, **(headers or {})},
            "body": json.dumps({"userId": user, "numResults": 3}),
        }
        return page.evaluate(FETCH, [f"{stack.stack.apiUrl}/recommendations", options])

    return call


@pytest.mark.parametrize("host", LISTED)
def test_a_page_of_each_listed_origin_reads_the_response_and_its_request_id(ask, host):
    seen = ask(host)
    assert seen["status"] == 200
    assert len(seen["body"]["itemList"]) == 3
    assert seen["headers"]["x-amzn-requestid"]


def test_a_page_of_another_origin_cannot_read_the_response(ask):
    assert "Failed to fetch" in ask(UNLISTED)["failed"]


def test_a_page_of_a_listed_origin_reads_when_to_try_again(stack, ask):
    stack.engine.set_faults(throttleRate=1.0)
    try:
        seen = ask(LISTED[0], user="nobody-before")  # for whom nothing stands in
    finally:
        stack.engine.set_faults()
    assert (seen["status"], seen["body"]["Code"]) == (429, "TooManyRequestsError")
    assert seen["headers"]["retry-after"] == "1"
    assert seen["headers"]["x-amzn-requestid"]


@pytest.mark.parametrize("host", [*LISTED, UNLISTED])
def test_what_the_gateway_and_chalice_respond_can_be_read_by_every_page(ask, host):
    forbidden = ask(host, key="wrong")
    assert (forbidden["status"], forbidden["body"]["Code"]) == (403, "INVALID_API_KEY")
    assert forbidden["headers"]["x-amzn-requestid"]
    unsupported = ask(host, content_type="application/xml")
    assert (unsupported["status"], unsupported["body"]["Code"]) == (415, "UnsupportedMediaType")


def test_a_page_may_send_the_headers_of_its_tracing(ask):
    assert ask(LISTED[0], headers=dict.fromkeys(TRACING, "1"))["status"] == 200


def test_a_page_may_not_send_a_header_that_is_not_listed(ask):
    assert "Failed to fetch" in ask(LISTED[0], headers={"x-other": "1"})["failed"]


def test_a_beacon_is_refused_and_a_keepalive_request_is_accepted(stack, page, other_origin, two_origins):
    url = f"{stack.stack.apiUrl}/events"
    event = {"SessionId": "leaving", "EventType": "read", "Event": {"itemId": "emma"}}
    page.goto(f"http://{LISTED[0]}:{other_origin('')}/")
    # Plain text: a beacon of JSON has a preflight for cookies, which the API does not allow.
    with page.expect_response(lambda response: response.request.method == "POST") as received:
        page.evaluate("(args) => navigator.sendBeacon(...args)", [url, json.dumps(event)])
    assert received.value.status == 403
    headers = {"x-api-key": stack.stack.apiKey, "content-type": "application/json"}
    options = {"method": "POST", "keepalive": True, "headers": headers, "body": json.dumps(event)}
    assert page.evaluate(FETCH, [url, options])["status"] == 202
    too_large = options | {"body": json.dumps(event | {"Event": {"itemId": "e" * 65_536}})}
    assert "Failed to fetch" in page.evaluate(FETCH, [url, too_large])["failed"]
