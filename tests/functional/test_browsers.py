"""What the headers of a response tell a browser: which page may read it, and what of it."""

import json
from dataclasses import replace

import pytest

from chalicelib import cors
from chalicelib.cors import parse_origins
from tests.support.factories import request

SHOP, MOBILE, UNLISTED = "https://shop.example", "https://m.shop.example", "https://evil.example"
USER = b'{"userId": "u1"}'


@pytest.fixture
def two_origins(services, monkeypatch):
    """The application as deployed with ``ALLOWED_ORIGIN=https://shop.example,https://m.shop.example``.

    Its routes are those of ``*``: with several origins they are the same.
    """
    import app  # noqa: PLC0415 - it reads its settings at import, which tests/conftest.py provides first

    config = replace(services.config, allowed_origins=parse_origins(f"{SHOP},{MOBILE}"))
    assert config.allowed_origins.fixed == services.config.allowed_origins.fixed
    monkeypatch.setattr(app, "services", replace(services, config=config))


@pytest.fixture
def outcome(stubs):
    """``outcome(status)`` scripts Personalize so that the next response has this status."""
    codes = {
        400: "InvalidInputException",
        429: "ThrottlingException",
        502: "AccessDeniedException",
        503: "InternalServerException",
    }

    def script(status):
        runtime = stubs["personalize_runtime"]
        if status == 200:
            runtime.add_response("get_recommendations", {"itemList": []})
        else:
            runtime.add_client_error("get_recommendations", codes[status])

    return script


@pytest.mark.usefixtures("two_origins")
@pytest.mark.parametrize("status", [200, 400, 429, 502, 503])
@pytest.mark.parametrize(
    ("asked", "named"), [(SHOP, SHOP), (MOBILE, MOBILE), (UNLISTED, SHOP), ("null", SHOP), (None, SHOP)]
)
def test_every_response_of_ours_names_the_origin_that_asked_when_it_is_listed(
    http, outcome, status, asked, named
):
    outcome(status)
    response = http("/recommendations", USER, **({"Origin": asked} if asked else {}))
    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == named
    assert response.headers["Vary"] == "Origin"
    assert response.headers["Access-Control-Expose-Headers"] == ",".join(cors.EXPOSED)


@pytest.mark.usefixtures("two_origins")
def test_a_fault_of_ours_names_the_origin_too(http, services, monkeypatch):
    def explode(**_):
        raise KeyError

    monkeypatch.setattr(services.clients.personalize_runtime, "get_recommendations", explode)
    response = http("/recommendations", USER, origin=MOBILE)
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (500, MOBILE)


@pytest.mark.usefixtures("two_origins")
@pytest.mark.parametrize("path", ["/history", "/events"])
def test_an_event_is_answered_to_the_origin_that_sent_it(http, stubs, path):
    stubs["kinesis"].add_response("put_records", {"Records": [{"SequenceNumber": "1"}]})
    response = http(path, json.dumps(request()).encode(), Origin=MOBILE)
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (202, MOBILE)


@pytest.mark.usefixtures("two_origins")
def test_a_415_which_chalice_sends_can_be_read_by_every_page(http):
    response = http("/history", b"a=b", content_type="text/plain", Origin=MOBILE)
    assert response.status_code == 415
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Access-Control-Expose-Headers"] == ",".join(cors.EXPOSED)


def test_where_every_origin_may_call_the_response_depends_on_none(http, outcome):
    outcome(200)
    response = http("/recommendations", USER, Origin=UNLISTED)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Vary" not in response.headers
