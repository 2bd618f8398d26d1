"""What Kinesis refuses of a change of capacity is refused before CloudFormation is asked."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops.errors import InputError
from ops.locate import Deployment, Flow
from ops.shards import check_shard_change, check_shard_count


def stream(open_shards, mode="PROVISIONED", status="ACTIVE"):
    return {
        "StreamName": "events",
        "StreamARN": "arn",
        "StreamStatus": status,
        "StreamModeDetails": {"StreamMode": mode},
        "RetentionPeriodHours": 72,
        "StreamCreationTimestamp": 0,
        "EnhancedMonitoring": [],
        "OpenShardCount": open_shards,
    }


@pytest.mark.parametrize(("open_shards", "wanted"), [(4, 2), (4, 8), (4, 4), (5, 3), (1, 1), (1, 2), (7, 0)])
@pytest.mark.parametrize("mode", ["PROVISIONED", "ON_DEMAND"])
def test_from_half_to_double_is_allowed_and_so_is_on_demand(open_shards, wanted, mode):
    check_shard_count(wanted, stream(open_shards, mode))


@pytest.mark.parametrize(
    ("open_shards", "wanted", "following"),
    [(4, 1, 2), (4, 9, 8), (5, 2, 3), (1, 3, 2), (16, 1, 8), (6000, 10_000, None), (6000, 2999, 3000)],
)
def test_another_count_is_refused_with_the_next_that_is_allowed(open_shards, wanted, following):
    if following is None:
        check_shard_count(wanted, stream(open_shards))
        return
    with pytest.raises(InputError, match=f"--parameter ShardCount={following} first"):
        check_shard_count(wanted, stream(open_shards))
    check_shard_count(following, stream(open_shards))


def test_a_stream_that_was_on_demand_keeps_its_open_shards():
    with pytest.raises(InputError, match=r"is on demand now and has 4 open shards.* ShardCount=2 first"):
        check_shard_count(1, stream(4, "ON_DEMAND"))


def test_more_than_kinesis_takes_is_refused():
    with pytest.raises(InputError, match="at most 10000 shards"):
        check_shard_count(10_001, stream(9_000))


@pytest.mark.parametrize("wanted", [0, 4])
@pytest.mark.parametrize("status", ["CREATING", "UPDATING", "DELETING"])
def test_a_stream_that_is_being_changed_is_waited_for(wanted, status):
    with pytest.raises(InputError, match=f"is {status}. Wait until it is ACTIVE"):
        check_shard_count(wanted, stream(4, status=status))


def check(values, standing="4", outputs=None, asked=None):
    """Run the check of a deployment; ``asked`` is what Kinesis responds, and without it nobody asks."""
    session: Any = boto3.Session(region_name="us-east-1")
    client = session.client("kinesis")
    session.client = lambda *_, **__: client
    found = {"EventStreamName": "events"} if outputs is None else outputs
    deployment = Deployment("us-east-1", "dev", Flow.ONE_STACK, ("s",), found, {"ShardCount": standing})
    with Stubber(client) as stub:
        if asked:
            stub.add_response(
                "describe_stream_summary", {"StreamDescriptionSummary": asked}, {"StreamName": "events"}
            )
        check_shard_change(deployment, values, session)
        stub.assert_no_pending_responses()


def test_the_stream_is_asked_and_not_the_stack():
    check({"ShardCount": "8"}, asked=stream(5))
    with pytest.raises(InputError, match="has 5 open shards"):
        check({"ShardCount": "16"}, asked=stream(5))


def test_nobody_asks_about_a_count_that_does_not_change_or_a_stream_that_does_not_exist():
    check({})
    check({"ShardCount": "4"})
    check({"ShardCount": "16"}, outputs={})
    check_shard_change(None, {"ShardCount": "16"}, boto3.Session(region_name="us-east-1"))
