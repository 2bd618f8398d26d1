"""Termination protection: CloudFormation refuses to delete a stack that has it, whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import boto3

from ops.cloudformation.stacks import describe_stack
from ops.command_lines import shell_line
from ops.errors import StackError, readable_aws_errors

PROTECTED_STAGES = frozenset({"prod"})


def protect(stage: str, stack_name: str, session: boto3.Session, report: Callable[[str], None]) -> None:
    """Give a deployed stack of a protected stage termination protection, unless it has it."""
    if stage not in PROTECTED_STAGES or _is_protected(stack_name, session):
        return
    with readable_aws_errors():
        cast(Any, session).client("cloudformation").update_termination_protection(
            StackName=stack_name, EnableTerminationProtection=True
        )
    report(f"The stack {stack_name} has termination protection: nobody deletes it by mistake.")


def check_unprotected(stack_names: Iterable[str], session: boto3.Session) -> None:
    """Raise StackError that says how to lift the protection of the stacks, if one has it.

    ``destroy`` does not lift it: who removes a protected stage says so twice. A job with ``--yes`` cannot.
    """
    protected = [name for name in stack_names if _is_protected(name, session)]
    if protected:
        commands = "\n".join(f"  {_lift(name, session.region_name)}" for name in protected)
        raise StackError(
            f"Nothing was removed: {' and '.join(protected)} has termination protection. To lift it:\n"
            f"{commands}\nThen run this again."
        )


def _is_protected(stack_name: str, session: boto3.Session) -> bool:
    return bool(describe_stack(stack_name, session).get("EnableTerminationProtection"))


def _lift(stack_name: str, region: str) -> str:
    return shell_line(
        *("aws", "cloudformation", "update-termination-protection", "--no-enable-termination-protection"),
        *("--stack-name", stack_name, "--region", region),
    )
