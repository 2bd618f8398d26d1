"""The states of a stack: what each means, and what an operator does about it. Pure.

The meanings are those of the page "Understand CloudFormation stack creation events and status codes", and of
the API's pages on RollbackStack and ContinueUpdateRollback.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ops.command_lines import shell_line

ChangeSetType = Literal["CREATE", "UPDATE"]

_WAIT = "Another change is under way: wait for its end"
_DELETE = "Delete it ({delete-stack})"
_ROLL_BACK = "Roll it back ({rollback-stack})"
_CONTINUE = "Remove the cause, then finish its roll-back ({continue-update-rollback})"
_EVENTS = "Read why ({describe-stack-events}) and ask AWS Support. Do not delete the stack"
_COMMANDS = ("delete-stack", "rollback-stack", "continue-update-rollback", "describe-stack-events")


@dataclass(frozen=True)
class StackState:
    """One state.

    ``meaning`` is a clause about "the stack". ``operation`` is the type of change set that the state takes;
    None when it takes none, and then ``remedy`` says what to do. ``is_deployed``: a deployment that ends here
    has succeeded. ``is_never_made``: no creation has succeeded, so the stack's parameters count for nothing.
    """

    meaning: str
    operation: ChangeSetType | None = None
    remedy: str = ""
    is_deployed: bool = False
    is_never_made: bool = False


STATES: dict[str, StackState] = {
    "REVIEW_IN_PROGRESS": StackState("has a plan that nobody has carried out", "CREATE", is_never_made=True),
    "CREATE_IN_PROGRESS": StackState("is being created", remedy=_WAIT),
    "CREATE_COMPLETE": StackState("is created", "UPDATE", is_deployed=True),
    "CREATE_FAILED": StackState("was never created whole", remedy=_DELETE, is_never_made=True),
    "ROLLBACK_IN_PROGRESS": StackState(
        "could not be created, and what was made of it is being removed", remedy=_WAIT, is_never_made=True
    ),
    "ROLLBACK_COMPLETE": StackState(
        "could not be created, and what was made of it is removed again", remedy=_DELETE, is_never_made=True
    ),
    "ROLLBACK_FAILED": StackState(
        "could not be created, and a part of what was made of it could not be removed",
        remedy=_DELETE,
        is_never_made=True,
    ),
    "UPDATE_IN_PROGRESS": StackState("is being changed", remedy=_WAIT),
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": StackState(
        "is changed, and what was replaced is being removed", remedy=_WAIT
    ),
    "UPDATE_COMPLETE": StackState("is changed", "UPDATE", is_deployed=True),
    "UPDATE_FAILED": StackState(
        "is deployed, and its last change failed and was not rolled back", remedy=_ROLL_BACK
    ),
    "UPDATE_ROLLBACK_IN_PROGRESS": StackState("is being rolled back after a failed change", remedy=_WAIT),
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": StackState(
        "is rolled back after a failed change, and what was new is being removed", remedy=_WAIT
    ),
    "UPDATE_ROLLBACK_COMPLETE": StackState("is rolled back and works as before", "UPDATE"),
    "UPDATE_ROLLBACK_FAILED": StackState(
        "is deployed, and the roll-back of its last change failed", remedy=_CONTINUE
    ),
    "IMPORT_IN_PROGRESS": StackState("is taking over resources that exist", remedy=_WAIT),
    "IMPORT_COMPLETE": StackState("has taken over resources", "UPDATE", is_deployed=True),
    "IMPORT_ROLLBACK_IN_PROGRESS": StackState(
        "could not take over resources and is being rolled back", remedy=_WAIT
    ),
    "IMPORT_ROLLBACK_COMPLETE": StackState("could not take over resources and is as it was before", "UPDATE"),
    "IMPORT_ROLLBACK_FAILED": StackState(
        "could not take over resources, and its roll-back failed", remedy=_EVENTS
    ),
    "DELETE_IN_PROGRESS": StackState("is being deleted", remedy=_WAIT),
    "DELETE_COMPLETE": StackState("is deleted", "CREATE", is_never_made=True),
    "DELETE_FAILED": StackState(
        "is deleted in part, and the rest could not be deleted",
        remedy="Remove the cause, then delete it again ({delete-stack})",
    ),
}
"""Every StackStatus of the API; a test holds the table to botocore's model."""


def state_of(status: str) -> StackState:
    """Return the state. One that AWS has added since takes no change set, and the remedy says to look."""
    return STATES.get(status) or StackState("is in a state that this program does not know", remedy=_EVENTS)


def remedy_for(status: str, stack_name: str) -> str:
    """Return what to do about a stack that takes no change set: a sentence without its full stop."""
    remedy = state_of(status).remedy
    for command in _COMMANDS:
        line = shell_line("aws", "cloudformation", command, "--stack-name", stack_name)
        remedy = remedy.replace(f"{{{command}}}", line)
    return remedy


def is_finished(status: str) -> bool:
    """Return whether a status is not one of a change under way."""
    return not status.endswith("_IN_PROGRESS")
