"""The last good responses: never too old, never for another question or person, never more than fits."""

import sys
from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.last_responses import MAX_AGE_SECONDS, MAX_BYTES, MAX_ENTRIES, LastResponses, key_of

USERS = st.sampled_from(["ann", "bob", None])
CALLS = st.fixed_dictionaries(
    {
        "campaignArn": st.sampled_from(["arn:1", "arn:2"]),
        "numResults": st.sampled_from([5, 25]),
    },
    optional={
        "userId": st.sampled_from(["ann", "bob", "ann,bob", 'ann"']),
        "itemId": st.sampled_from(["ann", "i1"]),
        "filterArn": st.sampled_from(["f1", "f2"]),
        "filterValues": st.dictionaries(st.sampled_from("AB"), st.sampled_from(["1", "2"])),
    },
)
METHODS = st.sampled_from(["get_recommendations", "get_personalized_ranking"])
STEPS = st.lists(
    st.tuples(METHODS, CALLS, st.booleans(), st.floats(0, 1200)),
    min_size=1,
    max_size=40,
)


@given(STEPS)
def test_a_response_is_the_last_one_to_the_same_call_and_at_most_15_minutes_old(steps):
    """Beside a model that keeps everything."""
    responses, model, now = LastResponses(), [], 1_800_000_000.0
    for number, (method, call, is_kept, seconds) in enumerate(steps):
        now += seconds
        if is_kept:
            response = {"recommendationId": str(number), "itemList": [{"itemId": "i", "score": 0.5}]}
            responses.keep(key_of(method, call), response, now)
            model.append((method, call, response, now))
        found = responses.find(key_of(method, call), now)
        same = [each for each in model if each[:2] == (method, call)]
        is_fresh = bool(same) and now - same[-1][3] <= MAX_AGE_SECONDS
        assert found == (same[-1][2] if is_fresh else None)


@given(METHODS, CALLS, METHODS, CALLS)
def test_two_calls_have_one_key_only_when_they_are_equal(method, call, other_method, other_call):
    keys_are_equal = key_of(method, call) == key_of(other_method, other_call)
    assert keys_are_equal == ((method, call) == (other_method, other_call))


def test_the_order_of_names_has_no_meaning():
    one, other = {"A": "1", "B": "2"}, {"B": "2", "A": "1"}
    keys = {key_of("m", {"userId": "u", "filterValues": values}) for values in (one, other)}
    assert len(keys) == 1


def test_the_ages_at_the_edge():
    responses = LastResponses()
    responses.keep(b"k", {"itemList": []}, 1000)
    assert responses.find(b"k", 1000 + MAX_AGE_SECONDS) == {"itemList": []}
    assert responses.find(b"k", 1000 + MAX_AGE_SECONDS + 0.001) is None


def test_a_response_of_the_future_has_no_known_age():
    """The clock of the sandbox was set back."""
    responses = LastResponses()
    responses.keep(b"k", {"itemList": []}, 1000)
    assert responses.find(b"k", 999) is None


def test_a_response_is_a_copy_that_nobody_else_changes():
    responses = LastResponses()
    response = {"itemList": [{"itemId": "a"}]}
    responses.keep(b"k", response, 0)
    response["itemList"].clear()
    responses.find(b"k", 0)["itemList"].append("x")
    assert responses.find(b"k", 0) == {"itemList": [{"itemId": "a"}]}


def test_the_oldest_make_room_by_number_and_by_bytes():
    responses = LastResponses()
    for number in range(MAX_ENTRIES + 10):
        responses.keep(b"%d" % number, {"n": number}, 0)
    assert responses.find(b"9", 0) is None
    assert responses.find(b"10", 0) == {"n": 10}
    large = {"itemList": ["x" * 1_000_000]}
    for number in range(8):
        responses.keep(b"large %d" % number, large, 0)
    kept = [number for number in range(8) if responses.find(b"large %d" % number, 0)]
    assert kept == [3, 4, 5, 6, 7]
    assert sum(sys.getsizeof(entry.content) for entry in responses._entries.values()) < MAX_BYTES


def test_what_never_fits_is_not_kept_and_takes_nothing_elses_place():
    responses = LastResponses()
    responses.keep(b"small", {"n": 1}, 0)
    responses.keep(b"huge", {"text": "x" * (MAX_BYTES + 1)}, 0)
    responses.keep(b"a time", {"at": datetime(2026, 1, 1, tzinfo=timezone.utc)}, 0)
    assert responses.find(b"huge", 0) is None
    assert responses.find(b"a time", 0) is None
    assert responses.find(b"small", 0) == {"n": 1}
