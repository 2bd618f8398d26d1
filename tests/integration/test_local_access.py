"""Who can call the local stack: programs of this machine, and web pages on the API's paths only."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

FOREIGN = [
    {"Origin": "https://attacker.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Host": "attacker.example"},
    {"Host": "restapis.execute-api.localhost"},
]
BURST = 40
MAX_WORKERS = 8


def send(url, path, headers, *, method="POST", body=b"{}"):
    """Return the status of a request that is sent as it is: HTTP clients add and normalise headers."""
    port = urlsplit(url).port
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, f"{value}:{port}" if name == "Host" else value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return connection.getresponse().status


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: "-".join(*headers.items()))
@pytest.mark.parametrize(
    "path",
    [
        "/2015-03-31/functions",
        "/_ministack/reset",
        "/?Action=ListStacks",
        "/_aws/execute-api/?Action=ListStacks",
        "/_aws/execute-api/x/..%2f..%2f..%2f2015-03-31/functions",
        "/2021-10-31/functions/any/url",
    ],
)
def test_the_emulator_refuses_requests_of_pages(stack, post, headers, path):
    assert send(stack.stack.awsEndpointUrl, path, headers) == 403
    assert post("recommendations", {"userId": "ann"})[0] == 200


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: "-".join(*headers.items()))
@pytest.mark.parametrize("path", ["/events", "/recommendations", "/_engine/events", "/_engine/faults"])
def test_the_engine_refuses_requests_of_pages(stack, headers, path):
    assert send(stack.stack.personalizeUrl, path, headers) == 403


def test_a_page_may_send_a_preflight_to_the_api(stack):
    path = urlsplit(stack.stack.apiUrl).path + "/recommendations"
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    assert send(stack.stack.awsEndpointUrl, path, headers, method="OPTIONS", body=b"") == 200


def test_a_burst_of_clients_waits_for_a_few_workers(stack, post):
    with ThreadPoolExecutor(BURST) as clients:
        statuses = list(clients.map(lambda n: post("recommendations", {"userId": f"u{n}"})[0], range(BURST)))
    assert statuses == [200] * BURST
    assert 0 < _workers(stack, "APIHandler") <= MAX_WORKERS


def test_the_state_of_the_stack_is_for_its_owner_only(stack, post):
    assert post("history", {"SessionId": "s", "EventType": "read", "Event": {"itemId": "emma"}})[0] == 202
    home = stack.engine.output.parent
    kept = [home, *home.rglob("*")]
    assert {"stack.json", "engine.log", "personalize-api.lock"} <= {path.name for path in kept}
    modes = {str(path): stat.S_IMODE(path.lstat().st_mode) for path in kept if not path.is_symlink()}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def _workers(stack, function):
    """Return how many processes run a function of the stack."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or it belongs to another user
            continue
        name = next((entry for entry in environment if entry.startswith(b"AWS_LAMBDA_FUNCTION_NAME=")), b"")
        here = f"GATEWAY_PORT={urlsplit(stack.stack.awsEndpointUrl).port}".encode()
        count += function.encode() in name and here in environment and int(process.name) != os.getpid()
    return count
