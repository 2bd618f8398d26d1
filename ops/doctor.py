"""Examines a deployment with calls that only read, and says of each thing whether it is well, or what to do.

    python ops/doctor.py --stage dev

Exit status 0: all is well; 1: something is not, or could not be found out; 130: interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

if __name__ == "__main__":
    # Run as a program, Python looks for modules in resources/; the package is one folder up.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import boto3

from ops import diagnosis
from ops import stepwise as flow
from ops.cloudformation.stacks import describe_stack
from ops.command_lines import make_line
from ops.diagnosis import Finding, State
from ops.errors import AwsError, DeployError, StackError, in_sentences
from ops.packaging.bundle import ROOT
from ops.stage import Stage

INTERRUPTED = 130


@dataclass(frozen=True)
class Place:
    """What is examined: ids of a deployment, however it was made, and what its event source should have."""

    region: str
    delivery_function: str
    api_id: str
    api_stage: str
    outputs: Mapping[str, str]
    settings: Mapping[str, Any]


def find(stage: Stage, one_stack: str, session: boto3.Session) -> Place:
    """The deployment of a stage. StackError when there is none, or half of one."""
    stage.variables()  # a stage that config.json does not have is a misspelling
    intended = flow.event_source_settings(stage.project_dir)
    stack = describe_stack(one_stack, session)
    whole = flow.outputs_of(stack)
    if whole:
        # https://ID.execute-api.REGION.amazonaws.com/STAGE/recommendations
        api_stage = whole["RecommendationsUrl"].rsplit("/", 2)[1]
        names = (*flow.TUNED, "BisectBatchOnFunctionError", "ParallelizationFactor")
        settings = {name: intended[name] for name in names}
        parameters = {p["ParameterKey"]: p["ParameterValue"] for p in stack.get("Parameters", [])}
        reports = parameters.get("ReportBatchItemFailures") == "true"
        settings["FunctionResponseTypes"] = ["ReportBatchItemFailures"] if reports else []
        return Place(
            session.region_name,
            whole["DeliverEventsName"],
            whole["RecommendationsUrl"].split("//")[1].split(".")[0],
            api_stage,
            whole,
            settings,
        )
    pipeline = flow.outputs_of(describe_stack(flow.pipeline_name(stage.name), session))
    access = flow.outputs_of(describe_stack(flow.access_name(stage.name), session))
    if not pipeline or not access:
        raise StackError(
            f"The stage {stage.name} is not deployed in {session.region_name}, or not whole. Deploy it with "
            f"{make_line('deploy', STAGE=stage.name)} or {make_line('deploy-stack', STAGE=stage.name)}."
        )
    made = stage.deployed()
    settings = {name: intended[name] for name in flow.TUNED}
    return Place(
        session.region_name,
        made.delivery_function,
        made.api_id,
        made.api_stage,
        {**pipeline, **access},
        settings,
    )


def examine(place: Place, session: boto3.Session) -> Iterator[Finding]:
    """One finding after the other; a check that fails is a finding too."""
    make: Any = session.client
    variables: dict[str, str] = {}

    def functions() -> Iterator[Finding]:
        variables.update(_variables(make("lambda"), place.delivery_function))
        yield from check_event_source(make("lambda"), place, variables)

    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "The event source": functions,
        "Campaign and event tracker": lambda: check_personalize(
            make("personalize"),
            variables.get("CAMPAIGN_ARN", ""),
            variables.get("TRACKING_ID", ""),
            place.region,
        ),
        "The quarantine": lambda: check_quarantine(make("sqs"), place.outputs["QuarantineQueueUrl"]),
        "The subscription to alarms": lambda: check_subscriptions(
            make("sns"), place.outputs["AlarmTopicArn"]
        ),
        "The API key": lambda: check_key(make("apigateway"), place),
    }
    for name, check in checks.items():
        try:
            with in_sentences():
                yield from check()
        except AwsError as error:
            sentence = " ".join(str(error).split())
            yield Finding(State.UNKNOWN, f"{name} could not be checked.", sentence)


def check_personalize(
    personalize: Any, campaign_arn: str, tracking_id: str, region: str
) -> Iterator[Finding]:
    """Campaign or recommender, and event tracker."""
    misplaced = diagnosis.campaign_place(campaign_arn, region)
    if misplaced:
        yield misplaced
        return
    dataset_group = None
    kind = "recommender" if ":recommender/" in campaign_arn else "campaign"
    try:
        described = _campaign(personalize, kind, campaign_arn)
    except personalize.exceptions.ResourceNotFoundException:
        yield diagnosis.bad(
            f"There is no {kind} {campaign_arn.rsplit('/', 1)[-1]} in this account and region.",
            "Deploy with --parameter CampaignArn=... of one that exists.",
        )
    else:
        yield diagnosis.campaign_status(kind, described)
        dataset_group = _dataset_group(personalize, described)
    yield diagnosis.tracker_status(tracking_id, list(_trackers(personalize)), dataset_group)


def _campaign(personalize: Any, kind: str, arn: str) -> Mapping[str, Any]:
    if kind == "recommender":
        return cast(Mapping[str, Any], personalize.describe_recommender(recommenderArn=arn)["recommender"])
    return cast(Mapping[str, Any], personalize.describe_campaign(campaignArn=arn)["campaign"])


def _dataset_group(personalize: Any, described: Mapping[str, Any]) -> str | None:
    """A recommender names its group; a campaign only the version of the solution that has one."""
    if "datasetGroupArn" in described:
        return cast(str, described["datasetGroupArn"])
    version = described.get("solutionVersionArn")
    # Personalize writes a placeholder for a campaign that follows the latest version.
    if not version or version.endswith("/$LATEST"):
        return None
    answer = personalize.describe_solution_version(solutionVersionArn=version)
    return cast(str | None, answer["solutionVersion"].get("datasetGroupArn"))


def _trackers(personalize: Any) -> Iterator[Mapping[str, Any]]:
    """The list has no tracking ids; each has to be asked for by itself."""
    for page in personalize.get_paginator("list_event_trackers").paginate():
        for tracker in page["eventTrackers"]:
            answer = personalize.describe_event_tracker(eventTrackerArn=tracker["eventTrackerArn"])
            yield answer["eventTracker"]


def _variables(functions: Any, name: str) -> dict[str, str]:
    configuration = functions.get_function_configuration(FunctionName=name)
    return cast("dict[str, str]", configuration.get("Environment", {}).get("Variables", {}))


def check_event_source(functions: Any, place: Place, variables: Mapping[str, str]) -> Iterator[Finding]:
    found = functions.list_event_source_mappings(FunctionName=place.delivery_function)["EventSourceMappings"]
    yield diagnosis.event_source(found, place.settings, variables)


def check_quarantine(sqs: Any, queue_url: str) -> Iterator[Finding]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    yield diagnosis.quarantine(sum(int(counts[name]) for name in names))


def check_subscriptions(sns: Any, topic: str) -> Iterator[Finding]:
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    yield diagnosis.subscriptions([found for page in pages for found in page["Subscriptions"]])


def check_key(gateway: Any, place: Place) -> Iterator[Finding]:
    key = place.outputs["ApiKeyId"]
    enabled = gateway.get_api_key(apiKey=key, includeValue=False)["enabled"]
    plans = [
        p for page in gateway.get_paginator("get_usage_plans").paginate(keyId=key) for p in page["items"]
    ]
    yield diagnosis.api_key(enabled, plans, place.api_id, place.api_stage)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    well = True
    try:
        with in_sentences():
            session = boto3.Session(profile_name=options.profile, region_name=options.region)
        place = find(
            Stage(ROOT, options.stage), options.stack_name or flow.stack_name(options.stage), session
        )
        for finding in examine(place, session):
            print(finding, flush=True)
            well = well and finding.state is State.GOOD
    except DeployError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Nothing was changed.", file=sys.stderr)
        return INTERRUPTED
    return 0 if well else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Examine a deployment of personalize-api; change nothing.")
    parser.add_argument("--stage", default="dev", help="stage of .chalice/config.json (default: dev)")
    parser.add_argument("--stack-name", help="of the one stack; default: personalize-api-STAGE")
    parser.add_argument("--profile", help="profile of the AWS configuration")
    parser.add_argument("--region", help="AWS region (default: that of the environment or the profile)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
