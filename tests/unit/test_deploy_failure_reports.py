"""The switch for failed items on a stack in use: the event source reads reports while any may be sent."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops import failure_reports
from ops.cloudformation.operations import NO_PRECAUTIONS, Precautions
from ops.cloudformation.stacks import deploy_template
from ops.errors import DeclinedError, InputError, StackError
from ops.locate import Deployment, Flow
from tests.support.fake_lambda import FakeLambda

REPORTS = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}


def deployment(standing):
    return Deployment(
        "us-east-1",
        "prod",
        Flow.ONE_STACK,
        ("s",),
        {"DeliverEventsName": "deliver"},
        {"ReportBatchItemFailures": standing},
        has_functions=True,
    )


def precautions(fake, standing, wanted, said=None):
    session: Any = boto3.Session(region_name="us-east-1")
    session.client = lambda *_, **__: fake.client
    values = {"ReportBatchItemFailures": wanted} if wanted else {}
    report = [].append if said is None else said.append
    return failure_reports.switch_precautions(
        deployment(standing), values, session, report, sleep=fake.sleep, now=fake.now
    )


def test_before_the_function_reports_the_event_source_reads_reports():
    fake = FakeLambda("Updating", seconds=10)
    precautions(fake, "false", "true").prepare()
    assert (fake.updates, fake.state) == ([REPORTS], "Enabled")


def test_before_the_event_source_ignores_reports_no_invocation_is_left_that_sends_any():
    fake = FakeLambda(**REPORTS)
    precautions(fake, "true", "false").prepare()
    assert fake.variables == {"REPORT_BATCH_ITEM_FAILURES": "false", "LOG_LEVEL": "INFO"}
    assert fake.updates == []
    assert fake.clock >= 4 + 120  # until the function is changed, and then its time-out


@pytest.mark.parametrize(("standing", "wanted"), [("true", "true"), ("false", "false"), ("true", None)])
def test_a_switch_that_stays_as_it_is_needs_no_precaution(standing, wanted):
    assert precautions(FakeLambda(), standing, wanted) is NO_PRECAUTIONS


def test_a_new_stack_needs_no_precaution():
    session = boto3.Session(region_name="us-east-1")
    values = {"ReportBatchItemFailures": "false"}
    assert failure_reports.switch_precautions(None, values, session, print) is NO_PRECAUTIONS


def test_a_function_that_cannot_be_changed_stops_the_deployment():
    fake = FakeLambda(**REPORTS)
    fake.function_reason = "The image is gone."
    with pytest.raises(StackError, match=r"deliver could not be changed\. The image is gone\."):
        precautions(fake, "true", "false").prepare()


def change(name, *evaluations):
    details = [{"Evaluation": evaluation} for evaluation in evaluations]
    return {
        "ResourceChange": {
            "Action": "Modify",
            "LogicalResourceId": name,
            "ResourceType": "T",
            "Details": details,
        }
    }


SWITCH = [change("DeliverEvents", "Static"), change("DeliverEventsDeliverEventsKinesisEventSource", "Static")]


@pytest.mark.parametrize(("standing", "wanted"), [("true", "false"), ("false", "true")])
def test_the_switch_is_changed_alone(standing, wanted):
    check = precautions(FakeLambda(), standing, wanted).check
    check([*SWITCH, change("DeliveryErrorsAlarm", "Dynamic")])
    with pytest.raises(InputError, match=r"also changes UsagePlan\..*Deploy the rest first"):
        check([*SWITCH, change("UsagePlan", "Static", "Dynamic")])


@pytest.mark.parametrize("value", ["true", "True", "yes"])
def test_the_stepwise_flow_refuses_what_its_event_source_cannot_do(value):
    with pytest.raises(InputError, match=r"failed events would be lost\. Set it to false"):
        failure_reports.check_stepwise_reports({"REPORT_BATCH_ITEM_FAILURES": value})
    failure_reports.check_stepwise_reports({"REPORT_BATCH_ITEM_FAILURES": "false"})
    failure_reports.check_stepwise_reports({})


@pytest.fixture
def cloudformation():
    """A session whose CloudFormation has a stack and a plan, and the script of what it is asked then."""
    session: Any = boto3.Session(region_name="us-east-1")
    client = session.client("cloudformation")
    session.client = lambda *_, **__: client
    with Stubber(client) as stub:
        described = {"StackName": "s", "StackId": "id", "CreationTime": 0, "StackStatus": "CREATE_COMPLETE"}
        stub.add_response("describe_stacks", {"Stacks": [described]})
        stub.add_response("create_change_set", {"Id": "arn:change", "StackId": "id"})
        for _ in range(2):
            stub.add_response("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": SWITCH})
        yield session, stub, described
        stub.assert_no_pending_responses()


def test_what_comes_first_is_done_after_the_yes_and_before_the_stack_is_changed(cloudformation):
    session, stub, described = cloudformation
    order = []
    client = session.client("cloudformation")
    client.meta.events.register(
        "provide-client-params.cloudformation.ExecuteChangeSet", lambda **_: order.append("execute")
    )
    stub.add_response("describe_stack_events", {"StackEvents": []})
    stub.add_response("execute_change_set", {})
    stub.add_response("describe_stacks", {"Stacks": [described | {"StackStatus": "UPDATE_COMPLETE"}]})
    stub.add_response("describe_stack_events", {"StackEvents": []})
    stub.add_response("describe_stacks", {"Stacks": [described]})

    def confirm(_):
        order.append("yes")
        return True

    careful = Precautions(lambda _: order.append("check"), lambda: order.append("prepare"))
    deploy_template({"Resources": {}}, "s", {}, session, print, confirm=confirm, precautions=careful)
    assert order == ["check", "yes", "prepare", "execute"]


@pytest.mark.parametrize("agreed", [True, False])
def test_a_plan_that_is_refused_or_declined_is_discarded_and_nothing_is_prepared(cloudformation, agreed):
    session, stub, _ = cloudformation
    stub.add_response("delete_change_set", {}, {"ChangeSetName": "arn:change", "StackName": "id"})
    prepared: list[str] = []

    def check(_):
        if agreed:
            raise InputError("not so")

    careful = Precautions(check, lambda: prepared.append("prepare"))
    with pytest.raises(InputError if agreed else DeclinedError):
        deploy_template(
            {"Resources": {}}, "s", {}, session, print, confirm=lambda _: agreed, precautions=careful
        )
    assert prepared == []
