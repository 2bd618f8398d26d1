"""Removes what is deployed of a stage, by whichever way it came, and says first what is lost by it.

The archive bucket and its events are kept unless their deletion is asked for. May be interrupted and
repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import boto3
from botocore.exceptions import ClientError

from ops import stepwise as flow
from ops.chalice_command import run_chalice
from ops.cloudformation.stacks import Confirm, Report, delete_stack, describe_stack
from ops.command_lines import make_line, shell_line
from ops.errors import StackError, in_sentences
from ops.stage import Stage

_SHOWN = 1000


@dataclass(frozen=True)
class Remains:
    """What there is of a stage. ``quarantined`` and ``objects`` are counts; objects up to 1000."""

    one_stack: str | None
    access: str | None
    functions: bool
    pipeline: str | None
    bucket: str | None
    objects: int = 0
    quarantined: int = 0


def losses(remains: Remains, stage: str, *, delete_events: bool) -> list[str]:
    """What is lost and what is kept, a line each. Pure."""
    lines = [f"  - stack {name}" for name in (remains.one_stack, remains.access, remains.pipeline) if name]
    if remains.functions:
        lines.insert(
            bool(remains.access), f"  - what '{shell_line('chalice', 'deploy', '--stage', stage)}' made"
        )
    if remains.one_stack or remains.access:
        lines.append("Lost: the API key. Clients that use it are refused; a new deployment has another one.")
    if remains.one_stack or remains.functions:
        lines.append("Lost: the URLs, which a new deployment does not get back, and the functions' logs.")
    if remains.one_stack or remains.pipeline:
        lines.append(
            "Lost: events that are not delivered to Personalize yet. The archive has those it received."
        )
        lines.append(f"Lost: {remains.quarantined} messages of the quarantine queue.")
    if remains.bucket:
        count = f"{remains.objects}{' or more' if remains.objects == _SHOWN else ''} objects"
        if delete_events:
            lines.append(f"LOST FOR GOOD: the bucket {remains.bucket} with every event in it ({count}).")
        else:
            lines.append(f"Kept: the bucket {remains.bucket} with the events in it ({count}).")
    return lines


def destroy(
    stage: Stage,
    one_stack: str,
    session: boto3.Session,
    report: Report,
    *,
    confirm: Confirm,
    profile: str | None = None,
    delete_events: bool = False,
    bucket: str | None = None,
    poll_seconds: float = 2.0,
) -> None:
    """Remove it all, in the order in which one thing needs the other. StackError where that stops.

    ``bucket`` names the archive when an earlier run has already deleted the stack that named it.
    """
    stage.variables()  # a stage that config.json does not have is a misspelling, and not an empty one
    remains = survey(stage, one_stack, session, bucket)
    plan = losses(remains, stage.name, delete_events=delete_events)
    if not plan:
        report(f"Nothing is deployed of the stage {stage.name} in {session.region_name}.")
        return
    if not confirm(plan):
        raise StackError("Nothing was removed.")
    try:
        _remove(stage, remains, session, report, profile=profile, poll_seconds=poll_seconds)
        if delete_events and remains.bucket:
            with in_sentences():
                _delete_bucket(cast(Any, session).client("s3"), remains.bucket)
            report(f"The bucket {remains.bucket} is deleted.")
    except BaseException:
        if delete_events and remains.bucket:
            report(
                f"The bucket {remains.bucket} may be left. To go on: {_delete_events(stage, remains.bucket)}"
            )
        raise
    if remains.bucket and not delete_events:
        report(
            f"The events are kept in s3://{remains.bucket}. To delete them too: "
            f"{_delete_events(stage, remains.bucket)}"
        )
    report("Done.")


def _delete_events(stage: Stage, bucket: str) -> str:
    return make_line("destroy", "--delete-events", "--bucket", bucket, STAGE=stage.name)


def survey(stage: Stage, one_stack: str, session: boto3.Session, bucket: str | None) -> Remains:
    """What there is of the stage. Reads only."""
    names = (one_stack, flow.access_name(stage.name), flow.pipeline_name(stage.name))
    stacks = [describe_stack(name, session) for name in names]
    whole, access, pipeline = (name if stack else None for name, stack in zip(names, stacks, strict=True))
    outputs = {**flow.outputs_of(stacks[0]), **flow.outputs_of(stacks[2])}
    bucket = bucket or outputs.get("EventsBucket")
    with in_sentences():
        objects = _objects(cast(Any, session).client("s3"), bucket) if bucket else None
        return Remains(
            one_stack=whole,
            access=access,
            functions=stage.has_deployed(),
            pipeline=pipeline,
            bucket=bucket if objects is not None else None,
            objects=objects or 0,
            quarantined=_messages(cast(Any, session).client("sqs"), outputs.get("QuarantineQueueUrl")),
        )


def _objects(s3: Any, bucket: str) -> int | None:
    """How many there are, up to 1000; None for no such bucket."""
    try:
        return int(s3.list_objects_v2(Bucket=bucket, MaxKeys=_SHOWN)["KeyCount"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return None
        raise


def _messages(sqs: Any, queue_url: str | None) -> int:
    if queue_url is None:
        return 0
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    return sum(int(counts[name]) for name in names)


def _remove(
    stage: Stage,
    remains: Remains,
    session: boto3.Session,
    report: Report,
    *,
    profile: str | None,
    poll_seconds: float,
) -> None:
    def remove(names: Sequence[str | None]) -> None:
        for name in names:
            if name:
                delete_stack(name, session, report, poll_seconds=poll_seconds)

    # The usage plan first: API Gateway deletes no API stage that a plan refers to.
    remove([remains.one_stack, remains.access])
    if remains.functions:
        arguments = ["delete", "--stage", stage.name, *(["--profile", profile] if profile else [])]
        made = stage.deployed()
        run_chalice(stage.project_dir, arguments, {"AWS_DEFAULT_REGION": session.region_name}, report)
        with in_sentences():
            _forget_logs(
                cast(Any, session).client("logs"), [*made.log_groups, flow.log_group(made.api_function)]
            )
    remove([remains.pipeline])


def _forget_logs(logs: Any, groups: Sequence[str]) -> None:
    """'chalice delete' leaves the log groups, and takes their retention away: they would be kept for ever."""
    for group in groups:
        with suppress(logs.exceptions.ResourceNotFoundException):
            logs.delete_log_group(logGroupName=group)


def _delete_bucket(s3: Any, bucket: str) -> None:
    """Every version of every object, then the bucket. Firehose may write a last time, so more than once."""
    for last in (False, False, True):
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = [
                {"Key": entry["Key"], "VersionId": entry["VersionId"]}
                for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
            ]
            if found:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True})
        try:
            s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if last or error.response["Error"]["Code"] != "BucketNotEmpty":
                raise
        else:
            return
