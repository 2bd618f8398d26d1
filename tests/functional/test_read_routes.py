"""The routes that ask Personalize: every option, every limit, and what is not found."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import SETTINGS

LOCAL = SETTINGS["CAMPAIGN_ARN"]
OTHER = LOCAL.replace("/local", "/popular")
RANKING = LOCAL.replace("/local", "/ranking")
ACTIONS = LOCAL.replace("/local", "/actions")
FILTER = LOCAL.replace("campaign/local", "filter/new")


@pytest.fixture(autouse=True)
def configured(services, monkeypatch):
    import app  # noqa: PLC0415 - it reads its settings at import, which tests/conftest.py provides first

    config = replace(
        services.config,
        other_campaign_arns=(OTHER,),
        ranking_campaign_arn=RANKING,
        action_campaign_arn=ACTIONS,
    )
    monkeypatch.setattr(app, "services", replace(services, config=config))


@pytest.fixture
def ask(http, stubs):
    """``ask(path, body, method, arguments)`` is the parsed response to a body that makes this call."""

    def run(path, body, method, arguments):
        stubs["personalize_runtime"].add_response(method, {"recommendationId": "r1"}, arguments)
        response = http(path, json.dumps(body).encode())
        assert response.status_code == 200, response.body
        return response.json_body

    return run


RECOMMENDATIONS = [
    ({"userId": "u", "campaign": "popular"}, {"campaignArn": OTHER, "userId": "u", "numResults": 25}),
    (
        {"userId": "u", "filter": "new", "filterValues": {"GENRE": ["comedy", "drama"], "YEAR": 1990}},
        {
            "userId": "u",
            "numResults": 25,
            "filterArn": FILTER,
            "filterValues": {"GENRE": '"comedy","drama"', "YEAR": "1990"},
        },
    ),
    (
        {
            "userId": "u",
            "promotions": [
                {"name": "p", "percentPromotedItems": 20.0, "filter": "new", "filterValues": {"X": "1"}}
            ],
        },
        {
            "userId": "u",
            "numResults": 25,
            "promotions": [
                {"name": "p", "percentPromotedItems": 20, "filterArn": FILTER, "filterValues": {"X": "1"}}
            ],
        },
    ),
    ({"userId": "u", "promotions": []}, {"userId": "u", "numResults": 25}),
    (
        {"userId": "u", "numResults": 50, "metadataColumns": {"ITEMS": ["GENRE", "YEAR"]}},
        {"userId": "u", "numResults": 50, "metadataColumns": {"ITEMS": ["GENRE", "YEAR"]}},
    ),
]


@pytest.mark.parametrize(("body", "arguments"), RECOMMENDATIONS)
def test_every_option_of_recommendations_reaches_personalize(ask, body, arguments):
    arguments = {"campaignArn": LOCAL} | arguments
    found = ask("/recommendations", body, "get_recommendations", arguments)
    assert found["campaign"] == arguments["campaignArn"].rpartition("/")[2]
    assert found["source"] == "personalize"


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        ({"userId": "u", "inputList": ["a"]}, {"userId": "u", "inputList": ["a"]}),
        ({"sessionId": "s", "inputList": ["a"]}, {"userId": "s", "inputList": ["a"]}),
        (
            {
                "userId": "u",
                "inputList": ["a"] * 50,
                "context": {"DEVICE": "tv"},
                "filter": "new",
                "filterValues": {"X": 1},
                "metadataColumns": {"ITEMS": ["GENRE"]},
            },
            {
                "userId": "u",
                "inputList": ["a"] * 50,
                "context": {"DEVICE": "tv"},
                "filterArn": FILTER,
                "filterValues": {"X": "1"},
                "metadataColumns": {"ITEMS": ["GENRE"]},
            },
        ),
    ],
)
def test_every_option_of_ranking_reaches_personalize(ask, body, arguments):
    found = ask("/ranking", body, "get_personalized_ranking", {"campaignArn": RANKING} | arguments)
    response = {"recommendationId": "r1", "personalizedRanking": []}
    assert found == response | {"campaign": "ranking", "source": "personalize"}


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        ({"userId": "u"}, {"userId": "u", "numResults": 5}),
        ({"sessionId": "s", "numResults": 100}, {"userId": "s", "numResults": 100}),
        (
            {"userId": "u", "filter": "new", "filterValues": {"X": "1"}},
            {"userId": "u", "numResults": 5, "filterArn": FILTER, "filterValues": {"X": "1"}},
        ),
    ],
)
def test_every_option_of_action_recommendations_reaches_personalize(ask, body, arguments):
    arguments = {"campaignArn": ACTIONS} | arguments
    found = ask("/action-recommendations", body, "get_action_recommendations", arguments)
    response = {"recommendationId": "r1", "actionList": []}
    assert found == response | {"campaign": "actions", "source": "personalize"}


PROMOTION = {"name": "p", "percentPromotedItems": 5, "filter": "f"}
METADATA = {"metadataColumns": {"ITEMS": ["GENRE"]}}
REFUSED = {
    "/recommendations": [
        ({"numResults": 51, **METADATA}, "numResults must be at most 50 with metadataColumns."),
        ({"metadataColumns": {"ITEMS": ["G"] * 11}}, "metadataColumns.ITEMS must have at most 10 entries."),
        ({"metadataColumns": {"USERS": ["G"]}}, "metadataColumns.ITEMS is required."),
        ({"promotions": [{}]}, "promotions[0].name is required."),
        ({"promotions": [{"name": "p"}]}, "promotions[0].percentPromotedItems is required."),
        ({"promotions": [{"name": "p", "percentPromotedItems": 5}]}, "promotions[0].filter is required."),
        ({"promotions": [{}, {}]}, "promotions must have at most 1 entry."),
        (
            {"promotions": [PROMOTION | {"percentPromotedItems": 101}]},
            "promotions[0].percentPromotedItems must be at most 100.",
        ),
        (
            {"promotions": [PROMOTION | {"filterValues": {"X": ["a" * 999]}}]},
            "promotions[0].filterValues.X has 1001 characters",
        ),
        ({"inputList": ["a"]}, "The body has no field 'inputList'."),
    ],
    "/ranking": [
        ({}, "inputList is required."),
        ({"userId": None, "inputList": ["a"]}, "One of userId, sessionId is required."),
        ({"inputList": []}, "inputList must not be empty."),
        ({"inputList": ["a"] * 501}, "inputList must have at most 500 entries."),
        (
            {"inputList": ["a"] * 51, **METADATA},
            "inputList must have at most 50 entries with metadataColumns.",
        ),
        ({"inputList": ["a", ""]}, "inputList[1] must not be empty."),
    ],
    "/action-recommendations": [
        ({"userId": None}, "One of userId, sessionId is required."),
        ({"numResults": 101}, "numResults must be at most 100."),
        ({"userId": "null"}, "userId is 'null', which is"),
    ],
}


@pytest.mark.parametrize(
    ("path", "body", "sentence"), [(path, *case) for path, cases in REFUSED.items() for case in cases]
)
def test_limits_are_told_by_field_and_nothing_is_asked_of_aws(http, stubs, path, body, sentence):
    response = http(path, json.dumps({"userId": "u"} | body).encode())
    assert response.status_code == 400
    assert response.json_body["Message"].startswith(sentence)


ROUTES: list[tuple[str, dict[str, Any], str]] = [
    ("/recommendations", {"userId": "u"}, "get_recommendations"),
    ("/ranking", {"userId": "u", "inputList": ["a"]}, "get_personalized_ranking"),
    ("/action-recommendations", {"userId": "u"}, "get_action_recommendations"),
]
STANDS_IN = {"/ranking"}
"""Routes that need no Personalize for a response: see test_stand_ins.py."""


@pytest.mark.parametrize(("path", "body", "method"), ROUTES)
def test_a_campaign_that_is_not_configured_is_404(http, stubs, path, body, method):
    response = http(path, json.dumps(body | {"campaign": "x"}).encode())
    assert response.status_code == 404
    assert response.json_body["Code"] == "NotFoundError"
    assert response.json_body["Message"].startswith("There is no campaign 'x'.")


@pytest.mark.parametrize(("path", "body", "method"), ROUTES)
def test_not_found_is_the_callers_with_a_filter_and_the_operators_without(http, stubs, path, body, method):
    """Told apart without reading the message, which no service promises."""
    for extra, status in (({}, 502), ({"filter": "new"}, 404)):
        stubs["personalize_runtime"].add_client_error(method, "ResourceNotFoundException", f"no {FILTER}")
        response = http(path, json.dumps(body | extra).encode())
        assert response.status_code == (200 if path in STANDS_IN and status == 502 else status)
        assert "000000000000" not in response.body.decode()
    assert "no filter of this name, or the campaign does not exist" in response.json_body["Message"]


def test_a_promotions_filter_may_be_the_one_that_is_missing(http, stubs):
    stubs["personalize_runtime"].add_client_error("get_recommendations", "ResourceNotFoundException")
    body = {"userId": "u", "promotions": [PROMOTION]}
    assert http("/recommendations", json.dumps(body).encode()).status_code == 404


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 429),
        ("AccessDeniedException", 502),
        ("InternalServerException", 503),
        ("InvalidInputException", 400),
    ],
)
def test_failures_of_personalize_are_the_same_on_every_route(http, stubs, code, status):
    for path, body, method in ROUTES:
        stubs["personalize_runtime"].add_client_error(method, code)
        found = http(path, json.dumps(body | {"filter": "new"}).encode()).status_code
        assert found == (200 if path in STANDS_IN and status != 400 else status)


def test_a_route_without_a_campaign_is_404(http, stubs, services, monkeypatch):
    import app  # noqa: PLC0415 - as above

    monkeypatch.setattr(app, "services", services)
    for path, body, _ in ROUTES[1:]:
        response = http(path, json.dumps(body).encode())
        assert response.status_code == 404
        assert response.json_body["Message"].startswith("No campaign is configured for this route.")
