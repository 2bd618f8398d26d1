"""The packaged template, unchanged, deployed with the AWS SAM CLI as docs/deploy.md describes it.

SAM CLI has an environment of its own, build/sam, because it pins versions that the project does not take.
``make test-long`` installs it.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import boto3
import pytest

from local.emulator import running_emulator
from local.personalize import CAMPAIGN_ARN, REGION, TRACKING_ID
from ops.packaging import merge
from tests.conftest import AWS

ROOT = Path(__file__).parents[2]
SAM = ROOT / "build" / "sam" / "bin" / "sam"
PACKAGE = Path("build/prod/sam.yaml")
STACK = "personalize-api-prod"
OUTPUTS = {
    "RecommendationsUrl",
    "HistoryUrl",
    "ApiKeyConsoleUrl",
    "DashboardUrl",
    "ApiKeyId",
    "EventsBucket",
    "EventStreamName",
    "QuarantineQueueUrl",
}
PARAMETERS = {
    "CampaignArn": CAMPAIGN_ARN,
    "EventTrackerId": TRACKING_ID,
    # The emulator's event source ignores FunctionResponseTypes, so failures have to be raised.
    "ReportBatchItemFailures": "false",
    "Emulated": "true",
}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with running_emulator(environment=AWS, state_dir=tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture
def cloudformation(emulator):
    client = boto3.client("cloudformation", endpoint_url=emulator.url, region_name=REGION)
    yield client
    client.close()


@pytest.fixture
def sam(emulator, packaged, tmp_path):
    """``sam(*options, answers="")`` runs ``sam deploy`` in a project that has nothing but the package."""
    assert SAM.exists(), "SAM CLI is not installed. Run 'make test-long', which installs it into build/sam."
    (tmp_path / PACKAGE).parent.mkdir(parents=True)
    for path in (packaged.template_path, packaged.zip_path):
        shutil.copy(path, tmp_path / PACKAGE.parent)
    environment = AWS | {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.5",
        "AWS_ENDPOINT_URL": emulator.url,
    }

    def run(*options, answers=""):
        return subprocess.run(
            [SAM, "deploy", "--template-file", PACKAGE, *options],
            cwd=tmp_path,
            env=environment,
            input=answers,
            capture_output=True,
            check=False,
            text=True,
            timeout=300,
        )

    return run


def overrides(**changed):
    return ["--parameter-overrides", *(f"{name}={value}" for name, value in (PARAMETERS | changed).items())]


def documented_options():
    """The options of the command in docs/deploy.md that asks nothing, without its parameters."""
    [command] = re.findall(r"(?m)^ {4}(sam deploy (?:.*\\\n)+.*)$", _guide())
    words = command.replace("\\\n", " ").split()
    given = words[words.index("--template-file") + 2 : words.index("--parameter-overrides")]
    assert words[words.index("--template-file") + 1] == str(PACKAGE)
    return given


def _guide():
    return (ROOT / "docs" / "deploy.md").read_text("utf-8")


def described(cloudformation, stack):
    return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]


def test_the_documented_command_deploys_and_a_second_time_changes_nothing(sam, cloudformation):
    options = documented_options()
    first = sam(*options, *overrides())
    assert first.returncode == 0, first.stdout + first.stderr
    stack = described(cloudformation, STACK)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert {output["OutputKey"] for output in stack["Outputs"]} >= OUTPUTS
    again = sam(*options, *overrides())
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"No changes to deploy. Stack {STACK} is up to date" in again.stdout
    assert described(cloudformation, STACK).get("LastUpdatedTime") == stack.get("LastUpdatedTime")


def test_an_update_keeps_the_parameters_that_are_not_given(sam, cloudformation):
    options = [option if option != STACK else "personalize-api-updated" for option in documented_options()]
    assert sam(*options, *overrides()).returncode == 0
    ran = sam(*options, "--parameter-overrides", "MonthlyQuota=1000")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    stack = described(cloudformation, "personalize-api-updated")
    values = {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]}
    assert values["MonthlyQuota"] == "1000"
    assert {name: values[name] for name in PARAMETERS} == PARAMETERS


def test_guided_asks_for_what_is_missing_and_remembers_the_answers(sam, cloudformation, packaged, tmp_path):
    """The two required parameters are typed. Every other question is answered with its default.

    SAM CLI asks for the name, the region, and the parameters in the order of the template.
    """
    name = "personalize-api-guided"
    questions = merge.load(packaged.template_path.read_text("utf-8"))["Parameters"]
    required = {"CampaignArn": CAMPAIGN_ARN, "EventTrackerId": TRACKING_ID}
    typed = "\n".join([name, "", *(required.get(question, "") for question in questions)]) + "\n" * 30
    ran = sam(
        "--guided", "--parameter-overrides", "ReportBatchItemFailures=false", "Emulated=true", answers=typed
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert described(cloudformation, name)["StackStatus"] == "CREATE_COMPLETE"
    remembered = (tmp_path / PACKAGE).with_name("samconfig.toml").read_text("utf-8")
    assert f'stack_name = "{name}"' in remembered
    assert CAMPAIGN_ARN in remembered
