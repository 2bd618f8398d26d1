"""The console's own server: what it serves, what it refuses, and what it says of the running stack."""

import json
import os
import re
import socket
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.console.site import FOLDER
from ops.local_stage import STACK_NAME
from tests.support.local_run import listening
from tests.support.program import Program

ROOT = Path(__file__).parents[2]


def send(url, path, *, method="GET", headers=None, body=None):
    """Return status, headers and body of a request that is sent as it is: HTTP clients normalise paths."""
    port = urlsplit(url).port
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        given = {name: value.replace("PORT", str(port)) for name, value in (headers or {}).items()}
        connection.putrequest(method, path, skip_host="Host" in given)
        for name, value in given.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


@pytest.fixture
def ask(stack):
    """``ask(path, ...)`` returns status, headers and body of a request to the console of the stack."""

    def call(path, **options):
        return send(stack.stack.consoleUrl, path, **options)

    return call


@pytest.fixture
def api(ask):
    """``api(path, method, content)`` returns status and JSON of an endpoint."""

    def call(path, method="GET", content=None):
        body = json.dumps(content).encode() if content is not None else None
        status, headers, body = ask(f"/api/{path}", method=method, body=body)
        assert headers["content-type"] == "application/json"
        assert headers["cache-control"] == "no-store"
        return status, json.loads(body)

    return call


def test_the_page_is_served_with_its_headers(stack, ask):
    status, headers, body = ask("/")
    assert (status, body) == (200, (FOLDER / "index.html").read_bytes())
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["cache-control"] == "no-cache"
    api = urlsplit(stack.stack.apiUrl)
    policy = headers["content-security-policy"]
    assert f"connect-src 'self' {api.scheme}://{api.netloc};" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    status, _, body = ask("/", headers={"If-None-Match": headers["etag"]})
    assert (status, body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../README.md",
        "/%2e%2e/README.md",
        "/..%2fREADME.md",
        "/console/../../app.py",
        "//etc/passwd",
        "/.",
        "/./",
        "/index.html/",
        "/index.html%00",
        "/api",
        "/api/",
        "/api/other",
        "/none.js",
    ],
)
def test_no_other_path_is_served(ask, path):
    status, headers, _ = ask(path)
    assert status == 404
    assert "default-src 'none'" in headers["content-security-policy"]


FOREIGN = [
    {"Origin": "https://attacker.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:PORT"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "attacker.example:PORT"},
    {"Host": "127.0.0.1"},
    {"Host": "attacker.example:PORT", "Origin": "http://attacker.example:PORT"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: "-".join(map("=".join, headers.items())))
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/api/config"), ("PUT", "/api/faults"), ("POST", "/api/bad-record")],
)
def test_another_host_and_other_pages_are_refused(ask, headers, method, path):
    status, sent, body = ask(path, method=method, headers=headers)
    assert status == 403
    assert "cross-origin-resource-policy" in sent
    assert b"apiKey" not in body


def test_its_own_page_may_change_the_faults(stack, ask):
    own = {"Host": "localhost:PORT", "Origin": "http://localhost:PORT", "Sec-Fetch-Site": "same-origin"}
    assert ask("/api/faults", method="DELETE", headers=own)[0] == 200
    assert ask("/api/faults", method="DELETE", headers={"Sec-Fetch-Site": "none"})[0] == 403


def test_the_page_learns_where_the_api_is_and_what_there_is_to_choose(stack, api):
    status, config = api("config")
    assert status == 200
    assert (config["stage"], config["isLocal"], config["notice"]) == ("local", True, None)
    assert (config["apiUrl"], config["apiKey"]) == (stack.stack.apiUrl, stack.stack.apiKey)
    assert {"local", "popular"} <= {*config["campaigns"]}
    filters = {each["name"]: each for each in config["filters"]}
    assert filters["of-a-genre"]["parameters"] == [
        {"name": "GENRE", "field": "GENRES", "type": "text", "isRequired": True}
    ]
    assert "reader-001" in config["users"]
    assert "read" in config["eventTypes"]
    assert "TITLE" in config["metadataColumns"]


def test_the_page_gets_the_catalogue(api):
    _, catalogue = api("items?id=dracula")
    assert [(item["title"], item["author"]) for item in catalogue["items"]] == [("Dracula", "Bram Stoker")]
    assert len(api("items")[1]["items"]) == catalogue["total"]


