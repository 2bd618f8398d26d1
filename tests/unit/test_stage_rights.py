"""What docs/security.md says about the rights of one stage on the resources of another, and its remedy."""

import json
from fnmatch import fnmatchcase

import pytest
from chalice.config import Config

from ops.packaging.bundle import ROOT

FILES = {"api_handler": "policy-api-handler.json", "deliver_events": "policy-deliver-events.json"}
ACCOUNT = "eu-west-1:111122223333"


def resources_of(stack, function):
    """Return the names that a stage's stack and function give: of stream, queue, bucket and log group."""
    return {
        "stream": f"arn:aws:kinesis:{ACCOUNT}:stream/{stack}-events",
        "queue": f"arn:aws:sqs:{ACCOUNT}:{stack}-quarantine",
        "quarantine": f"arn:aws:s3:::{stack}-eventsbucket-1a2b/quarantine/x",
        "given up": f"arn:aws:s3:::{stack}-eventsbucket-1a2b/aws/lambda/x",
        "log": f"arn:aws:logs:{ACCOUNT}:log-group:/aws/lambda/{function}",
    }


DEV = resources_of("personalize-api-dev-pipeline", "personalize-api-dev")
PROD = {
    "stepwise": resources_of("personalize-api-prod-pipeline", "personalize-api-prod-deliver_events"),
    "one stack": resources_of("personalize-api-prod", "personalize-api-prod-DeliverEvents-1A2B"),
}


def in_reach(text, resources):
    """Return which resources the statements of both policies name. ``text`` changes a policy's text."""
    patterns = [
        pattern
        for file in FILES.values()
        for statement in json.loads(text((ROOT / ".chalice" / file).read_text()))["Statement"]
        if statement["Resource"] != "*"
        for pattern in statement["Resource"]
    ]
    return {name for name, arn in resources.items() if any(fnmatchcase(arn, pattern) for pattern in patterns)}


def as_reviewed(text):
    return text


def for_dev(text):
    return text.replace("personalize-api-", "personalize-api-dev")


@pytest.mark.parametrize("prod", PROD.values(), ids=PROD.keys())
def test_with_chalice_deploy_the_stage_dev_reaches_the_resources_of_prod(prod):
    assert in_reach(as_reviewed, prod) == prod.keys()
    assert "With `chalice deploy` it does\nnot" in (ROOT / "docs" / "security.md").read_text()


@pytest.mark.parametrize("prod", PROD.values(), ids=PROD.keys())
def test_the_documented_policies_of_a_stage_reach_its_own_resources_and_not_those_of_prod(prod):
    assert in_reach(for_dev, DEV) == DEV.keys()
    assert in_reach(for_dev, prod) == set()


def test_chalice_takes_a_policy_file_for_a_function_of_one_stage():
    config = json.loads((ROOT / ".chalice" / "config.json").read_text())
    config["stages"]["dev"]["lambda_functions"] = {"api_handler": {"iam_policy_file": "policy-dev.json"}}
    found = {
        stage: Config(
            chalice_stage=stage, function_name="api_handler", config_from_disk=config
        ).iam_policy_file
        for stage in ("dev", "prod")
    }
    assert found == {"dev": "policy-dev.json", "prod": FILES["api_handler"]}
