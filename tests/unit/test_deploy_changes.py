"""What CloudFormation is asked for, and what its answers are taken to mean."""

from datetime import datetime, timedelta, timezone
from typing import Any

import boto3
import pytest

from ops.cloudformation import changes
from ops.cloudformation.artifacts import Upload
from ops.errors import InputError, StackError

NOON = datetime(2026, 1, 31, 12, 34, 56, tzinfo=timezone.utc)


def event(resource, status, reason=None, kind="AWS::S3::Bucket", number=0):
    return {
        "EventId": f"{resource}-{status}-{number}",
        "LogicalResourceId": resource,
        "ResourceType": kind,
        "ResourceStatus": status,
        "Timestamp": NOON + timedelta(seconds=number),
    } | ({"ResourceStatusReason": reason} if reason else {})


@pytest.mark.parametrize(
    ("status", "operation"),
    [
        (None, "CREATE"),
        ("REVIEW_IN_PROGRESS", "CREATE"),
        ("CREATE_COMPLETE", "UPDATE"),
        ("UPDATE_COMPLETE", "UPDATE"),
        ("UPDATE_ROLLBACK_COMPLETE", "UPDATE"),
    ],
)
def test_a_stack_is_created_or_updated_by_its_state(status, operation):
    assert changes.operation_for("s", status) == operation


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("ROLLBACK_COMPLETE", "aws cloudformation delete-stack --stack-name s"),
        ("CREATE_FAILED", "aws cloudformation delete-stack --stack-name s"),
        ("DELETE_FAILED", "aws cloudformation delete-stack --stack-name s"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name s"),
        ("UPDATE_IN_PROGRESS", "wait for its end"),
    ],
)
def test_a_stack_that_cannot_be_changed_says_what_to_do(status, remedy):
    with pytest.raises(StackError, match=f"in the state {status} and cannot be changed.*{remedy}"):
        changes.operation_for("s", status)


@pytest.mark.parametrize(
    "name", ["", "1stack", "with_underscore", "a" * 37, "ü", "Shop", "personalize-api-QA"]
)
def test_a_name_that_cannot_be_a_stack_is_refused(name):
    with pytest.raises(InputError, match="cannot be the name of the stack"):
        changes.check_stack_name(name)


def test_the_longest_name_leaves_room_for_the_longest_function_name():
    changes.check_stack_name("a" * 36)
    assert len("a" * 36 + "-DeliverEvents-" + "x" * 12) <= 64


def test_the_uploaded_zip_takes_the_place_of_the_local_one_and_nothing_else_changes():
    template: dict[str, Any] = {
        "Resources": {
            "Function": {"Type": "F", "Properties": {"CodeUri": "./deployment.zip", "Timeout": 3}},
            "Other": {"Type": "O"},
        }
    }
    assert changes.with_code(template, Upload("bucket", "key", "v1"))["Resources"] == {
        "Function": {
            "Type": "F",
            "Properties": {"CodeUri": {"Bucket": "bucket", "Key": "key", "Version": "v1"}, "Timeout": 3},
        },
        "Other": {"Type": "O"},
    }
    assert template["Resources"]["Function"]["Properties"]["CodeUri"] == "./deployment.zip"


def change(action, resource, replacement=None, policy=None):
    entry = {"Action": action, "LogicalResourceId": resource, "ResourceType": "AWS::S3::Bucket"}
    entry |= {"Replacement": replacement} if replacement else {}
    return {"ResourceChange": entry | ({"PolicyAction": policy} if policy else {})}


def test_the_plan_names_each_resource_and_warns_of_a_replacement():
    lines = changes.change_lines(
        [
            change("Add", "A"),
            change("Modify", "B", "False"),
            change("Modify", "C", "True", "ReplaceAndDelete"),
            change("Remove", "D", policy="Delete"),
        ]
    )
    assert [line.split()[0] for line in lines[:-1]] == ["+", "~", "!", "-"]
    assert lines[2].endswith("C  (replaced: what it holds is lost)")
    assert lines[-1] == "Plan: 1 to add, 1 to change, 1 to replace, 1 to remove."