def test_what_became_of_events_is_followed_to_the_end(stack, api, post, eventually):
    cursor = api("pipeline")[1]["cursor"]
    before = api("pipeline")[1]["counters"]
    ids = ["console-1", "console-2"]
    sent = [
        {"EventId": ids[0], "SessionId": "c", "EventType": "read", "Event": {"itemId": "emma"}},
        {"EventId": ids[1], "SessionId": "c", "EventType": "Viewed", "Action": {"actionId": "renew-a-loan"}},
    ]
    assert post("history", {"Events": sent})[0] == 202
    status, bad = api("bad-record", "POST")
    assert status == 202
    seen = {}

    def archived():
        nonlocal cursor
        status, changes = api(f"pipeline?after={cursor}")
        assert (status, changes["reset"], changes["unreachable"]) == (200, False, [])
        cursor = changes["cursor"]
        seen.update({event["id"]: event for event in changes["events"]})
        wanted = [seen.get(each, {}) for each in (*ids, bad["id"])]
        # The others may be in an object that the archive gets five seconds later.
        done = wanted[0].get("archivedAt") and all(
            each.get("state", "pending") != "pending" for each in wanted
        )
        return changes["counters"] if done else None

    counters = eventually(archived)
    assert [seen[each]["state"] for each in (*ids, bad["id"])] == ["trained", "trained", "quarantined"]
    assert [seen[each]["kind"] for each in (*ids, bad["id"])] == ["event", "action", "unreadable"]
    event = seen[ids[0]]
    assert event["acceptedAt"] <= event["streamedAt"] <= event["trainedAt"]
    assert event["archiveKey"].startswith("events/dt=")
    refused = seen[bad["id"]]
    assert (refused["reason"], refused["isOtherProducers"]) == ("unreadable", True)
    assert "EventType is required" in refused["error"]
    added = {name: counters[name] - before[name] for name in counters}
    assert added["accepted"] == 3
    assert (added["trained"], added["quarantined"]) == (2, 1)

    # The message is still there, for everybody who reads the queue.
    sqs, url = stack.client("sqs"), stack.stack.quarantineQueueUrl
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60)["Messages"]
    (mine,) = [each for each in messages if refused["id"].split(":")[1] in each["Body"]]
    for each in messages:
        if each is not mine:
            sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=0
            )
    sqs.delete_message(QueueUrl=url, ReceiptHandle=mine["ReceiptHandle"])


def test_faults_are_those_of_the_engine(stack, api):
    try:
        status, faults = api("faults", "PUT", {"operations": ["PutEvents"], "throttleRate": 1})
        assert (status, faults["throttleRate"]) == (200, 1)
        assert stack.engine.control("GET", "/_engine/faults") == faults == api("faults")[1]
        status, refused = api("faults", "PUT", {"unknown": 1})
        assert (status, "unknown key" in refused["message"]) == (400, True)
        status, refused = api("faults", "PUT", {"invalidItemIds": ["x" * 70_000]})
        assert (status, "must not be larger" in refused["message"]) == (400, True)
    finally:
        assert api("faults", "DELETE")[1]["throttleRate"] == 0


def console(*arguments, url, environment=None):
    command = [sys.executable, "-m", "local.console", *arguments]
    return Program(command, ROOT, {**os.environ, "AWS_ENDPOINT_URL": url, **(environment or {})})


def test_the_console_of_a_deployed_stage_finds_the_api_and_has_no_key(stack, eventually):
    arguments = ("--stage", "prod", "--stack-name", STACK_NAME, "--port", "0")
    program = console(*arguments, url=stack.stack.awsEndpointUrl)
    try:
        found = eventually(lambda: re.search(r"stage prod: (http://\S+)", program.text))
        url = found.group(1)
        config = json.loads(send(url, "/api/config")[2])
        assert (config["stage"], config["isLocal"], config["apiKey"]) == ("prod", False, None)
        api_id = stack.stack.apiUrl.rsplit("/", 2)[1]
        assert api_id in config["apiUrl"]
        assert config["apiUrl"] in program.text
        assert stack.stack.apiKey not in program.text
        address = urlsplit(config["apiUrl"])
        status, headers, _ = send(url, "/")
        assert status == 200
        assert f"{address.scheme}://{address.netloc};" in headers["content-security-policy"]
        for method, path in (
            ("GET", "items"),
            ("GET", "pipeline"),
            ("PUT", "faults"),
            ("POST", "bad-record"),
        ):
            status, _, body = send(url, f"/api/{path}", method=method)
            assert (status, "local stack only" in json.loads(body)["message"]) == (404, True)
        assert program.interrupt() == 0
        assert not listening(url)
    finally:
        if program.process.poll() is None:
            program.stop()
    assert "Traceback" not in program.text


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (("--stage", "prod"), {}, "The stage prod is not deployed"),
        (
            ("--stage", "prod"),
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            "No AWS credentials were found",
        ),
        (("--stage", "none"), {}, "none"),
        (
            ("--stage", "prod", "--stack-name", STACK_NAME, "--port", "TAKEN"),
            {},
            "make console CONSOLE_PORT=",
        ),
    ],
)
def test_a_console_that_cannot_be_served_says_why(stack, arguments, environment, sentence):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = [port if word == "TAKEN" else word for word in arguments]
        program = console(*words, url=stack.stack.awsEndpointUrl, environment=environment)
        assert program.end() == 1
    assert sentence in program.text
    assert "Traceback" not in program.text
