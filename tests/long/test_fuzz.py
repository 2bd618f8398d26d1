"""Ten thousand requests of every kind: no undocumented response, and no fault of ours."""

from tests.support.fuzz import run_schemathesis, undocumented_responses, unthrottled_key

RAW_REQUESTS = 9_500
SCHEMATHESIS_EXAMPLES = 50


def test_ten_thousand_requests_get_documented_responses(stack, post):
    with unthrottled_key(stack) as key:
        number, failure = run_schemathesis(stack, key, SCHEMATHESIS_EXAMPLES, seed=2)
        assert failure == ""
        assert number + RAW_REQUESTS >= 10_000
        assert undocumented_responses(stack, key, RAW_REQUESTS, seed=2) == []
        assert post("recommendations", {"userId": "ann"}, key=key)[0] == 200
