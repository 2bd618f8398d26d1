"""The points that only AWS can answer. Each asks a question that the documentation leaves open.

meanings.py says what an answer means.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from chalicelib import config
from chalicelib.observability import NAMESPACE
from ops.diagnosis import bad, good, look
from ops.errors import AwsError
from ops.given_up import PREFIX
from ops.personalize_checks import describe_campaigns
from ops.verify import delivery, meanings
from ops.verify.play import Play
from ops.verify.points import Answer, NotHereError, Point

LARGE_BODY_BYTES = 6_500_000
KEYLESS_REQUESTS = 1000
"""More than a method takes in the seconds that they need. AWS does not bill requests without a key."""
MOST_FILTERS = 10
_THREADS = 128


def recommender(play: Play) -> Answer:
    """Whether the API's role, whatever its policy says, may ask a recommender."""
    arn = config.read("CAMPAIGN_ARN", play.variables)
    call = "POST /recommendations"
    if ":recommender/" not in arn:
        raise NotHereError("CAMPAIGN_ARN is no recommender")
    is_personalize = play.found.source == "personalize"
    finding = (
        good("The rights of the API's role are enough to ask the recommender.")
        if is_personalize
        else bad(
            "The recommender gave no list.", "See the reason in the log line. If it is denied: deploy again."
        )
    )
    return Answer(finding, call, f"source {play.found.source}")


