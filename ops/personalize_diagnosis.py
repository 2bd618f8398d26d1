"""What of Personalize a healthy deployment needs, and what to do about another. Pure.

personalize_checks.py makes the calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.diagnosis import Finding, bad, good, look
from ops.stage import PLACEHOLDER

_RECOMMENDATIONS, _RANKING, _ACTIONS = "/recommendations", "/ranking", "/action-recommendations"
_ROUTE_OF_VARIABLE = {
    "CAMPAIGN_ARN": _RECOMMENDATIONS,
    "FALLBACK_CAMPAIGN_ARN": _RECOMMENDATIONS,
    "RANKING_CAMPAIGN_ARN": _RANKING,
    "ACTION_CAMPAIGN_ARN": _ACTIONS,
}
"""The others may have any recipe: a request names them on the route that it wants."""
_RECIPE_FOR = {
    _RECOMMENDATIONS: "aws-user-personalization-v2",
    _RANKING: "aws-personalized-ranking-v2",
    _ACTIONS: "aws-next-best-action",
}


@dataclass(frozen=True)
class Campaign:
    """A campaign or recommender that a variable names, and what Personalize knows of it.

    ``described`` is None where Personalize has none, or was not asked because the ARN is wrong. ``recipe`` is
    the name of the recipe, ``dataset_group`` an ARN; both are empty where Personalize does not say.
    """

    variable: str
    arn: str
    described: Mapping[str, Any] | None = None
    recipe: str = ""
    dataset_group: str = ""

    @property
    def kind(self) -> str:
        """Return "campaign" or "recommender"."""
        return "recommender" if ":recommender/" in self.arn else "campaign"

    @property
    def option(self) -> str:
        """Return the option that names another one."""
        return f"--parameter {self.variable.title().replace('_', '')}=..."

    def __str__(self) -> str:
        return f"{self.kind} {self.arn.rpartition('/')[2]}"


def wrong_arn(campaign: Campaign, region: str) -> Finding | None:
    """Return what is wrong with the ARN itself; None when Personalize can be asked about it."""
    arn = campaign.arn
    if not arn or arn.endswith(PLACEHOLDER):
        return bad("No campaign is set.", f"Deploy with {campaign.option}")
    found = arn.split(":")[3] if arn.count(":") >= 5 else ""
    if found != region:
        return bad(
            f"The {campaign} is in {found or 'no region'}, the functions are in {region}.",
            f"Personalize is asked in the functions' own region: deploy to {found or 'it'}, or name a "
            f"campaign of {region} with {campaign.option}",
        )
    return None


def campaign_state(campaign: Campaign, region: str) -> Finding:
    """Return whether a campaign or recommender answers the requests that the functions send it."""
    wrong = wrong_arn(campaign, region)
    if wrong:
        return wrong
    if campaign.described is None:
        return bad(
            f"There is no {campaign} in this account and region.",
            f"Deploy with {campaign.option} of one that exists.",
        )
    return _inactive(campaign, campaign.described) or _wrong_recipe(campaign) or _active(campaign)


def _inactive(campaign: Campaign, described: Mapping[str, Any]) -> Finding | None:
    status = described["status"]
    if status == "ACTIVE":
        return None
    if status == "CREATE FAILED":
        return bad(
            f"The {campaign} could not be created: {described.get('failureReason', 'no reason given')}",
            f"Create it again and deploy with its ARN ({campaign.option}).",
        )
    if status == "INACTIVE":
        return bad(f"The {campaign} is stopped.", "Start it: aws personalize start-recommender")
    return bad(f"The {campaign} is {status}.", "Wait until it is ACTIVE; this takes up to an hour.")


def _wrong_recipe(campaign: Campaign) -> Finding | None:
    route, wanted = _route(campaign.recipe), _ROUTE_OF_VARIABLE.get(campaign.variable)
    if not route or not wanted or route == wanted:
        return None
    return bad(
        f"The {campaign} of {campaign.variable} has the recipe {campaign.recipe}, which is for {route} and "
        f"not for {wanted}: every request fails.",
        f"Deploy with {campaign.option} of a campaign with a recipe for {wanted}, such as "
        f"{_RECIPE_FOR[wanted]}.",
    )


def _active(campaign: Campaign) -> Finding:
    route = _route(campaign.recipe)
    serves = f" and serves {route}" if route else ""
    return good(f"The {campaign} is ACTIVE in the functions' region{serves}.{_metadata(campaign, route)}")


def _route(recipe: str) -> str:
    """Return the route that a recipe is for; empty where the recipe is not known."""
    if recipe.startswith("aws-personalized-ranking"):
        return _RANKING
    if recipe.startswith("aws-next-best-action"):
        return _ACTIONS
    return _RECOMMENDATIONS if recipe else ""


def _metadata(campaign: Campaign, route: str) -> str:
    if route == _ACTIONS:  # Personalize has no metadata of actions.
        return ""
    described = campaign.described or {}
    settings = described.get("campaignConfig") or described.get("recommenderConfig") or {}
    if settings.get("enableMetadataWithRecommendations"):
        return " Its metadata is enabled."
    return " Its metadata is not enabled: a request with metadataColumns is refused."


def filter_states(dataset_group: str, filters: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield a finding for each filter that is not ACTIVE, or one for all. ``dataset_group`` is an ARN."""
    group = dataset_group.rpartition("/")[2]
    waiting = [each for each in filters if each["status"] != "ACTIVE"]
    for each in waiting:
        if each["status"] == "CREATE FAILED":
            yield look(
                f"The filter {each['name']} could not be created: "
                f"{each.get('failureReason', 'no reason given')}",
                "Delete it and create it again. A request that names it is refused.",
            )
        else:
            yield look(
                f"The filter {each['name']} is {each['status']}.",
                "Wait until it is ACTIVE. Until then a request that names it is refused.",
            )
    if not filters:
        yield good(f"The dataset group {group} has no filter.")
    elif not waiting:
        yield good(f"Every filter of the dataset group {group} is ACTIVE: {_names(filters)}.")


def _names(filters: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(sorted(each["name"] for each in filters))


def tracker_state(tracking_id: str, trackers: Sequence[Mapping[str, Any]], dataset_group: str) -> Finding:
    """Return whether a tracker of the region has the id and belongs to the campaign's dataset group."""
    if not tracking_id or tracking_id == PLACEHOLDER:
        return bad("No event tracker is set.", "Deploy with --parameter EventTrackerId=...")
    found = [tracker for tracker in trackers if tracker["trackingId"] == tracking_id]
    if not found:
        return bad(
            "No event tracker of this account and region has the tracking id that is set.",
            "Take the id from 'aws personalize describe-event-tracker' (trackingId, not the ARN) and deploy "
            "with --parameter EventTrackerId=...; events put meanwhile may wait in the quarantine.",
        )
    [tracker] = found
    if tracker["status"] != "ACTIVE":
        return bad(f"The event tracker {tracker['name']} is {tracker['status']}.", "Wait until it is ACTIVE.")
    if dataset_group and tracker["datasetGroupArn"] != dataset_group:
        return bad(
            f"The event tracker {tracker['name']} belongs to another dataset group than the campaign.",
            "Events train other models than the one that answers: name the tracker of the campaign's group.",
        )
    return good(f"The event tracker {tracker['name']} is ACTIVE.")
