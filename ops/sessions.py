"""Sessions with AWS, or with the emulator that ``make run`` started."""

from __future__ import annotations

from typing import Any, cast

import boto3

from ops import local_stage
from ops.errors import InputError, readable_aws_errors
from ops.stage import Stage
from ops.terminal import Terminal


def open_session(
    stage: Stage, *, profile: str | None, region: str | None, stack_name: str | None = None
) -> boto3.Session:
    """Return the session that reaches a stage. For the stage ``local`` it reaches the local stack only."""
    if stage.name == local_stage.STAGE:
        if profile or region or stack_name:
            raise InputError(
                "STAGE=local takes no --profile, --region or --stack-name: it is on this machine."
            )
        return local_stage.LocalSession(local_stage.read_coordinates(stage.project_dir).aws_endpoint_url)
    with readable_aws_errors():
        return boto3.Session(profile_name=profile, region_name=region)


def sign_in(stage: Stage, terminal: Terminal, *, profile: str | None, region: str | None) -> boto3.Session:
    """Return a session that may change AWS, and report whose account and which region it is.

    A session that does not work fails here, before anything is asked or made. Raises AwsError, and
    InputError for the stage ``local``.
    """
    local_stage.refuse_local(stage.name)
    session = open_session(stage, profile=profile, region=region)
    with readable_aws_errors():
        caller = cast(Any, session).client("sts").get_caller_identity()
    terminal.report(f"Account {caller['Account']}, region {session.region_name}, stage {stage.name}")
    return session
