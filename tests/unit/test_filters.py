"""Filters of a request in the form that Personalize takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import contract
from chalicelib.api import filters
from chalicelib.errors import InvalidRequestError

CAMPAIGN = "arn:aws:personalize:eu-west-1:111122223333:campaign/home"
FILTERS = "arn:aws:personalize:eu-west-1:111122223333:filter/"


def arguments(**fields):
    request = contract.read("recommendations", {"userId": "u", **fields})
    return filters.to_arguments(request, CAMPAIGN)


def test_a_name_becomes_an_arn_of_the_campaigns_region_and_account():
    assert arguments(filter="new") == {"filterArn": f"{FILTERS}new"}
    assert arguments(filter=f"{FILTERS}new") == {"filterArn": f"{FILTERS}new"}
    assert arguments() == {}


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:personalize:eu-west-1:999999999999:filter/new",
        "arn:aws:personalize:us-east-1:111122223333:filter/new",
        "arn:aws-cn:personalize:eu-west-1:111122223333:filter/new",
    ],
)
def test_an_arn_of_another_account_or_region_is_refused_without_naming_ours(arn):
    with pytest.raises(InvalidRequestError) as caught:
        arguments(filter=arn)
    assert str(caught.value) == "filter must be a name, or an ARN of the campaign's own account and region."


@pytest.mark.parametrize("name", ["", "a b", "-new", "a/b", "arn:aws:s3:::x", f"{FILTERS}", "a" * 257, 7])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(InvalidRequestError, match=r"^filter "):
        arguments(filter=name)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"comedy"', '"comedy"'),
        ("20", "20"),
        (20, "20"),
        (20.5, "20.5"),
        (-1, "-1"),
        (["comedy", "drama"], '"comedy","drama"'),
        (["one"], '"one"'),
        (["a", 1, 2.5], '"a",1,2.5'),
        (["Straßen, laut"], '"Straßen, laut"'),
    ],
)
def test_values_come_in_three_forms(value, text):
    assert arguments(filter="f", filterValues={"X": value})["filterValues"] == {"X": text}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"X": None}, "filterValues.X must be a string or a number or an array, not null."),
        ({"X": True}, "filterValues.X must be a string or a number or an array, not a boolean."),
        ({"X": []}, "filterValues.X must not be empty."),
        ({"X": [""]}, "filterValues.X[0] must not be empty."),
        ({"X": ['say "hi"']}, "filterValues.X[0] has an invalid format."),
        ({"X": [None]}, "filterValues.X[0] must be a string or a number, not null."),
        ({"X": "a" * 1001}, "filterValues.X must have at most 1000 characters."),
        ({"X": ["a" * 600, "b" * 600]}, "filterValues.X has 1205 characters with quotes and commas"),
        ({"a-b": "1"}, "A key of filterValues is not allowed."),
        ({"X" * 51: "1"}, "A key of filterValues is not allowed."),
        ({f"n{number}": 1 for number in range(26)}, "filterValues must have at most 25 keys."),
    ],
)
def test_values_that_personalize_would_refuse_are_refused_by_field(values, sentence):
    with pytest.raises(InvalidRequestError) as caught:
        arguments(filter="f", filterValues=values)
    assert str(caught.value).startswith(sentence)


def test_values_without_a_filter_are_refused():
    with pytest.raises(InvalidRequestError, match=r"^filter is required with filterValues\.$"):
        arguments(filterValues={"X": "1"})


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters='"'), min_size=1), min_size=1, max_size=9
    )
)
def test_a_list_is_quoted_so_that_it_can_be_read_back(values):
    text = arguments(filter="f", filterValues={"X": values})["filterValues"]["X"]
    assert text[1:-1].split('","') == values
