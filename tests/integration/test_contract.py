"""Requests of every kind: each response is one that openapi.json documents. tests/long makes many more."""

import pytest

from tests.support.fuzz import run_schemathesis, undocumented_responses, unthrottled_key


@pytest.fixture(scope="module")
def key(stack):
    with unthrottled_key(stack) as value:
        yield value


def test_requests_made_from_the_contract_get_documented_responses(stack, key):
    number, failure = run_schemathesis(stack, key, examples=15, seed=1)
    assert failure == ""
    assert number > 100


def test_whatever_comes_on_a_socket_the_response_is_documented_and_the_next_request_is_served(
    stack, key, post
):
    assert undocumented_responses(stack, key, number=400, seed=1) == []
    assert post("recommendations", {"userId": "ann"}, key=key)[0] == 200


@pytest.mark.parametrize("route", ["unknown", "recommendations/more", "History"])
def test_an_unknown_path_is_403_as_of_api_gateway(post, route):
    status, body, headers = post(route, {"userId": "ann"})
    assert (status, body["Code"]) == (403, "MISSING_AUTHENTICATION_TOKEN")
    assert headers["x-amzn-requestid"]


def test_a_body_that_lambda_would_not_take_is_413(post):
    status, body, _ = post("history", b'{"Events": ["' + b"x" * 7_000_000 + b'"]}')
    assert (status, body["Code"]) == (413, "REQUEST_TOO_LARGE")
