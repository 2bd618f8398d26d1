"""A request for recommendations to GetRecommendations, and its answer back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import contract
from chalicelib.errors import AwsError, from_botocore

if TYPE_CHECKING:
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient

_OPTIONS = ("itemId", "context")


def recommend(request: object, *, campaign_arn: str, runtime: PersonalizeRuntimeClient) -> dict[str, Any]:
    """Answer ``{"itemList": [{"itemId", "score"?, ...}], "recommendationId"}`` as Personalize returned it.

    Raises InvalidRequestError for the caller's faults and, for the service's, what errors.from_botocore says.
    """
    arguments = to_arguments(request, campaign_arn)
    try:
        answer = runtime.get_recommendations(**arguments)
    except AwsError as error:
        raise from_botocore(error, "Personalize") from error
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def to_arguments(request: object, campaign_arn: str) -> dict[str, Any]:
    """The arguments of GetRecommendations (API_RS_GetRecommendations) for a request of the contract.

    ``campaign_arn`` may be a recommender's: domain dataset groups have those instead of campaigns.
    """
    contract.check(contract.RECOMMENDATIONS, request)
    assert isinstance(request, dict)  # noqa: S101 - says to the type checker what the schema has proved
    source = "recommenderArn" if ":recommender/" in campaign_arn else "campaignArn"
    arguments = {source: campaign_arn, "userId": request["userId"]}
    # JSON knows one kind of number, so 5.0 is an integer to the schema; Personalize takes an int only.
    arguments["numResults"] = int(request.get("numResults", DEFAULT_RESULTS))
    return arguments | {name: request[name] for name in _OPTIONS if name in request}


DEFAULT_RESULTS = 25
"""Personalize's own default, sent explicitly so that the contract holds whatever Personalize changes."""
