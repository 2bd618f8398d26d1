"""The limits of the services that botocore's model does not state."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.personalize import CAMPAIGN_ARN, ITEMS_DATASET_ARN, TRACKING_ID, USERS_DATASET_ARN
from local.personalize.errors import InvalidInputError, ResourceNotFoundError
from local.personalize.requests import (
    Event,
    PutEventsRequest,
    RankingRequest,
    RecommendationsRequest,
    Record,
    parse_put_events,
    parse_put_items,
    parse_put_users,
    parse_ranking,
    parse_recommendations,
)

OTHER_CAMPAIGN = "arn:aws:personalize:us-east-1:000000000000:campaign/other"
SOME_FILTER = "arn:aws:personalize:us-east-1:000000000000:filter/some"


def put_events(**event: Any) -> dict[str, Any]:
    return {
        "trackingId": TRACKING_ID,
        "sessionId": "s",
        "eventList": [{"eventType": "view", "sentAt": 1735689600, **event}],
    }


def recommendations(**members: Any) -> dict[str, Any]:
    return {"campaignArn": CAMPAIGN_ARN, "userId": "u", **members}


def ranking(**members: Any) -> dict[str, Any]:
    return {"campaignArn": CAMPAIGN_ARN, "userId": "u", "inputList": ["a"], **members}


def test_every_member_of_an_event_is_read() -> None:
    body = put_events(
        eventId="e",
        itemId="i",
        eventValue=4,
        properties='{"shelf": 3}',
        recommendationId="r",
        impression=["a", "b"],
        metricAttribution={"eventAttributionSource": "mail"},
    )
    assert parse_put_events(body | {"userId": "u"}) == PutEventsRequest(
        session_id="s",
        user_id="u",
        events=(Event("e", "view", 1735689600, "i", 4.0, '{"shelf": 3}', "r", ("a", "b"), "mail"),),
    )


def test_an_unknown_tracker_is_invalid_input() -> None:
    with pytest.raises(InvalidInputError, match="tracking ID"):
        parse_put_events(put_events() | {"trackingId": "another"})


@pytest.mark.parametrize("properties", ["", "no json", "[1]", "3", "null", '"text"', "{", "[" * 1000])
def test_properties_must_be_a_json_object(properties: str) -> None:
    with pytest.raises(InvalidInputError, match=r"eventList\.1\.member\.properties"):
        parse_put_events(put_events(properties=properties))


@given(
    st.sampled_from(("userId", "sessionId", "eventType", "timestamp", "recommendationId", "impression")),
    st.data(),
)
def test_reserved_keys_are_refused_in_any_case(key: str, data: st.DataObject) -> None:
    spelling = "".join(data.draw(st.sampled_from((letter.lower(), letter.upper()))) for letter in key)
    with pytest.raises(InvalidInputError, match=spelling):
        parse_put_events(put_events(properties=json.dumps({"fine": 1, spelling: 2})))


def test_an_event_larger_than_ten_kilobytes_is_refused() -> None:
    # Within every limit of the model, which counts characters: 25 ids of 256 characters of 3 bytes.
    with pytest.raises(InvalidInputError, match="10240 bytes"):
        parse_put_events(put_events(impression=["漢" * 256] * 25))


def test_a_recommendation_has_the_services_defaults() -> None:
    assert parse_recommendations(recommendations()) == RecommendationsRequest("u", None, 25)
    assert parse_recommendations(recommendations(numResults=0)).count == 25


def test_a_recommender_arn_is_accepted_like_a_campaign_arn() -> None:
    body = {"recommenderArn": CAMPAIGN_ARN, "itemId": "i", "numResults": 3}
    assert parse_recommendations(body) == RecommendationsRequest(None, "i", 3)


@pytest.mark.parametrize(
    "body",
    [
        {"userId": "u"},
        recommendations(recommenderArn=CAMPAIGN_ARN),
        {"campaignArn": CAMPAIGN_ARN},
        recommendations(userId=""),
        recommendations(numResults=501),
        recommendations(numResults=51, metadataColumns={"ITEMS": ["TITLE"]}),
        recommendations(metadataColumns={"ITEMS": [f"C{n}" for n in range(11)]}),
        recommendations(metadataColumns={"USERS": ["NAME"]}),
        recommendations(promotions=[{"name": "p"}]),
    ],
)
def test_recommendations_beyond_the_limits_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        parse_recommendations(body)


@pytest.mark.parametrize(
    "body",
    [
        recommendations(numResults=500),
        recommendations(numResults=50, metadataColumns={"ITEMS": [f"C{n}" for n in range(10)]}),
        recommendations(context={f"KEY{n}": "v" * 1000 for n in range(150)}),
        recommendations(filterValues={"A": "b"}),
    ],
)
def test_recommendations_at_the_limits_are_accepted(body: dict[str, Any]) -> None:
    parse_recommendations(body)


@pytest.mark.parametrize(
    "body",
    [
        recommendations(campaignArn=OTHER_CAMPAIGN),
        {"recommenderArn": OTHER_CAMPAIGN, "userId": "u"},
        recommendations(filterArn=SOME_FILTER.replace("0000", "1111")),
        ranking(filterArn=SOME_FILTER.replace("filter", "campaign")),
        recommendations(promotions=[{"name": "p", "percentPromotedItems": 10, "filterArn": CAMPAIGN_ARN}]),
    ],
)
def test_unknown_resources_are_not_found(body: dict[str, Any]) -> None:
    with pytest.raises(ResourceNotFoundError):
        (parse_ranking if "inputList" in body else parse_recommendations)(body)


def test_a_ranking_lists_every_item_once() -> None:
    assert parse_ranking(ranking(inputList=["b", "a", "b"])) == RankingRequest("u", ("b", "a"))


@pytest.mark.parametrize(
    "body",
    [
        ranking(inputList=[]),
        ranking(userId=""),
        ranking(inputList=["a"] * 501),
        ranking(inputList=["a"] * 51, metadataColumns={"ITEMS": ["TITLE"]}),
    ],
)
def test_rankings_beyond_the_limits_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        parse_ranking(body)


def test_items_and_users_are_read_with_their_properties() -> None:
    items = [{"itemId": "i", "properties": '{"title": "T"}'}, {"itemId": "j"}]
    users = [{"userId": "u", "properties": '{"age": 3}'}]
    assert parse_put_items({"datasetArn": ITEMS_DATASET_ARN, "items": items}) == (
        Record("i", {"title": "T"}),
        Record("j", {}),
    )
    assert parse_put_users({"datasetArn": USERS_DATASET_ARN, "users": users}) == (Record("u", {"age": 3}),)


def test_items_and_users_are_accepted_for_their_own_dataset_only() -> None:
    with pytest.raises(ResourceNotFoundError):
        parse_put_items({"datasetArn": USERS_DATASET_ARN, "items": [{"itemId": "i"}]})
    with pytest.raises(ResourceNotFoundError):
        parse_put_users({"datasetArn": ITEMS_DATASET_ARN, "users": [{"userId": "u"}]})
    with pytest.raises(InvalidInputError, match=r"items\.1\.member\.properties"):
        parse_put_items({"datasetArn": ITEMS_DATASET_ARN, "items": [{"itemId": "i", "properties": "[]"}]})
