"""The command that examines a deployment: of each part whether it works, or what to do. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import boto3

from ops import diagnosis
from ops.access import CONFIGURED
from ops.diagnosis import Finding
from ops.errors import AwsError, code_of, readable_aws_errors
from ops.locate import Deployment, Flow
from ops.packaging.bundle import ROOT
from ops.packaging.templates import Templates
from ops.personalize_checks import check_campaigns, check_filters, describe_campaigns
from ops.personalize_diagnosis import Campaign
from ops.target import Target
from ops.terminal import print_line
from ops.usage_plans import is_enabled, keys_of, plans_with

_OF_ONE_STACK = (*CONFIGURED, "BisectBatchOnFunctionError", "ParallelizationFactor")


def run_doctor(target: Target, *, is_strict: bool) -> bool:
    """Print a line per check, and return whether the deployment can work.

    With ``is_strict``, return whether every check is well.
    """
    reached = target.open(is_whole=True)
    deployment, session = reached.deployment, reached.session
    settings = expected_settings(deployment, Templates.read(ROOT).event_source_settings())
    states = []
    for finding in examine(deployment, settings, session):
        print_line(str(finding))
        states.append(finding.state)
    return diagnosis.is_well(states, is_strict=is_strict)


def expected_settings(deployment: Deployment, of_one_stack: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that the deployment's event source should have. Pure.

    ``of_one_stack`` are those of one-stack.yaml.
    """
    if deployment.flow is Flow.STEPWISE:
        return {name: of_one_stack[name] for name in CONFIGURED}
    reports = deployment.parameters.get("ReportBatchItemFailures") == "true"
    return {
        **{name: of_one_stack[name] for name in _OF_ONE_STACK},
        "FunctionResponseTypes": ["ReportBatchItemFailures"] if reports else [],
    }


def examine(deployment: Deployment, settings: Mapping[str, Any], session: boto3.Session) -> Iterator[Finding]:
    """Yield one finding after the other. A check that cannot be made is a finding too."""
    make: Any = session.client
    variables: dict[str, str] | None = None
    campaigns: list[Campaign] = []

    def functions() -> Iterator[Finding]:
        nonlocal variables
        variables = _variables(make("lambda"), deployment.delivery_function)
        yield diagnosis.variables_of(variables)
        yield from check_event_source(make("lambda"), deployment, settings, variables)

    def personalize() -> Iterator[Finding]:
        nonlocal campaigns
        if variables is None:
            raise AwsError("The variables of the function, which name them, could not be read.")
        client, region = make("personalize"), deployment.region
        campaigns = describe_campaigns(client, variables, region)
        yield from check_campaigns(client, campaigns, variables.get("TRACKING_ID", ""), region)

    def filters() -> Iterator[Finding]:
        groups = {campaign.dataset_group for campaign in campaigns} - {""}
        if not groups:
            raise AwsError("No campaign could be asked for its dataset group, which has the filters.")
        for group in sorted(groups):
            yield from check_filters(make("personalize"), group)

    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "The event source": functions,
        "Campaigns and event tracker": personalize,
        "The filters": filters,
        "The quarantine": lambda: check_quarantine(make("sqs"), deployment.output("QuarantineQueueUrl")),
        "The subscription to alarms": lambda: check_subscriptions(
            make("sns"), deployment.output("AlarmTopicArn")
        ),
        "The API key": lambda: check_key(make("apigateway"), deployment),
    }
    for name, check in checks.items():
        try:
            with readable_aws_errors():
                yield from check()
        except AwsError as error:
            yield diagnosis.failed_check(name, code_of(error), " ".join(str(error).split()))


def _variables(functions: Any, name: str) -> dict[str, str]:
    configuration = functions.get_function_configuration(FunctionName=name)
    return cast("dict[str, str]", configuration.get("Environment", {}).get("Variables", {}))


def check_event_source(
    functions: Any, deployment: Deployment, settings: Mapping[str, Any], variables: Mapping[str, str]
) -> Iterator[Finding]:
    """Check the event source of the function that delivers events."""
    response = functions.list_event_source_mappings(FunctionName=deployment.delivery_function)
    yield diagnosis.event_source(response["EventSourceMappings"], settings, variables)


def check_quarantine(sqs: Any, queue_url: str) -> Iterator[Finding]:
    """Check that the quarantine is empty."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    yield diagnosis.quarantine(sum(int(counts[name]) for name in names))


def check_subscriptions(sns: Any, topic: str) -> Iterator[Finding]:
    """Check that somebody gets the alarms."""
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    yield diagnosis.subscriptions([found for page in pages for found in page["Subscriptions"]])


def check_key(gateway: Any, deployment: Deployment) -> Iterator[Finding]:
    """Check that the API key opens the API, or another key of its usage plan: ``rotate-key`` makes one."""
    key = deployment.output("ApiKeyId")
    plans = plans_with(gateway, key)
    enabled = is_enabled(gateway, key) or any(
        is_enabled(gateway, other) for plan in plans for other in keys_of(gateway, plan["id"])
    )
    yield diagnosis.api_key(enabled, plans, deployment.api_id, deployment.api_stage)
