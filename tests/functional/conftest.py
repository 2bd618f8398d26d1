"""Clients whose answers are scripted by botocore's Stubber, which also checks every argument."""

from contextlib import ExitStack
from dataclasses import replace

import pytest
from botocore.stub import Stubber
from chalice.test import Client

from tests.support.wire import held_to_its_model


@pytest.fixture
def services(monkeypatch):
    """Those of the application, with the clients of all tests and nothing else that a sandbox remembers."""
    import app  # noqa: PLC0415 - it reads its settings at import, which tests/conftest.py provides first

    fresh = replace(app.services)
    monkeypatch.setattr(app, "services", fresh)
    return fresh


@pytest.fixture
def stubs(services):
    """Scripted services by name; at the end each has to have been asked everything that was scripted."""
    with ExitStack() as stack:
        scripted = {}
        for name in ("personalize_runtime", "personalize_events", "kinesis", "sqs", "s3"):
            client = getattr(services.clients, name)
            stack.enter_context(held_to_its_model(client))
            scripted[name] = stack.enter_context(Stubber(client))
        yield scripted
        for stub in scripted.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def http(services):
    """The application as API Gateway calls it: ``http(path, body)`` answers the response."""
    import app  # noqa: PLC0415 - it reads its settings at import, which tests/conftest.py provides first

    with Client(app.app) as client:

        def post(path, body, content_type="application/json", **headers):
            return client.http.post(path, body=body, headers={"Content-Type": content_type, **headers})

        yield post
