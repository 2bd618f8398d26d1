"""The dataset that a file goes to, and its schema, as Personalize's control plane tells them. Reads only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ops.command_lines import make_line
from ops.errors import InputError, NotDeployedError
from ops.put.kinds import DatasetKind, Kind
from ops.put.schema import Schema, parse_schema

_ARN = re.compile(r"arn:[a-z\d-]+:personalize:([a-z\d-]+):\d*:dataset/[\w-]+/([A-Z_]+)", re.ASCII)


@dataclass(frozen=True)
class Dataset:
    """Where rows go, and the schema that they are held to. Without a schema the service alone judges them."""

    arn: str
    schema: Schema | None


def check_arn(arn: str, kind: DatasetKind, region: str | None) -> None:
    """Raise InputError for the ARN of a dataset that takes no such rows, or is in another region."""
    found = _ARN.fullmatch(arn)
    if not found:
        raise InputError(
            f"{arn!r} is not the ARN of a dataset. It looks like "
            f"arn:aws:personalize:REGION:ACCOUNT:dataset/GROUP/{kind.dataset_type}."
        )
    if found[2] != kind.dataset_type:
        raise InputError(f"The file has {kind.plural}, and {arn} is a dataset of another type: {found[2]}.")
    if region and found[1] != region:
        raise InputError(f"The dataset {arn} is in {found[1]}. Name its region: --region {found[1]}.")


def campaign_of(parameters: Mapping[str, str], variables: Mapping[str, str], kind: Kind) -> str:
    """Return the campaign or recommender whose dataset group a file belongs to. Raises NotDeployedError.

    ``parameters`` are those of the stacks, ``variables`` those of .chalice/config.json. Actions belong to the
    group of the campaign for actions, where there is one.
    """
    names = [("CampaignArn", "CAMPAIGN_ARN")]
    if kind.dataset_type == "ACTIONS":
        names.insert(0, ("ActionCampaignArn", "ACTION_CAMPAIGN_ARN"))
    for parameter, variable in names:
        arn = parameters.get(parameter) or variables.get(variable)
        if arn and arn.startswith("arn:"):
            return arn
    option = make_line("put", "--dataset", "ARN", FILE=f"{kind.plural}.csv")
    raise NotDeployedError(f"The deployment names no campaign. Name the dataset: {option}.")


def find_dataset(personalize: Any, campaign_arn: str, kind: Kind) -> str:
    """Return the ARN of the dataset of a kind in the dataset group of a campaign or recommender."""
    group = _dataset_group(personalize, campaign_arn)
    for dataset in _datasets(personalize, group):
        if dataset["datasetType"].upper() == kind.dataset_type:
            return cast(str, dataset["datasetArn"])
    raise InputError(
        f"The dataset group {group.rsplit('/', 1)[-1]} has no dataset of {kind.plural}. Create one, or name "
        "that of another group with --dataset ARN."
    )


def read_schema(personalize: Any, dataset_arn: str, kind: DatasetKind) -> Schema:
    """Return the schema of a dataset."""
    dataset = personalize.describe_dataset(datasetArn=dataset_arn)["dataset"]
    found = personalize.describe_schema(schemaArn=dataset["schemaArn"])
    return parse_schema(found["schema"]["schema"], kind)


def _dataset_group(personalize: Any, campaign_arn: str) -> str:
    """A recommender names its group, a campaign through its solution (also one that follows ``$LATEST``)."""
    if ":recommender/" in campaign_arn:
        described = personalize.describe_recommender(recommenderArn=campaign_arn)["recommender"]
        return cast(str, described["datasetGroupArn"])
    campaign = personalize.describe_campaign(campaignArn=campaign_arn)["campaign"]
    solution_arn = campaign["solutionVersionArn"].rpartition("/")[0]
    return cast(str, personalize.describe_solution(solutionArn=solution_arn)["solution"]["datasetGroupArn"])


def _datasets(personalize: Any, group_arn: str) -> Iterator[Mapping[str, Any]]:
    for page in personalize.get_paginator("list_datasets").paginate(datasetGroupArn=group_arn):
        yield from page["datasets"]
