"""The rights of the roles, as IAM's simulator judges them: with all policies of the account."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from chalicelib import config
from ops.diagnosis import Finding, bad, good
from ops.errors import NotDeployedError
from ops.verify.play import Play
from ops.verify.points import Answer, Point

Needed = Sequence[tuple[Sequence[str], str]]
"""Actions, and the ARN that they are needed on."""

_READ_STREAM = (
    "kinesis:DescribeStream",
    "kinesis:GetShardIterator",
    "kinesis:GetRecords",
    "kinesis:ListShards",
)


def api_role(play: Play) -> tuple[str, Needed]:
    """Return the role of the API function and what it needs."""
    read = partial(config.read, environ=play.variables)
    campaigns = [
        ("personalize:GetRecommendations", [read("CAMPAIGN_ARN"), read("FALLBACK_CAMPAIGN_ARN")]),
        ("personalize:GetPersonalizedRanking", [read("RANKING_CAMPAIGN_ARN")]),
        ("personalize:GetActionRecommendations", [read("ACTION_CAMPAIGN_ARN")]),
    ]
    needed = [((action,), str(arn)) for action, arns in campaigns for arn in arns if arn]
    found = play.clients("lambda").get_function_configuration(FunctionName=play.deployment.api_function)
    return found["Role"], [*needed, (("kinesis:PutRecords",), _stream_arn(play))]


def delivery_role(play: Play) -> tuple[str, Needed]:
    """Return the role of delivery and what it needs."""
    bucket = f"arn:{_partition(play)}:s3:::{play.bucket.name}"
    attributes = play.clients("sqs").get_queue_attributes(
        QueueUrl=play.queue_url, AttributeNames=["QueueArn"]
    )
    return play.role, [
        (("personalize:PutEvents", "personalize:PutActionInteractions"), "*"),
        ((*_READ_STREAM, "kinesis:DescribeStreamSummary"), _stream_arn(play)),
        (("sqs:SendMessage",), attributes["Attributes"]["QueueArn"]),
        (("s3:PutObject",), f"{bucket}/quarantine/x"),
        (("s3:PutObject",), f"{bucket}/aws/lambda/x"),
        (("s3:ListBucket",), bucket),
    ]


def archive_role(play: Play) -> tuple[str, Needed]:
    """Return the role of Firehose and what it needs."""
    found = play.clients("firehose").describe_delivery_stream(
        DeliveryStreamName=play.deployment.output("ArchiveName")
    )
    destinations = found["DeliveryStreamDescription"]["Destinations"]
    if len(destinations) != 1:
        raise NotDeployedError(
            f"The delivery stream of the archive has {len(destinations)} destinations instead of 1. "
            "Deploy again."
        )
    [destination] = destinations
    described = destination.get("ExtendedS3DestinationDescription") or destination["S3DestinationDescription"]
    bucket = f"arn:{_partition(play)}:s3:::{play.bucket.name}"
    return described["RoleARN"], [
        (_READ_STREAM, _stream_arn(play)),
        (("s3:GetBucketLocation", "s3:ListBucket"), bucket),
        (("s3:PutObject", "s3:AbortMultipartUpload"), f"{bucket}/events/x"),
        (("s3:PutObject",), f"{bucket}/events-failed/x"),
    ]


def _stream_arn(play: Play) -> str:
    response = play.clients("kinesis").describe_stream_summary(StreamName=play.stream)
    return str(response["StreamDescriptionSummary"]["StreamARN"])


def _partition(play: Play) -> str:
    return play.role.split(":")[1]


def judge(decisions: Mapping[tuple[str, str], str]) -> Finding:
    """Return the finding of decisions by action and resource. Pure."""
    denied = [f"{action} on {arn}" for (action, arn), decision in decisions.items() if decision != "allowed"]
    if denied:
        return bad(
            f"The role may not call {'; '.join(denied)}.",
            "Deploy again. If it stays so, a boundary or a policy of the organization denies it.",
        )
    return good(f"The role has each of the {len(decisions)} rights that it needs.")


def _simulate(play: Play, role_of: Callable[[Play], tuple[str, Needed]]) -> Answer:
    role, needed = role_of(play)
    decisions: dict[tuple[str, str], str] = {}
    for actions, arn in needed:
        response = play.clients("iam").simulate_principal_policy(
            PolicySourceArn=role, ActionNames=[*actions], ResourceArns=[arn]
        )
        for each in response["EvaluationResults"]:
            decisions[each["EvalActionName"], arn] = each["EvalDecision"]
    name = role.rpartition("/")[2]
    allowed = sum(each == "allowed" for each in decisions.values())
    return Answer(
        judge(decisions), f"SimulatePrincipalPolicy of {name}", f"{allowed} of {len(decisions)} allowed"
    )


def points() -> Iterator[Point]:
    """Yield a point for each role."""
    roles = {"the API": api_role, "delivery": delivery_role, "the archive": archive_role}
    for name, role_of in roles.items():
        yield Point(
            f"rights of {name}",
            f"Has the role of {name} the rights that it needs?",
            "docs/configuration.md#policies",
            partial(_simulate, role_of=role_of),
        )
