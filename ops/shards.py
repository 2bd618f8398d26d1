"""What Kinesis would refuse of a change of the stream's capacity, found before CloudFormation is asked.

UpdateShardCount takes from half to double the open shards, and at most 10,000 (API_UpdateShardCount). A
stream that was on demand keeps its open shards when it becomes provisioned, so the same bounds hold then.
The API tells nobody how many changes of the last 24 hours there were: ten of the count and two of the
mode are its limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import boto3

from ops.command_lines import shell_line
from ops.errors import InputError, readable_aws_errors
from ops.locate import Deployment

PARAMETER = "ShardCount"
ON_DEMAND = 0
MAX_SHARDS = 10_000


def check_shard_change(
    deployment: Deployment | None, values: Mapping[str, str], session: boto3.Session
) -> None:
    """Raise InputError for a ShardCount that the deployed stream cannot be changed to. Reads only."""
    if deployment is None or PARAMETER not in values or "EventStreamName" not in deployment.outputs:
        return
    if values[PARAMETER] == deployment.parameters.get(PARAMETER):
        return
    kinesis: Any = cast(Any, session).client("kinesis")
    with readable_aws_errors():
        described = kinesis.describe_stream_summary(StreamName=deployment.outputs["EventStreamName"])
    check_shard_count(int(values[PARAMETER]), described["StreamDescriptionSummary"])


def check_shard_count(wanted: int, stream: Mapping[str, Any]) -> None:
    """Raise InputError for a count that the stream cannot be changed to, with the next one that it can. Pure.

    ``wanted`` is 0 for on demand. ``stream`` is what DescribeStreamSummary returns.
    """
    name, open_shards = stream["StreamName"], stream["OpenShardCount"]
    if stream["StreamStatus"] != "ACTIVE":
        command = shell_line("aws", "kinesis", "describe-stream-summary", "--stream-name", name)
        raise InputError(
            f"ShardCount cannot be changed now: the stream {name} is {stream['StreamStatus']}. Wait until it "
            f"is ACTIVE ({command}), then run this again."
        )
    if wanted == ON_DEMAND:
        return
    least, most = -(-open_shards // 2), min(2 * open_shards, MAX_SHARDS)
    allowed = min(max(wanted, least), most)
    if wanted == allowed:
        return
    if wanted > MAX_SHARDS:
        raise InputError(f"ShardCount is {wanted}; Kinesis takes at most {MAX_SHARDS} shards.")
    mode = stream.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED")
    now = "is on demand now and has" if mode == "ON_DEMAND" else "has"
    raise InputError(
        f"ShardCount is {wanted}; the stream {name} {now} {open_shards} open shards, and Kinesis changes "
        f"them to {least} through {most} at a time. Deploy with --parameter ShardCount={allowed} first, then "
        "go on."
    )
