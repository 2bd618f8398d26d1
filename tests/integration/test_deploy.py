"""The deployment program against the emulator: create, no change, update, failure. And the emulator."""

import os
import socket
import subprocess
import sys

import boto3
import pytest

from local.emulator import EmulatorError, running_emulator
from local.personalize import CAMPAIGN_ARN, TRACKING_ID
from resources import changes
from resources.bundle import ROOT
from resources.deploy import AwsError, StackError, deploy_stack, package

STACK = "personalize-api-deploy"
REQUIRED = {"CampaignArn": CAMPAIGN_ARN, "EventTrackerId": TRACKING_ID}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with running_emulator(state_dir=tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture
def session():
    return boto3.Session("test", "test", region_name="us-east-1")


@pytest.fixture
def client(emulator, session):
    clients = []

    def make(service):
        clients.append(session.client(service, endpoint_url=emulator.url))
        return clients[-1]

    yield make
    for made in clients:
        made.close()


@pytest.fixture
def program(emulator):
    """``program(*arguments)`` runs resources/deploy.py as a person would, pointed at the emulator."""

    def run(*arguments):
        return subprocess.run(
            [sys.executable, ROOT / "resources" / "deploy.py", *arguments],
            cwd="/",
            env=os.environ | {"AWS_ENDPOINT_URL": emulator.url},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture
def deploy(emulator, session):
    """``deploy(**parameters)`` deploys the stack and returns its outputs and the lines it reported."""

    def run(name=STACK, **parameters):
        lines = []
        made = package("local")
        outputs = deploy_stack(
            made, name, parameters, session, lines.append, endpoint_url=emulator.url, poll_seconds=0.1
        )
        return outputs, lines

    return run


@pytest.fixture
def deployed(deploy):
    return deploy(**REQUIRED)[0]


def status(client, name=STACK):
    return client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]


def test_the_program_creates_a_stack_and_prints_plan_progress_and_outputs(program, client):
    options = [option for name, value in REQUIRED.items() for option in ("--parameter", f"{name}={value}")]
    ran = program("stack", "--stage", "local", "--stack-name", "personalize-api-new", "--yes", *options)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "  + AWS::Kinesis::Stream                     EventStream\n" in ran.stdout
    progress = [
        line for line in ran.stdout.splitlines() if "CREATE_COMPLETE" in line and "EventStream" in line
    ]
    assert len(progress) == 1
    outputs = dict(line.split() for line in ran.stdout.split("Outputs:\n")[1].splitlines())
    assert outputs["EventStreamName"] == "personalize-api-new-events"
    assert outputs["RecommendationsUrl"].startswith(f"https://{outputs['RestAPIId']}.execute-api.us-east-1.")
    assert outputs["RecommendationsUrl"].endswith("/api/recommendations")
    key = client("apigateway").get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)
    assert len(key["value"]) >= 20
    assert f"/api-keys/{outputs['ApiKeyId']}?" in outputs["ApiKeyConsoleUrl"]
    tags = client("cloudformation").describe_stacks(StackName="personalize-api-new")["Stacks"][0]["Tags"]
    assert {"Key": "stage", "Value": "local"} in tags


def test_the_program_changes_nothing_without_a_yes(program, client):
    options = [option for name, value in REQUIRED.items() for option in ("--parameter", f"{name}={value}")]
    ran = program("stack", "--stage", "local", "--stack-name", "personalize-api-asked", *options)
    assert ran.returncode == 1
    assert ran.stderr == "Nothing was changed: --yes is needed where nobody can be asked.\n"
    with pytest.raises(client("cloudformation").exceptions.ClientError, match="does not exist"):
        client("cloudformation").describe_stacks(StackName="personalize-api-asked")


def test_a_missing_parameter_is_named_before_anything_is_made(program):
    ran = program("stack", "--stage", "local", "--stack-name", "personalize-api-missing", "--yes")
    assert ran.returncode == 1
    assert ran.stderr.startswith("A value is missing. Give --parameter CampaignArn=...")
    assert "Traceback" not in ran.stderr


def test_deploying_again_is_a_success_that_changes_nothing(deployed, deploy):
    outputs, lines = deploy(**REQUIRED)
    assert outputs == deployed
    assert lines == [f"The stack {STACK} is up to date: no changes."]


