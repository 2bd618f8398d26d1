"""What of a stage is found, and where, when CloudFormation says what there is: scripted by the Stubber.

The integration tests find what each flow has really deployed.
"""

import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops import locate
from ops.errors import DeployedOtherwiseError, NotDeployedError
from ops.inventory import removal_plan, take_inventory
from ops.locate import Flow
from ops.packaging.bundle import ROOT
from ops.stage import Stage
from tests.support.clone import config_as_cloned

ONE, ACCESS, PIPELINE = "personalize-api-dev", "personalize-api-dev-access", "personalize-api-dev-pipeline"
URL = "https://abc.execute-api.us-east-1.amazonaws.com/api/recommendations"
OF_PIPELINE = {"EventStreamName": "stream", "QuarantineQueueUrl": "https://queue", "EventsBucket": "bucket"}


@pytest.fixture
def stage(tmp_path):
    (tmp_path / ".chalice" / "deployed").mkdir(parents=True)
    (tmp_path / ".chalice" / "config.json").write_text(config_as_cloned(ROOT / ".chalice" / "config.json"))
    return Stage(tmp_path, "dev")


@pytest.fixture
def session():
    """A session with one client: CloudFormation, which knows the scripted stacks."""
    made: Any = boto3.Session(region_name="us-east-1")
    client = made.client("cloudformation")
    made.client = lambda *_, **__: client
    with Stubber(client) as stub:
        made.stub = stub
        yield made
        stub.assert_no_pending_responses()


def script(session, name, outputs=None, status="CREATE_COMPLETE", **parameters):
    """Script one description. ``outputs`` None: there is no such stack."""
    if outputs is None:
        session.stub.add_client_error(
            "describe_stacks",
            "ValidationError",
            f"Stack {name} does not exist",
            400,
            None,
            {"StackName": name},
        )
        return
    described = {
        "StackName": name,
        "CreationTime": "2026-01-01T00:00:00Z",
        "StackStatus": status,
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    }
    session.stub.add_response("describe_stacks", {"Stacks": [described]}, {"StackName": name})


def record(stage, **api):
    """Write what Chalice writes; without an API it is the record of a half deployment."""
    resources = [
        {"resource_type": "lambda_function", "name": "api_handler", "lambda_arn": "a:b:dev"},
        {
            "resource_type": "lambda_function",
            "name": "deliver_events",
            "lambda_arn": "a:b:dev-deliver_events",
        },
        {"resource_type": "kinesis_event", "name": "events", "event_uuid": "uuid"},
    ]
    if api:
        resources.append({"resource_type": "rest_api", "name": "rest_api"} | api)
    path = stage.project_dir / ".chalice" / "deployed" / "dev.json"
    path.write_text(json.dumps({"resources": resources}))


def test_one_stack_is_found_with_its_outputs_and_parameters(stage, session):
    whole = OF_PIPELINE | {"RecommendationsUrl": URL, "RestAPIId": "abc", "DeliverEventsName": "deliver"}
    script(session, ONE, whole, ReportBatchItemFailures="true")
    script(session, ACCESS)
    script(session, PIPELINE)
    found = locate.locate_whole(stage, session)
    assert (found.flow, found.stacks, found.region) == (Flow.ONE_STACK, (ONE,), "us-east-1")
    assert (found.api_id, found.api_stage, found.delivery_function) == ("abc", "api", "deliver")
    assert found.parameters == {"ReportBatchItemFailures": "true"}


def test_three_steps_are_found_as_one_deployment(stage, session):
    record(stage, rest_api_id="abc", rest_api_url="https://abc.execute-api.us-east-1.amazonaws.com/api/")
    script(session, ONE)
    script(session, ACCESS, {"RecommendationsUrl": URL, "ApiKeyId": "key"})
    script(session, PIPELINE, OF_PIPELINE)
    found = locate.locate_whole(stage, session)
    assert (found.flow, found.stacks) == (Flow.STEPWISE, (ACCESS, PIPELINE))
    assert (found.api_id, found.api_stage, found.delivery_function) == ("abc", "api", "dev-deliver_events")
    assert found.output("QuarantineQueueUrl") == "https://queue"
    assert found.output("ApiKeyId") == "key"


def test_the_pipeline_alone_is_enough_for_redrive_and_too_little_for_doctor(stage, session):
    for _ in range(2):
        script(session, ONE)
        script(session, ACCESS)
        script(session, PIPELINE, OF_PIPELINE)
    assert locate.locate(stage, session).output("EventStreamName") == "stream"
    with pytest.raises(NotDeployedError, match="The stage dev is not deployed in us-east-1, or not whole"):
        locate.locate_whole(stage, session)


def test_a_stack_that_was_never_made_hides_no_deployment_and_its_parameters_count_for_nothing(stage, session):
    script(session, ONE, {}, status="ROLLBACK_COMPLETE", CampaignArn="arn")
    script(session, ACCESS)
    script(session, PIPELINE, OF_PIPELINE)
    assert locate.locate(stage, session).flow is Flow.STEPWISE
    script(session, ONE, {}, status="ROLLBACK_COMPLETE", CampaignArn="arn")
    assert locate.find_one_stack(stage, session).parameters == {}


def test_a_stack_name_names_one_stack_and_nothing_else_is_looked_for(stage, session):
    script(session, "mine", OF_PIPELINE)
    script(session, "theirs")
    assert [found.stacks for found in locate.find_all(stage, session, "mine")] == [("mine",)]
    with pytest.raises(NotDeployedError, match="The stack theirs does not exist in us-east-1"):
        locate.locate(stage, session, "theirs")


def test_a_stack_without_the_output_is_named(stage, session):
    script(session, "mine", {"Other": "x"})
    with pytest.raises(NotDeployedError, match="The stack mine has no output QuarantineQueueUrl"):
        locate.locate(stage, session, "mine").output("QuarantineQueueUrl")


def test_a_half_record_of_chalice_is_said_to_doctor_and_still_removed(stage, session):
    record(stage)
    for _ in range(2):
        script(session, ONE)
        script(session, ACCESS, {"RecommendationsUrl": URL})
        script(session, PIPELINE, {"EventStreamName": "stream"})
    with pytest.raises(NotDeployedError, match="names no API, functions and event source"):
        locate.locate_whole(stage, session)
    inventory = take_inventory(stage, locate.find_all(stage, session), session, None)
    assert inventory.functions
    assert removal_plan(inventory, "dev", delete_events=False)[:3] == [
        f"  - stack {ACCESS}",
        "  - what 'chalice deploy --stage dev' made",
        f"  - stack {PIPELINE}",
    ]


def test_each_way_to_deploy_refuses_what_the_other_has_deployed(stage, session):
    script(session, ONE, {})
    with pytest.raises(DeployedOtherwiseError, match=f"deployed already, as the one stack {ONE}. Update it"):
        locate.check_not_one_stack(stage, session)
    script(session, ACCESS)
    script(session, PIPELINE, OF_PIPELINE)
    with pytest.raises(DeployedOtherwiseError, match=r"deployed already, step by step\. Update it"):
        locate.check_not_stepwise(stage, session)
    script(session, ONE)
    locate.check_not_one_stack(stage, session)
