"""One call of personalize-runtime, and what its failures mean for the caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.errors import AwsError, NotFoundError, from_botocore
from chalicelib.selection.campaigns import name_of


def recommend(
    method: Callable[..., Mapping[str, Any]], arguments: Mapping[str, Any], *, names_filter: bool
) -> dict[str, Any]:
    """Return the response of Personalize, with the campaign's name and the source.

    Personalize says of a filter and of a campaign that does not exist with the same error. With
    ``names_filter`` it is the caller's: the request names a filter.
    """
    try:
        response = method(**arguments)
    except AwsError as error:
        if names_filter and _is_not_found(error):
            raise NotFoundError(
                "There is no filter of this name, or the campaign does not exist any more. Check the name of "
                "the filter; if it is right, contact the operator."
            ) from error
        raise from_botocore(error, "Personalize") from error
    body = {name: value for name, value in response.items() if name != "ResponseMetadata"}
    campaign = arguments.get("campaignArn") or arguments["recommenderArn"]
    return {**body, "campaign": name_of(campaign), "source": "personalize"}


def campaign_argument(arn: str) -> dict[str, str]:
    """Return the argument for a campaign. Domain dataset groups have recommenders instead."""
    return {"recommenderArn" if ":recommender/" in arn else "campaignArn": arn}


def _is_not_found(error: Exception) -> bool:
    return isinstance(error, ClientError) and error.response["Error"]["Code"] == "ResourceNotFoundException"