def test_the_switch_turns_mapping_and_function_together(deployed, deploy, client):
    function = deployed["DeliverEventsName"]
    for value, types in (("false", []), ("true", ["ReportBatchItemFailures"])):
        deploy(ReportBatchItemFailures=value)
        [mapping] = client("lambda").list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
        configuration = client("lambda").get_function_configuration(FunctionName=function)
        assert mapping.get("FunctionResponseTypes", []) == types
        assert configuration["Environment"]["Variables"]["REPORT_BATCH_ITEM_FAILURES"] == value


def test_an_update_keeps_the_parameters_that_are_not_given(deployed, deploy, client):
    _, lines = deploy(MonthlyQuota="1000")
    assert any("UPDATE_COMPLETE" in line and "UsagePlan" in line for line in lines)
    parameters = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["Parameters"]
    values = {p["ParameterKey"]: p["ParameterValue"] for p in parameters}
    assert values["MonthlyQuota"] == "1000"
    assert values["CampaignArn"] == CAMPAIGN_ARN


def test_a_failing_update_gives_the_reason_and_leaves_the_stack_as_it_was(deployed, deploy, client):
    client("s3").create_bucket(Bucket="taken-by-somebody")
    with pytest.raises(StackError) as raised:
        deploy(EventsBucketName="taken-by-somebody")
    assert str(raised.value) == (
        f"The stack {STACK} could not be deployed. EventsBucket (AWS::S3::Bucket): Resource of type "
        "'AWS::S3::Bucket' with identifier 'taken-by-somebody' already exists.\n"
        "The stack is rolled back and works as before."
    )
    assert status(client) == "UPDATE_ROLLBACK_COMPLETE"
    assert deploy()[0] == deployed


def test_a_stack_whose_creation_failed_says_how_to_go_on(deploy, client):
    client("s3").create_bucket(Bucket="taken-by-another")
    with pytest.raises(StackError, match=r"taken-by-another.* already exists"):
        deploy("personalize-api-failed", **REQUIRED, EventsBucketName="taken-by-another")
    with pytest.raises(StackError, match=r"ROLLBACK_COMPLETE and cannot be changed.*delete-stack"):
        deploy("personalize-api-failed", **REQUIRED)
    client("cloudformation").delete_stack(StackName="personalize-api-failed")
    assert "EventStreamName" in deploy("personalize-api-failed", **REQUIRED)[0]


def test_a_malformed_parameter_is_refused_with_the_form_it_should_have(deployed, deploy):
    with pytest.raises(AwsError, match="must look like arn:aws:personalize"):
        deploy(CampaignArn="my-campaign")


def test_a_large_template_goes_through_the_bucket(deployed, deploy, monkeypatch):
    monkeypatch.setattr(changes, "INLINE_LIMIT", 1000)
    assert deploy(ThrottleBurstLimit="7")[0] == deployed


def test_the_code_is_uploaded_once_to_a_private_bucket(deployed, deploy, client):
    bucket = "personalize-api-deployments-000000000000-us-east-1"
    deploy(ThrottleBurstLimit="8")
    keys = [entry["Key"] for entry in client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert len([key for key in keys if key.startswith(f"{STACK}/") and key.endswith(".zip")]) == 1
    blocked = client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert all(blocked.values())


def test_an_emulator_that_is_not_there_is_a_sentence(session):
    with pytest.raises(AwsError, match="AWS could not be reached"):
        deploy_stack(package("local"), STACK, REQUIRED, session, print, endpoint_url="http://127.0.0.1:9")


def test_a_taken_port_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(EmulatorError, match=f"Port {port} on 127.0.0.1 is taken"),
            running_emulator(port=port, state_dir=tmp_path),
        ):
            pass


def test_the_emulator_remembers_and_leaves_nothing_running(tmp_path, session):
    for expected in ([], ["kept"]):
        with running_emulator(state_dir=tmp_path) as emulator:
            s3 = session.client("s3", endpoint_url=emulator.url)
            assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == expected
            if not expected:
                s3.create_bucket(Bucket="kept")
            s3.close()
        assert emulator.process.poll() is not None