def filter_right(play: Play) -> Answer:
    """Ask with a filter as somebody who has a right on the campaign only."""
    credentials = play.session.get_credentials()
    if credentials and credentials.token:
        raise NotHereError(
            "needs an IAM user's own keys: GetFederationToken takes no credentials of a session"
        )
    arn = str(config.read("CAMPAIGN_ARN", play.variables))
    [campaign, *_] = describe_campaigns(play.clients("personalize"), play.variables, play.deployment.region)
    if not campaign.dataset_group:
        raise NotHereError("the campaign names no dataset group")
    chosen = _filter_without_parameters(play, campaign.dataset_group)
    statement = {"Effect": "Allow", "Action": "personalize:GetRecommendations", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    response = play.clients("sts").get_federation_token(
        Name=play.mark[:32], Policy=policy, DurationSeconds=900
    )
    runtime = _as_federated(play, response["Credentials"])
    call = "GetRecommendations with filterArn and a right on the campaign alone (GetFederationToken)"
    asked = {f"{campaign.kind}Arn": arn, "userId": play.mark, "numResults": 1}
    if code := _code_of(lambda: runtime.get_recommendations(**asked)):
        raise AwsError(f"These credentials may not ask the campaign without a filter either ({code}).")
    code = _code_of(lambda: runtime.get_recommendations(**asked, filterArn=chosen))
    return Answer(meanings.of_filter(code), call, code or "a list")


def _filter_without_parameters(play: Play, dataset_group: str) -> str:
    """Return the ARN of a filter that takes no values: its expression has no ``$``. Raises NotHereError."""
    personalize = play.clients("personalize")
    pages = personalize.get_paginator("list_filters").paginate(datasetGroupArn=dataset_group)
    active = (each["filterArn"] for page in pages for each in page["Filters"] if each["status"] == "ACTIVE")
    for arn in islice(active, MOST_FILTERS):
        described = personalize.describe_filter(filterArn=arn)["filter"]
        if "$" not in described["filterExpression"]:
            return str(arn)
    raise NotHereError(f"there is no filter without parameters among the first {MOST_FILTERS}")


def failure_destination(play: Play) -> Answer:
    """Lambda took a bucket as destination from a role that may write below two prefixes only."""
    call = "ListEventSourceMappings, ListObjectsV2 of aws/lambda/, DestinationDeliveryFailures of 14 days"
    mappings = delivery.event_sources(play)
    if len(mappings) != 1:
        return delivery.not_one(mappings, call)
    [mapping] = mappings
    destination = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
    prefix = f"{PREFIX}{mapping['UUID']}/"
    listed = play.clients("s3").list_objects_v2(Bucket=play.bucket.name, Prefix=prefix, MaxKeys=1)
    sums = play.clients("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="DestinationDeliveryFailures",
        Dimensions=[{"Name": "FunctionName", "Value": play.deployment.delivery_function}],
        StartTime=play.now() - timedelta(days=14),
        EndTime=play.now(),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    day = play.now() - timedelta(days=1, hours=1)  # A datapoint has the time at which its hour begins.
    failures = int(sum(each["Sum"] for each in sums))
    today = int(sum(each["Sum"] for each in sums if each["Timestamp"] >= day))
    written = listed.get("KeyCount", 0) > 0
    came = f"{mapping['State']}, destination {destination or 'none'}, {failures} failures, written: {written}"
    finding = meanings.of_destination(mapping["State"], destination, failures, today, is_written=written)
    return Answer(finding, call, came)


def large_body(play: Play) -> Answer:
    """A body that API Gateway takes and Lambda does not."""
    body = b'{"padding": "' + b"x" * LARGE_BODY_BYTES + b'"}'
    response = play.api.send("POST", "history", body, {"x-api-key": play.api.key})
    return Answer(
        meanings.of_large_body(response.status), f"POST /history with {len(body):,} bytes", str(response)
    )


def alarm_key(play: Play) -> Answer:
    """The alarms' messages came through a topic that is encrypted with its own key."""
    topic = play.deployment.output("AlarmTopicArn")
    key = play.clients("sns").get_topic_attributes(TopicArn=topic)["Attributes"].get("KmsMasterKeyId", "")
    seen = play.found.alarms_seen
    call, came = (
        "GetTopicAttributes, and the messages of the point 'alarms'",
        f"key {key or 'none'}, {seen} seen",
    )
    if key and seen:
        return Answer(
            good("CloudWatch publishes through the key of the topic. Mails take the same way."), call, came
        )
    if key:
        return Answer(
            look("No alarm was set, so the key is not proved.", "See the point 'alarms'."), call, came
        )
    return Answer(bad("The topic has no key of its own.", "Deploy again."), call, came)


def fill(play: Play) -> Answer:
    """The expression of DeliveryStoppedAlarm, with a metric that nobody has ever published."""
    none = {"Namespace": NAMESPACE, "MetricName": "verify-none"}
    incoming = {
        "Namespace": "AWS/Kinesis",
        "MetricName": "IncomingRecords",
        "Dimensions": [{"Name": "StreamName", "Value": play.stream}],
    }
    queries: list[dict[str, Any]] = [
        {
            "Id": name,
            "ReturnData": name == "incoming",
            "MetricStat": {"Metric": of, "Period": 60, "Stat": "Sum"},
        }
        for name, of in (("incoming", incoming), ("invoked", none))
    ]
    expression = "IF(FILL(incoming,0) > 0 AND FILL(invoked,0) == 0, 1, 0)"
    queries.append({"Id": "stopped", "Expression": expression, "ReturnData": True})

    def values() -> dict[str, list[float]]:
        response = play.clients("cloudwatch").get_metric_data(
            MetricDataQueries=queries,
            StartTime=(play.found.sent_at or play.now()) - timedelta(minutes=2),
            EndTime=play.now() + timedelta(minutes=1),
        )
        return {each["Id"]: [*map(float, each["Values"])] for each in response["MetricDataResults"]}

    def filled() -> dict[str, list[float]]:
        found = values()
        return found if 1.0 in found.get("stopped", []) else {}

    found = play.poll(filled, play.deadlines.metric, 15.0) or values()
    stopped, arrived = found.get("stopped", []), found.get("incoming", [])
    call = f"GetMetricData of {expression}, invoked without datapoints"
    return Answer(meanings.of_fill(stopped, arrived), call, f"{stopped}, IncomingRecords {arrived}")


def keyless_requests(play: Play) -> Answer:
    """Many requests without a key at once: do they use up what the method takes?"""
    rate, burst = map(float, play.deployment.output("StageThrottle").partition(";")[0].split(","))
    started = play.monotonic()
    with ThreadPoolExecutor(_THREADS) as pool:
        statuses = Counter(
            each.status
            for each in pool.map(lambda _: play.api.send("GET", "health"), range(KEYLESS_REQUESTS))
        )
    taken = burst + rate * (play.monotonic() - started)
    call = f"{KEYLESS_REQUESTS:,} GET /health at once, without a key"
    came = f"{dict(statuses)}, while the method takes {taken:.0f}"
    return Answer(meanings.of_keyless(statuses, taken), call, came)


def unknown_tracker(play: Play) -> Answer:
    """An event for a tracker that nobody has."""
    code = _code_of(
        lambda: play.clients("personalize-events").put_events(
            trackingId=str(uuid.uuid4()),
            sessionId=play.mark,
            userId=play.mark,
            eventList=[{"eventType": play.event_type, "itemId": play.found.item, "sentAt": play.now()}],
        )
    )
    if code in meanings.DENIED:
        raise AwsError("These credentials may not call PutEvents.")
    return Answer(meanings.of_tracker(code), "PutEvents with an unknown trackingId", code or "200")


def _code_of(call: Any) -> str:
    """Return the code of the error that a call ends with; empty where it succeeds."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"].get("Code", "unknown"))
    return ""


def _as_federated(play: Play, credentials: Mapping[str, str]) -> Any:
    make: Any = play.session.client
    return make(
        "personalize-runtime",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def points() -> Iterator[Point]:
    """Yield the points. Those that cost other clients something need --intrusive."""
    roles = "docs/configuration.md#policies"
    given_up = "docs/operations.md#given-up-batches"
    faults = "docs/operations.md#which-alarm-tells-which-fault"
    alarms = "docs/operations.md#alarms"
    questions = {
        "recommender": (
            "Are the rights of the API's role enough to ask a recommender?",
            roles,
            recommender,
            ("recommendation",),
        ),
        "filter": ("Does a filter need a right of its own?", roles, filter_right, ()),
        "given-up batches": (
            "Does Lambda take a bucket as destination with rights on a prefix, without kinesis:ListStreams?",
            given_up,
            failure_destination,
            (),
        ),
        "large body": (
            "Is a body over 6 MB answered with 413 or 500?",
            "docs/api.md#how-large-a-body-may-be",
            large_body,
            ("key right",),
        ),
        "key of the topic": ("Do alarms get through the key of the topic?", alarms, alarm_key, ("alarms",)),
        "FILL": ("Does FILL fill a metric without datapoints?", faults, fill, ("delivered",)),
        "unknown tracker": (
            "What does an unknown tracker answer?",
            faults,
            unknown_tracker,
            ("recommendation",),
        ),
    }
    for name, (question, document, play, needs) in questions.items():
        yield Point(name, question, document, play, needs, only_on_aws=True)
    yield Point(
        "keyless requests",
        "Does a request without a key use up what its method takes?",
        "docs/api.md#statuses",
        keyless_requests,
        ("key missing",),
        only_on_aws=True,
        is_intrusive=True,
    )
