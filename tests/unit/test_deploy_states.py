"""Every state of CloudFormation has a meaning and, where no change is possible, the right remedy."""

import boto3
import pytest

from ops.cloudformation import changes, states
from ops.cloudformation.states import STATES, remedy_for, state_of
from ops.errors import StackError

MODEL = boto3.client("cloudformation", region_name="us-east-1").meta.service_model
ALL = MODEL.shape_for("StackStatus").enum
WAITING = [status for status in ALL if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"]
NEVER_WORKED = ["CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"]


def test_the_table_has_every_state_of_the_api_and_no_other():
    assert sorted(STATES) == sorted(ALL)


@pytest.mark.parametrize("status", ALL)
def test_a_state_takes_a_change_or_has_a_remedy_and_never_both(status):
    state = state_of(status)
    assert state.meaning
    assert bool(state.operation) is not bool(state.remedy)
    assert "{" not in remedy_for(status, "s")


@pytest.mark.parametrize("status", WAITING)
def test_a_change_under_way_is_waited_for(status):
    assert remedy_for(status, "s") == "Another change is under way: wait for its end"


@pytest.mark.parametrize("status", [*ALL, "A_STATE_OF_TOMORROW"])
def test_only_a_stack_that_never_worked_or_is_half_deleted_is_to_be_deleted(status):
    deleting = "delete-stack" in remedy_for(status, "s")
    assert deleting == (status in [*NEVER_WORKED, "DELETE_FAILED"])


@pytest.mark.parametrize(
    ("status", "command"),
    [
        ("UPDATE_FAILED", "rollback-stack"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("IMPORT_ROLLBACK_FAILED", "describe-stack-events"),
        ("A_STATE_OF_TOMORROW", "describe-stack-events"),
    ],
)
def test_a_stack_that_works_in_part_is_repaired(status, command):
    with pytest.raises(StackError) as raised:
        changes.operation_for("s", status)
    assert f"aws cloudformation {command} --stack-name s" in str(raised.value)
    assert "never" not in str(raised.value)


@pytest.mark.parametrize("status", ALL)
def test_a_deployment_that_ends_in_a_state_has_succeeded_or_says_what_is_left(status):
    if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}:
        changes.check_deployed("s", status, [])
        return
    with pytest.raises(StackError) as raised:
        changes.check_deployed("s", status, [])
    assert STATES[status].meaning in str(raised.value)


def test_the_parameters_of_a_stack_count_once_it_has_been_created():
    never = {status for status, state in STATES.items() if state.is_never_made}
    assert never == {*NEVER_WORKED, "ROLLBACK_IN_PROGRESS", "REVIEW_IN_PROGRESS", "DELETE_COMPLETE"}


def test_a_finished_state_is_one_that_nothing_follows():
    assert [status for status in ALL if not states.is_finished(status)] == [
        status for status in ALL if status.endswith("_IN_PROGRESS")
    ]
