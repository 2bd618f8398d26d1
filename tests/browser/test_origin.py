"""Web pages in a real browser that attack the local stack, and a page that may call the API."""

import base64
import io
import json
import zipfile

import pytest

from tests.browser.conftest import ATTACKER

OTHER_PAGES = ("127.0.0.1", "localhost", ATTACKER)


def new_function(name):
    """Return the body of a CreateFunction call to Lambda, which would run any code as the developer."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", "def handler(event, context): return {}")
    return json.dumps(
        {
            "FunctionName": name,
            "Runtime": "python3.11",
            "Role": "arn:aws:iam::000000000000:role/any",
            "Handler": "index.handler",
            "Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()},
        }
    )


def new_event(event_id):
    """Return the body of a PutEvents call to the engine."""
    return json.dumps(
        {
            "trackingId": "10ca1e7e-0000-4000-8000-000000000001",
            "sessionId": "attack",
            "eventList": [{"eventId": event_id, "eventType": "read", "itemId": "emma", "sentAt": 1767225600}],
        }
    )


def form(url, body, attributes=""):
    """Return a form that posts JSON as text/plain and submits itself. Its one '=' is inside a value."""
    name = body[:-1].replace("&", "&amp;").replace('"', "&quot;") + ", &quot;ignored&quot;:&quot;"
    return (
        f'<form method="post" enctype="text/plain" action="{url}" {attributes}>'
        f'<input name="{name}" value="&quot;}}"></form><script>document.forms[0].submit()</script>'
    )


def functions(stack):
    return {found["FunctionName"] for found in stack.client("lambda").list_functions()["Functions"]}


def stored_by_attacks(stack):
    events = stack.engine.control("GET", "/_engine/events")["events"]
    return [event for event in events if event["sessionId"] == "attack"]


FETCH = """
async ([url, options]) => {
    try {
        const response = await fetch(url, options);
        return {type: response.type, status: response.status, text: await response.text()};
    } catch (error) {
        return {type: "failed", text: String(error)};
    }
}
"""


@pytest.mark.parametrize("name", OTHER_PAGES)
def test_a_page_cannot_create_a_function(stack, page, other_origin, name):
    page.goto(f"http://{name}:{other_origin('')}/")
    sent = {"method": "POST", "mode": "no-cors", "body": new_function(f"by-fetch-{len(name)}")}
    page.evaluate(FETCH, [f"{stack.stack.awsEndpointUrl}/2015-03-31/functions", sent])
    assert f"by-fetch-{len(name)}" not in functions(stack)


@pytest.mark.parametrize("target", ["top", "frame"])
def test_a_form_cannot_create_a_function(stack, page, other_origin, target):
    url = f"{stack.stack.awsEndpointUrl}/2015-03-31/functions"
    inside = '<iframe name="inside"></iframe>' if target == "frame" else ""
    attributes = 'target="inside"' if target == "frame" else ""
    html = inside + form(url, new_function(f"by-form-{target}"), attributes)
    with page.expect_response(url) as received:
        page.goto(f"http://{ATTACKER}:{other_origin(html)}/")
    assert received.value.status == 403
    assert f"by-form-{target}" not in functions(stack)


def test_a_sandboxed_frame_with_the_origin_null_cannot_create_a_function(stack, page, other_origin):
    url = f"{stack.stack.awsEndpointUrl}/2015-03-31/functions"
    inner = form(url, new_function("by-null")).replace("&", "&amp;").replace("'", "&#39;")
    html = f"<iframe sandbox=\"allow-scripts allow-forms\" srcdoc='{inner}'></iframe>"
    # By what the frame shows: it changes its process, and the events of its request may be missed.
    page.goto(f"http://{ATTACKER}:{other_origin(html)}/")
    page.wait_for_function("frames.length == 1")
    for _ in range(200):
        if any(frame.url == url for frame in page.frames):
            break
        page.wait_for_timeout(100)
    [frame] = [frame for frame in page.frames if frame.url == url]
    assert "Web pages may call the deployed API only." in frame.content()
    assert "by-null" not in functions(stack)


@pytest.mark.parametrize("name", OTHER_PAGES)
def test_a_page_cannot_read_the_api_keys(stack, page, other_origin, name):
    page.goto(f"http://{name}:{other_origin('')}/")
    read = page.evaluate(FETCH, [f"{stack.stack.awsEndpointUrl}/apikeys?includeValues=true", {}])
    assert read["type"] == "failed"


def test_an_image_cannot_call_a_service(stack, page, other_origin):
    url = f"{stack.stack.awsEndpointUrl}/apikeys?includeValues=true"
    with page.expect_response(url) as received:
        page.goto(f"http://{ATTACKER}:{other_origin(f'<img src={url!r}>')}/")
    assert received.value.status == 403


def test_another_name_of_this_machine_is_refused(stack, page):
    port = stack.stack.awsEndpointUrl.rsplit(":", 1)[1]
    for path in ("/apikeys?includeValues=true", stack.stack.apiUrl.split(port, 1)[1] + "/recommendations"):
        assert page.goto(f"http://{ATTACKER}:{port}{path}").status == 403
    port = stack.stack.personalizeUrl.rsplit(":", 1)[1]
    assert page.goto(f"http://{ATTACKER}:{port}/_engine/events").status == 403


def test_a_page_cannot_reset_the_emulator(stack, page, post, other_origin):
    page.goto(f"http://127.0.0.1:{other_origin('')}/")
    page.evaluate(
        FETCH, [f"{stack.stack.awsEndpointUrl}/_ministack/reset", {"method": "POST", "mode": "no-cors"}]
    )
    assert post("recommendations", {"userId": "ann"})[0] == 200


def test_a_page_cannot_put_events_into_the_engine(stack, page, other_origin):
    url = f"{stack.stack.personalizeUrl}/events"
    page.goto(f"http://localhost:{other_origin('')}/")
    page.evaluate(FETCH, [url, {"method": "POST", "mode": "no-cors", "body": new_event("by-fetch")}])
    with page.expect_response(url) as received:
        page.goto(f"http://{ATTACKER}:{other_origin(form(url, new_event('by-form')))}/")
    assert received.value.status == 403
    assert stored_by_attacks(stack) == []


def test_a_page_of_another_origin_may_call_the_api(stack, page, other_origin):
    page.goto(f"http://{ATTACKER}:{other_origin('')}/")
    options = {
        "method": "POST",
        "headers": {"x-api-key": stack.stack.apiKey, "content-type": "application/json"},
        "body": json.dumps({"userId": "ann", "numResults": 3}),
    }
    response = page.evaluate(FETCH, [f"{stack.stack.apiUrl}/recommendations", options])
    assert (response["type"], response["status"]) == ("cors", 200)
    assert len(json.loads(response["text"])["itemList"]) == 3


def test_the_counters_can_be_opened_in_the_address_bar(stack, page):
    assert page.goto(f"{stack.stack.personalizeUrl}/_engine/stats").status == 200


PUT_FAULTS = """
() => fetch("/api/faults", {method: "PUT", body: '{"latencyMs": 0}'}).then((response) => response.status)
"""


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_page_of_the_console_may_change_the_faults_and_call_the_api(stack, page, name):
    port = stack.stack.consoleUrl.rsplit(":", 1)[1]
    assert page.goto(f"http://{name}:{port}/").status == 200
    assert page.evaluate(PUT_FAULTS) == 200
    options = {
        "method": "POST",
        "headers": {"x-api-key": stack.stack.apiKey, "content-type": "application/json"},
        "body": json.dumps({"userId": "ann", "numResults": 3}),
    }
    assert page.evaluate(FETCH, [f"{stack.stack.apiUrl}/recommendations", options])["status"] == 200
    assert page.evaluate(FETCH, [f"{stack.stack.personalizeUrl}/_engine/stats", {}])["type"] == "failed"


@pytest.mark.parametrize("name", OTHER_PAGES)
def test_another_page_reads_and_changes_nothing_of_the_console(stack, page, other_origin, name):
    page.goto(f"http://{name}:{other_origin('')}/")
    assert page.evaluate(FETCH, [f"{stack.stack.consoleUrl}/api/config", {}])["type"] == "failed"
    url = f"{stack.stack.consoleUrl}/api/bad-record"
    with page.expect_response(url) as received:
        page.goto(f"http://{name}:{other_origin(form(url, '{}'))}/")
    assert received.value.status == 403


def test_a_page_that_the_user_opened_cannot_redirect_to_a_call_of_a_service(stack, page, other_origin):
    """A browser keeps ``Sec-Fetch-Site: none`` across the redirects of an address that the user typed."""
    target = f"{stack.stack.awsEndpointUrl}/?Action=CreateStack&StackName=by-redirect&TemplateBody=%7B%7D"
    port = other_origin("", redirect_to=target)
    with page.expect_response(target) as answered:
        page.goto(f"http://{ATTACKER}:{port}/redirect")
    assert answered.value.request.headers.get("sec-fetch-site", "none") in ("none", "cross-site")
    assert answered.value.status == 403
    stacks = stack.client("cloudformation").list_stacks()["StackSummaries"]
    assert "by-redirect" not in {found["StackName"] for found in stacks}
