"""Which requests the guard of the local servers accepts, by Host, Origin, Sec-Fetch-Site and path."""

import asyncio

import pytest

from local.origin_guard import API_PATH, OriginGuard, is_below, refusal

OWN = (b"host", b"127.0.0.1:4566")


def scope(*headers, path="/", port=4566, kind="http", method="GET", query=b""):
    return {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [*headers],
        "server": ("127.0.0.1", port),
    }


@pytest.mark.parametrize("host", [b"127.0.0.1:4566", b"localhost:4566", b"LocalHost:4566"])
def test_a_program_on_this_machine_may_pass(host):
    assert refusal(scope((b"host", host)), public=False) is None


def test_the_port_of_http_may_be_left_out():
    assert refusal(scope((b"host", b"localhost"), port=80), public=False) is None


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b""],
        [b"attacker.example:4566"],
        [b"127.0.0.1"],
        [b"127.0.0.1:4567"],
        [b"127.0.0.1:4566.attacker.example"],
        [b"localhost.:4566"],
        [b"bucket.localhost:4566"],
        [b"0.0.0.0:4566"],
        [b"[::1]:4566"],
        [b"127.1:4566"],
        [b"user@127.0.0.1:4566"],
        [b"127.0.0.1:4566, attacker.example"],
        [b"127.0.0.1:4566", b"attacker.example"],
        [b"127.0.0.1:4566", b"127.0.0.1:4566"],
        ["１２７.0.0.1:4566".encode()],
    ],
)
@pytest.mark.parametrize("public", [True, False])
def test_another_host_is_refused_on_every_path(hosts, public):
    problem = refusal(scope(*((b"host", host) for host in hosts)), public=public)
    assert "127.0.0.1:4566" in problem


@pytest.mark.parametrize(
    "header",
    [
        (b"origin", b"https://attacker.example"),
        (b"origin", b"null"),
        (b"origin", b""),
        (b"origin", b"http://127.0.0.1:4566"),
        (b"Origin", b"http://127.0.0.1:8000"),
        (b"sec-fetch-site", b"cross-site"),
        (b"sec-fetch-site", b"same-site"),
        (b"sec-fetch-site", b"anything"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_requests_of_pages_are_refused_except_on_public_paths(header, kind):
    assert refusal(scope(OWN, header, kind=kind), public=False)
    assert refusal(scope(OWN, header, kind=kind), public=True) is None


@pytest.mark.parametrize("value", [b"none", b"same-origin"])
def test_an_address_typed_into_the_browser_may_pass(value):
    assert refusal(scope(OWN, (b"sec-fetch-site", value)), public=False) is None


@pytest.mark.parametrize("value", [b"none", b"same-origin"])
@pytest.mark.parametrize(
    ("method", "query"), [("GET", b"Action=CreateStack"), ("POST", b""), ("PUT", b""), ("DELETE", b"")]
)
def test_a_browser_may_only_look_for_it_keeps_none_when_a_page_redirects(value, method, query):
    request = scope(OWN, (b"sec-fetch-site", value), method=method, query=query)
    assert "may only look" in refusal(request, public=False)
    assert refusal(request, public=True) is None


def test_a_query_may_be_allowed_where_it_only_reads():
    request = scope(OWN, (b"sec-fetch-site", b"none"), query=b"after=1")
    assert refusal(request, public=False, queries=True) is None


def test_a_program_may_send_any_method_and_query():
    assert refusal(scope(OWN, method="POST", query=b"Action=CreateStack"), public=False) is None


@pytest.mark.parametrize("name", [b"127.0.0.1:4566", b"localhost:4566"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_server_may_let_its_own_page_do_everything(name, method):
    own = scope(
        (b"host", name), (b"origin", b"http://" + name), (b"sec-fetch-site", b"same-origin"), method=method
    )
    assert refusal(own, public=False, own_page=True) is None
    assert refusal(own, public=False)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"origin", b"null")],
        [(b"origin", b"http://localhost:4566")],
        [(b"origin", b"http://127.0.0.1:4567")],
        [(b"origin", b"https://127.0.0.1:4566")],
        [(b"origin", b"http://127.0.0.1:4566.attacker.example")],
        [(b"origin", b"http://127.0.0.1:4566"), (b"origin", b"https://attacker.example")],
        [(b"origin", b"http://127.0.0.1:4566"), (b"sec-fetch-site", b"cross-site")],
        [(b"origin", b"http://127.0.0.1:4566"), (b"sec-fetch-site", b"same-site")],
        [(b"origin", b"http://127.0.0.1:4566"), (b"sec-fetch-site", b"none")],
        [(b"sec-fetch-site", b"same-origin")],
        [(b"sec-fetch-site", b"none")],
    ],
)
def test_every_other_page_may_not_change_anything_there(headers):
    assert refusal(scope(OWN, *headers, method="POST"), public=False, queries=True, own_page=True)


def test_the_own_page_of_another_host_is_another_page():
    attacker = b"attacker.example:4566"
    page = scope((b"host", attacker), (b"origin", b"http://" + attacker), (b"sec-fetch-site", b"same-origin"))
    assert "127.0.0.1:4566" in refusal(page, public=False, own_page=True)


def test_one_good_value_does_not_hide_a_bad_one():
    both = ((b"sec-fetch-site", b"none"), (b"sec-fetch-site", b"cross-site"))
    assert refusal(scope(OWN, *both), public=False)


@pytest.mark.parametrize("path", ["/_aws/execute-api/abc/api/history", "/_aws/execute-api/abc/api/"])
def test_the_paths_of_a_deployed_api_are_public(path):
    assert is_below(path, API_PATH)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/apikeys",
        "/2015-03-31/functions",
        "/_ministack/reset",
        "/restapis/abc/api/_user_request_/history",
        # MiniStack takes these two for calls of AWS services, with an Action in the query or the body.
        "/_aws/execute-api/",
        "/_aws/execute-api/abc",
        "/_aws/execute-api//api/history",
        "//_aws/execute-api/abc/api/history",
        "/_aws/execute-api/abc/../../../2015-03-31/functions",
        "/_aws/execute-api/abc/api/..",
        "/_aws/execute-api/./abc/api",
        "/_aws/execute-api/abc/%2e%2e/%2e%2e",
        "/_aws/execute-api/abc\\..\\..",
        "/_aws/execute-api/abc/api\0",
        "/_aws/execute-apiary/abc/api",
        "/_AWS/execute-api/abc/api",
        "/2015-03-31/functions/_aws/execute-api/abc/api",
    ],
)
def test_every_other_path_is_not_public(path):
    assert not is_below(path, API_PATH)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_refused_request_never_reaches_the_application(kind):
    sent = []

    async def application(_scope, _receive, _send):
        raise AssertionError("the guard passed the request on")

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    foreign = scope(OWN, (b"origin", b"https://attacker.example"), kind=kind)
    asyncio.run(OriginGuard(application, public=API_PATH)(foreign, receive, send))
    if kind == "http":
        assert sent[0]["status"] == 403
        assert sent[1]["body"].startswith(b"Web pages may call the deployed API only.")
    else:
        # Closed before it is accepted: the server's response is 403.
        assert [message["type"] for message in sent] == ["websocket.close"]


def test_the_servers_own_start_and_stop_are_passed_on():
    reached = []

    async def application(request, _receive, _send):
        reached.append(request["type"])

    asyncio.run(OriginGuard(application)({"type": "lifespan"}, None, None))
    assert reached == ["lifespan"]
