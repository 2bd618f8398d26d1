"""Every test runs with dummy credentials and the settings below, away from the developer's AWS files."""

import os
import signal
import socket
import time

import pytest
from hypothesis import HealthCheck, settings

from tests.support import calls
from tests.support.area_seconds import AreaSeconds

# A machine under load makes no test fail: no deadline for an example, no complaint about slow generation.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "quick", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=10
)
settings.load_profile("default")  # `make test-unit` takes the other one

SETTINGS = {
    "CAMPAIGN_ARN": "arn:aws:personalize:us-east-1:000000000000:campaign/local",
    "TRACKING_ID": "11111111-2222-3333-4444-555555555555",
    "EVENT_STREAM_NAME": "test-events",
    "QUARANTINE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/test-quarantine",
    "EVENTS_BUCKET_NAME": "test-archive",
}
AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
FOREIGN = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL", "REPORT_BATCH_ITEM_FAILURES")

# A shell ignores SIGINT for what it starts in the background, and programs that are started here inherit
# that: a test that presses Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before any test module imports app.py, which reads its settings at import.
os.environ.update(SETTINGS | AWS)
for name in FOREIGN:
    os.environ.pop(name, None)


def pytest_configure(config):
    config.pluginmanager.register(AreaSeconds())


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name, value in (SETTINGS | AWS).items():
        monkeypatch.setenv(name, value)
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_network_in_unit_tests(request, monkeypatch):
    """A unit test opens no socket; a Stubber test needs none either."""
    if {"integration", "browser", "long"} & set(request.path.parts):
        return

    def refuse(*_args, **_kwargs):
        raise AssertionError("a unit or functional test tried to open a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """The whole system on free ports of 127.0.0.1, started once for all tests of a process."""
    from local.stack import running_stack  # noqa: PLC0415 - the unit tests need not wait for it

    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def packaged():
    """The package of the stage prod, really produced (and reused while nothing changes)."""
    from ops.packaging.bundle import package  # noqa: PLC0415 - as above

    return package("prod")


@pytest.fixture
def post(stack):
    """``post(route, body)`` calls the API over HTTP and answers (status, parsed body, headers)."""

    def call(route, body, key=stack.stack.apiKey, **options):
        return calls.post(f"{stack.stack.apiUrl}/{route}", body, key=key, **options)

    return call


@pytest.fixture
def eventually():
    """``eventually(question)`` asks until the answer is true, for at most ``seconds``, and returns it."""

    def poll(question, seconds=20.0):
        deadline = time.monotonic() + seconds
        while True:
            answer = question()
            if answer:
                return answer
            assert time.monotonic() < deadline, f"not so within {seconds} s: the last answer was {answer!r}"
            time.sleep(0.05)

    return poll
