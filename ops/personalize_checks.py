"""The calls of doctor to Personalize: campaigns, filters and event trackers. They only read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from ops import function_variables, personalize_diagnosis
from ops.diagnosis import Finding
from ops.personalize_diagnosis import Campaign


def describe_campaigns(personalize: Any, variables: Mapping[str, str], region: str) -> list[Campaign]:
    """Return every campaign and recommender that the variables name, that of /recommendations first."""
    found = function_variables.campaigns(variables)
    if "CAMPAIGN_ARN" not in dict(found):
        found = [("CAMPAIGN_ARN", ""), *found]
    found.sort(key=lambda each: each[0] != "CAMPAIGN_ARN")
    return [_describe(personalize, Campaign(variable, arn), region) for variable, arn in found]


def check_campaigns(
    personalize: Any, campaigns: list[Campaign], tracking_id: str, region: str
) -> Iterator[Finding]:
    """Check each campaign, and the event tracker against the first one."""
    for campaign in campaigns:
        yield personalize_diagnosis.campaign_state(campaign, region)
    trackers = list(_trackers(personalize))
    yield personalize_diagnosis.tracker_state(tracking_id, trackers, campaigns[0].dataset_group)


def check_filters(personalize: Any, dataset_group: str) -> Iterator[Finding]:
    """Check the filters of a dataset group."""
    pages = personalize.get_paginator("list_filters").paginate(datasetGroupArn=dataset_group)
    yield from personalize_diagnosis.filter_states(
        dataset_group, [each for page in pages for each in page["Filters"]]
    )


def _describe(personalize: Any, campaign: Campaign, region: str) -> Campaign:
    if personalize_diagnosis.wrong_arn(campaign, region):
        return campaign
    try:
        if campaign.kind == "recommender":
            described = personalize.describe_recommender(recommenderArn=campaign.arn)["recommender"]
        else:
            described = personalize.describe_campaign(campaignArn=campaign.arn)["campaign"]
    except personalize.exceptions.ResourceNotFoundException:
        return campaign
    # A recommender names its recipe and dataset group, a campaign through what it was made of.
    trained = described if "datasetGroupArn" in described else _solution(personalize, described)
    return replace(
        campaign,
        described=described,
        recipe=trained.get("recipeArn", "").rpartition("/")[2],
        dataset_group=trained.get("datasetGroupArn", ""),
    )


def _solution(personalize: Any, described: Mapping[str, Any]) -> Mapping[str, Any]:
    version = described.get("solutionVersionArn")
    if not version:
        return {}
    # Personalize writes a placeholder for a campaign that follows the latest version (API_CreateCampaign).
    solution, _, number = version.rpartition("/")
    if number == "$LATEST":
        return cast("Mapping[str, Any]", personalize.describe_solution(solutionArn=solution)["solution"])
    response = personalize.describe_solution_version(solutionVersionArn=version)
    return cast("Mapping[str, Any]", response["solutionVersion"])


def _trackers(personalize: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the trackers one by one: their list has no tracking ids."""
    for page in personalize.get_paginator("list_event_trackers").paginate():
        for tracker in page["eventTrackers"]:
            response = personalize.describe_event_tracker(eventTrackerArn=tracker["eventTrackerArn"])
            yield response["eventTracker"]
