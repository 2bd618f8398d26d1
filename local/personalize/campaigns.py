"""The campaigns of the engine. Each behaves like a campaign of the service with one kind of recipe.

``local`` does more than a campaign of the service can, so that one address is enough to try the API.
"""

from __future__ import annotations

from dataclasses import dataclass

from local.personalize import CAMPAIGN_ARNS
from local.personalize.errors import InvalidInputError, ResourceNotFoundError

RECOMMENDATIONS = "GetRecommendations"
RANKING = "GetPersonalizedRanking"
ACTION_RECOMMENDATIONS = "GetActionRecommendations"


@dataclass(frozen=True)
class Campaign:
    """What a campaign answers, and what its recommendations depend on.

    ``by_user``: on what the user did before. ``by_item``: on the item of the request, if there is one.
    ``metadata``: it was created with metadata in recommendations. ``reasons``: its recipe says why a promoted
    item is in the response.
    """

    name: str
    recipe: str
    operations: tuple[str, ...]
    by_user: bool = False
    by_item: bool = False
    needs_item: bool = False
    metadata: bool = False
    reasons: bool = False


LOCAL = Campaign(
    "local",
    "aws-user-personalization-v2 and others",
    (RECOMMENDATIONS, RANKING),
    by_user=True,
    by_item=True,
    metadata=True,
    reasons=True,
)
POPULAR = Campaign("popular", "aws-popularity-count", (RECOMMENDATIONS,))
SIMILAR = Campaign(
    "similar", "aws-similar-items", (RECOMMENDATIONS,), by_item=True, needs_item=True, metadata=True
)
RANKED = Campaign("ranking", "aws-personalized-ranking", (RANKING,), by_user=True, metadata=True)
ACTIONS = Campaign("actions", "aws-next-best-action", (ACTION_RECOMMENDATIONS,), by_user=True)

_CAMPAIGNS = (LOCAL, POPULAR, SIMILAR, RANKED, ACTIONS)
_BY_ARN = {CAMPAIGN_ARNS[campaign.name]: campaign for campaign in _CAMPAIGNS}


def campaign_for(operation: str, arn: str | None) -> Campaign:
    """Return the campaign for a request.

    Raises ResourceNotFoundError for an unknown one, InvalidInputError for one with another kind of recipe.
    """
    if arn is None:
        raise InvalidInputError("Provide campaignArn or recommenderArn")
    campaign = _BY_ARN.get(arn)
    if campaign is None:
        raise ResourceNotFoundError(f"There is no {arn}. The local engine has {', '.join(_BY_ARN)}")
    if operation not in campaign.operations:
        raise InvalidInputError(f"{operation} does not take a campaign with the recipe {campaign.recipe}")
    return campaign
