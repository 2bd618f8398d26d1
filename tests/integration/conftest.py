"""The whole system, started once for all integration tests, on free ports of 127.0.0.1."""

import time

import pytest

from local.stack import running_stack
from tests import calls


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


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