@pytest.mark.parametrize(
    ("planned", "line"),
    [
        (
            change("Modify", "C", "Conditional", "ReplaceAndDelete"),
            "? AWS::S3::Bucket C (may be replaced, which CloudFormation decides when it carries the "
            "plan out; then what it holds is lost)",
        ),
        (
            change("Modify", "C", "Conditional", "ReplaceAndRetain"),
            "? AWS::S3::Bucket C (may be replaced, which CloudFormation decides when it carries the "
            "plan out; then the old one is kept, and nothing uses it any more)",
        ),
        (
            change("Modify", "C", "True", "ReplaceAndRetain"),
            "! AWS::S3::Bucket C (replaced: the old one is kept, and nothing uses it any more)",
        ),
        (
            change("Remove", "C", policy="Retain"),
            "- AWS::S3::Bucket C (removed from the stack; the resource is kept)",
        ),
        (
            change("Import", "C"),
            "= AWS::S3::Bucket C (Import: the one that exists is taken over with what it holds)",
        ),
        (
            change("Dynamic", "C"),
            "? AWS::S3::Bucket C (CloudFormation decides what to do when it carries the plan out)",
        ),
        (change("SyncWithActual", "C"), "~ AWS::S3::Bucket C"),
    ],
)
def test_the_plan_says_what_becomes_of_a_resource_and_of_what_it_holds(planned, line):
    shown, count = changes.change_lines([planned])
    assert " ".join(shown.split()) == line
    assert count.startswith("Plan: 1 ")


def test_every_action_and_replacement_of_the_api_has_a_line():
    model = boto3.client("cloudformation", region_name="us-east-1").meta.service_model
    for action in model.shape_for("ChangeAction").enum:
        for replacement in (None, *model.shape_for("Replacement").enum):
            for policy in (None, *model.shape_for("PolicyAction").enum):
                assert len(changes.change_lines([change(action, "C", replacement, policy)])) == 2


def test_a_progress_line_is_one_line_and_a_failure_has_its_reason_below():
    assert changes.progress_line(event("EventsBucket", "CREATE_COMPLETE", "made")).split() == [
        "12:34:56",
        "CREATE_COMPLETE",
        "AWS::S3::Bucket",
        "EventsBucket",
    ]
    assert (
        changes.progress_line(event("B", "CREATE_FAILED", "it exists")).splitlines()[1].strip() == "it exists"
    )


def test_a_beginning_is_told_only_while_its_end_is_not_known():
    started, initiated = (
        event("A", "CREATE_IN_PROGRESS"),
        event("A", "CREATE_IN_PROGRESS", "Resource creation Initiated", number=1),
    )
    ended, waiting = event("A", "CREATE_COMPLETE", number=2), event("B", "CREATE_IN_PROGRESS")
    assert changes.events_to_report([started, waiting, ended]) == [waiting, ended]
    assert changes.events_to_report([started]) == [started]
    assert changes.events_to_report([initiated]) == []


def test_the_first_failure_is_the_cause_and_not_what_it_cancelled():
    events = [
        event("A", "CREATE_FAILED", "Resource creation cancelled"),
        event("s", "CREATE_FAILED", "The following resource(s) failed", "AWS::CloudFormation::Stack"),
        event("B", "CREATE_FAILED", "already exists"),
        event("C", "CREATE_FAILED", "later"),
    ]
    assert changes.first_failure(events, "s") == "B (AWS::S3::Bucket): already exists"
    assert changes.first_failure([event("A", "CREATE_COMPLETE")], "s") is None


def test_a_validation_that_failed_is_told_as_a_failure():
    old = {
        "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": "B",
        "ResourceType": "AWS::S3::Bucket",
        "ValidationFailureMode": "FAIL",
        "ValidationStatusReason": "exists",
        "Timestamp": NOON - timedelta(hours=1),
    }
    new = old | {"Timestamp": NOON, "ValidationStatusReason": "exists still"}
    warning = new | {"ValidationFailureMode": "WARN"}
    other = {"EventType": "STACK_EVENT", "Timestamp": NOON}
    refused = changes.refused_resources([old, warning, other, new], since=NOON)
    assert changes.first_failure(refused, "s") == "B (AWS::S3::Bucket): exists still"
    assert len(refused) == 1


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE"])
def test_a_stack_that_ended_well_is_no_error(status):
    changes.check_deployed("s", status, [])


@pytest.mark.parametrize(
    ("status", "left"),
    [
        ("ROLLBACK_COMPLETE", "delete-stack --stack-name s"),
        ("UPDATE_ROLLBACK_COMPLETE", "works as before"),
        ("UPDATE_ROLLBACK_FAILED", "left in the state UPDATE_ROLLBACK_FAILED"),
    ],
)
def test_a_failed_deployment_gives_the_reason_and_the_state_it_leaves(status, left):
    with pytest.raises(StackError) as raised:
        changes.check_deployed("s", status, [event("B", "UPDATE_FAILED", "no such key")])
    first, second = str(raised.value).splitlines()
    assert first == "The stack s could not be deployed. B (AWS::S3::Bucket): no such key"
    assert left in second


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information.",
        "No updates are to be performed.",
    ],
)
def test_no_changes_is_told_from_a_failure(reason):
    assert changes.means_no_changes(reason)
    assert not changes.means_no_changes("Template error")
