"""What there is to remove of a stage, and what is lost by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import boto3
from botocore.exceptions import ClientError

from ops.command_lines import shell_line
from ops.errors import readable_aws_errors
from ops.locate import Deployment, Flow, access_name, pipeline_name
from ops.stage import Stage

_MAX_COUNTED = 1000


@dataclass(frozen=True)
class Inventory:
    """What there is of a stage. ``quarantined`` and ``objects`` are counts; objects up to 1000."""

    one_stack: str | None
    access: str | None
    functions: bool
    pipeline: str | None
    bucket: str | None
    objects: int = 0
    quarantined: int = 0


def take_inventory(
    stage: Stage, deployments: Sequence[Deployment], session: boto3.Session, bucket: str | None
) -> Inventory:
    """Return what there is of a stage. Reads only.

    ``bucket`` names the archive when an earlier run has deleted the stack that named it.
    """
    names = {name for deployment in deployments for name in deployment.stacks}
    access, pipeline = access_name(stage.name), pipeline_name(stage.name)
    stepwise = [found for found in deployments if found.flow is Flow.STEPWISE]
    one_stack = next((found.stacks[0] for found in deployments if found not in stepwise), None)
    outputs = {name: value for found in deployments for name, value in found.outputs.items()}
    bucket = bucket or outputs.get("EventsBucket")
    with readable_aws_errors():
        objects = _count_objects(cast(Any, session).client("s3"), bucket) if bucket else None
        return Inventory(
            one_stack=one_stack,
            access=access if access in names and stepwise else None,
            functions=any(found.has_functions for found in stepwise),
            pipeline=pipeline if pipeline in names and stepwise else None,
            bucket=bucket if objects is not None else None,
            objects=objects or 0,
            quarantined=_count_messages(cast(Any, session).client("sqs"), outputs.get("QuarantineQueueUrl")),
        )


def removal_plan(inventory: Inventory, stage: str, *, delete_events: bool) -> list[str]:
    """Return what is removed, lost and kept, a line each. Empty when there is nothing. Pure."""
    lines = [
        f"  - stack {name}" for name in (inventory.one_stack, inventory.access, inventory.pipeline) if name
    ]
    if inventory.functions:
        made_by_chalice = f"  - what '{shell_line('chalice', 'deploy', '--stage', stage)}' made"
        lines.insert(bool(inventory.access), made_by_chalice)
    if inventory.one_stack or inventory.access:
        lines.append("Lost: the API key. Clients that use it are refused; a new deployment has another one.")
    if inventory.one_stack or inventory.functions:
        lines.append("Lost: the URLs, which a new deployment does not get back, and the functions' logs.")
    if inventory.one_stack or inventory.pipeline:
        lines.append(
            "Lost: events that are not delivered to Personalize yet. The archive has those it received."
        )
        lines.append(f"Lost: {inventory.quarantined} messages of the quarantine queue.")
    if inventory.bucket:
        count = f"{inventory.objects}{' or more' if inventory.objects == _MAX_COUNTED else ''} objects"
        if delete_events:
            lines.append(f"LOST FOR GOOD: the bucket {inventory.bucket} with every event in it ({count}).")
        else:
            lines.append(f"Kept: the bucket {inventory.bucket} with the events in it ({count}).")
    return lines


def _count_objects(s3: Any, bucket: str) -> int | None:
    """Return how many objects there are, up to 1000; None when there is no such bucket."""
    try:
        return int(s3.list_objects_v2(Bucket=bucket, MaxKeys=_MAX_COUNTED)["KeyCount"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return None
        raise


def _count_messages(sqs: Any, queue_url: str | None) -> int:
    if queue_url is None:
        return 0
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    return sum(int(counts[name]) for name in names)
