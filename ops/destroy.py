"""The command that removes what is deployed of a stage, and says first what is lost by it.

The archive bucket and its events are kept unless their deletion is asked for. The command may be interrupted
and repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import boto3
from botocore.exceptions import ClientError

from ops.chalice_command import run_chalice
from ops.cloudformation.artifacts import delete_versions
from ops.cloudformation.stacks import delete_stack
from ops.command_lines import make_line
from ops.errors import DeclinedError, readable_aws_errors
from ops.inventory import Inventory, removal_plan, take_inventory
from ops.leftovers import Leftovers, with_leftovers
from ops.locate import find_all, log_group
from ops.packaging.bundle import ROOT
from ops.protection import check_unprotected
from ops.sessions import sign_in
from ops.stage import Stage
from ops.terminal import Terminal


def run_destroy(
    stage_name: str,
    terminal: Terminal,
    *,
    stack_name: str | None,
    delete_events: bool,
    bucket: str | None,
    profile: str | None,
    region: str | None,
) -> None:
    """Remove everything, each part before what it needs. Raises StackError where that stops.

    ``stack_name`` names one stack, and nothing else is removed. A stack with termination protection is an
    error that says how to lift it.
    """
    stage = Stage(ROOT, stage_name)
    session = sign_in(stage, terminal, profile=profile, region=region)
    inventory = take_inventory(stage, find_all(stage, session, stack_name), session, bucket)
    leftovers = Leftovers.find(stage.name, stack_name, session)
    stacks = filter(None, (inventory.one_stack, inventory.access, inventory.pipeline))
    check_unprotected(stacks, session)
    plan = with_leftovers(removal_plan(inventory, stage.name, delete_events=delete_events), leftovers)
    if not plan:
        terminal.report(f"Nothing is deployed of the stage {stage.name} in {session.region_name}.")
        return
    if not terminal.confirm(plan):
        raise DeclinedError(changed="Nothing was removed")
    try:
        _remove(stage, inventory, session, terminal, profile)
        leftovers.remove(session)
        if delete_events and inventory.bucket:
            with readable_aws_errors():
                _delete_bucket(cast(Any, session).client("s3"), inventory.bucket)
            terminal.report(f"The bucket {inventory.bucket} is deleted.")
    except BaseException:
        if delete_events and inventory.bucket:
            command = _delete_events(stage, inventory.bucket)
            terminal.report(f"The bucket {inventory.bucket} may be left. To go on: {command}")
        raise
    if inventory.bucket and not delete_events:
        command = _delete_events(stage, inventory.bucket)
        terminal.report(f"The events are kept in s3://{inventory.bucket}. To delete them too: {command}")
    terminal.report("Done.")


def _delete_events(stage: Stage, bucket: str) -> str:
    return make_line("destroy", "--delete-events", "--bucket", bucket, STAGE=stage.name)


def _remove(
    stage: Stage, inventory: Inventory, session: boto3.Session, terminal: Terminal, profile: str | None
) -> None:
    # The usage plan first: API Gateway deletes no API stage that a plan refers to.
    for name in filter(None, (inventory.one_stack, inventory.access)):
        delete_stack(name, session, terminal.report)
    if inventory.functions:
        _remove_functions(stage, session, terminal, profile)
    if inventory.pipeline:
        delete_stack(inventory.pipeline, session, terminal.report)


def _remove_functions(stage: Stage, session: boto3.Session, terminal: Terminal, profile: str | None) -> None:
    arguments = ["delete", "--stage", stage.name, *(["--profile", profile] if profile else [])]
    made = stage.chalice_record()
    run_chalice(stage.project_dir, arguments, {"AWS_DEFAULT_REGION": session.region_name}, terminal.report)
    with readable_aws_errors():
        groups = [*made.log_groups, log_group(made.api_function)]
        _delete_log_groups(cast(Any, session).client("logs"), groups)


def _delete_log_groups(logs: Any, groups: Sequence[str]) -> None:
    """Delete what ``chalice delete`` leaves without a retention: the logs would be kept for ever."""
    for group in groups:
        with suppress(logs.exceptions.ResourceNotFoundException):
            logs.delete_log_group(logGroupName=group)


def _delete_bucket(s3: Any, bucket: str) -> None:
    """Delete every version of every object, then the bucket. Three tries: Firehose may write a last time."""
    for last in (False, False, True):
        delete_versions(s3, bucket)
        try:
            s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if last or error.response["Error"]["Code"] != "BucketNotEmpty":
                raise
        else:
            return
