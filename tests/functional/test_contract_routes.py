"""GET /openapi.json and GET /health."""

import json
from dataclasses import replace

import pytest
from chalice.test import Client

from chalicelib.version import VERSION


@pytest.fixture
def get():
    import app  # noqa: PLC0415 - it reads its settings at import, which tests/conftest.py provides first

    with Client(app.app) as client:
        yield client.http.get


def test_health_says_the_version_and_asks_nothing_of_aws(get, stubs):
    response = get("/health")
    assert response.status_code == 200
    assert response.json_body == {"status": "ok", "version": VERSION}


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_the_contract_is_one_document_that_refers_to_nothing_outside(get, stubs):
    document = get("/openapi.json").json_body
    for reference in set(references(document)):
        found = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found


def test_the_contract_has_the_limits_of_the_deployment(get, stubs, services, monkeypatch):
    import app  # noqa: PLC0415 - as above

    for most in (500, 25):
        config = replace(services.config, max_events_per_request=most, max_requests_per_page=3)
        monkeypatch.setattr(app, "services", replace(services, config=config))
        schemas = get("/openapi.json").json_body["components"]["schemas"]
        assert schemas["Batch"]["properties"]["Events"]["maxItems"] == most
        assert schemas["PutEventsBody"]["properties"]["eventList"]["maxItems"] == most
        assert schemas["Page"]["properties"]["requests"]["maxItems"] == 3


@pytest.mark.parametrize("path", ["/openapi.json", "/health"])
def test_a_get_needs_no_content_type(get, stubs, path):
    assert json.loads(get(path).body)
