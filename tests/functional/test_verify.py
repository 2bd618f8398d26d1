"""The points of make verify that only AWS can answer: scripted by the Stubber, each with every answer.

The others run against the emulator, in tests/integration/test_verify.py.
"""

import io
import json
import time
from datetime import datetime, timedelta, timezone
from email.message import Message
from itertools import count
from typing import Any
from urllib.error import HTTPError
from urllib.request import BaseHandler
from urllib.response import addinfourl

import boto3
import pytest
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.stub import ANY, Stubber

from ops.diagnosis import State
from ops.errors import AwsError
from ops.locate import Deployment, Flow
from ops.verify import alarms, archived, aws_only, delivery, meanings, path, pipeline, rights, runtime
from ops.verify.api_client import ApiClient
from ops.verify.ledger import Kind, Ledger
from ops.verify.play import Deadlines, Found, Play
from ops.verify.points import NotHereError, Point, play_points
from ops.verify.removal import remove_all

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
CAMPAIGN = "arn:aws:personalize:eu-west-1:111122223333:campaign/shop"
RECOMMENDER = "arn:aws:personalize:eu-west-1:111122223333:recommender/shop"
FILTER = "arn:aws:personalize:eu-west-1:111122223333:filter/unseen"
SOLUTION = "arn:aws:personalize:eu-west-1:111122223333:solution/shop"
GROUP = "arn:aws:personalize:eu-west-1:111122223333:dataset-group/shop"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:topic"
QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/quarantine"
ROLE = "arn:aws:iam::111122223333:role/deliver"
STREAM_ARN = "arn:aws:kinesis:eu-west-1:111122223333:stream/events"
OUTPUTS = {
    "DeliverEventsName": "deliver",
    "APIHandlerName": "api",
    "EventStreamName": "events",
    "EventsBucket": "archive",
    "QuarantineQueueUrl": QUEUE,
    "AlarmTopicArn": TOPIC,
    "ArchiveName": "firehose",
    "StageThrottle": "100,200;OPTIONS=20,40",
}
UUID = "11111111-2222-3333-4444-555555555555"
DEADLINES = Deadlines(list=0, delivery=0, archive=0, metric=0, alarm=0, stopped=0, quarantined=0)


class Wire:
    """Stands for the network: answers each request with the next status."""

    def __init__(self, *statuses):
        self.statuses, self.requests = [*statuses], []

    def open(self, request, timeout):
        self.requests.append(request)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        raise HTTPError(request.full_url, status, "", Message(), io.BytesIO(b"{}"))


class Response(io.BytesIO):
    """The response of a request that succeeds."""

    status, headers = 200, Message()


class Stubs(dict):
    """A stubbed client for each service, made when it is first asked for."""

    def __missing__(self, service):
        client = boto3.client(service, region_name="eu-west-1")
        self[service] = Stubber(client)
        self[service].activate()
        return self[service]

    def client(self, service):
        return self[service].client


@pytest.fixture
def stubs():
    stubs = Stubs()
    yield stubs
    for stub in stubs.values():
        stub.assert_no_pending_responses()


@pytest.fixture
def play(stubs, tmp_path):
    """``play(**changes)`` returns the context of a run against stubbed clients."""

    def make(*, wire=None, campaign=CAMPAIGN, **changes):
        deployment = Deployment("eu-west-1", "prod", Flow.ONE_STACK, ("personalize-api-prod",), OUTPUTS)
        found = Found(item="dracula", source="personalize", event_ids=("verify-1-1",), sent_at=NOW)
        fields = {
            "deployment": deployment,
            "session": boto3.Session(region_name="eu-west-1"),
            "clients": stubs.client,
            "api": ApiClient("https://api.example/api", "secret", wire),
            "ledger": Ledger(tmp_path / "ledger.json"),
            "mark": "verify-1",
            "event_type": "view",
            "variables": {"CAMPAIGN_ARN": campaign, "SERVICE_NAME": "personalize-api-prod"},
            "role": ROLE,
            "deadlines": DEADLINES,
            "sleep": lambda seconds: None,
            "monotonic": count().__next__,
            "now": lambda: NOW,
            "found": found,
        }
        return Play(**fields | changes)

    return make


def state_of(answer):
    return answer.finding.state


# --- each question, each answer -----------------------------------------------------------------------------


def test_a_recommender_that_recommends_proves_the_right_on_its_arn(play):
    assert state_of(aws_only.recommender(play(campaign=RECOMMENDER))) is State.GOOD
    fallback = play(campaign=RECOMMENDER, found=Found(source="fallback"))
    assert state_of(aws_only.recommender(fallback)) is State.BAD


def test_without_a_recommender_the_question_is_not_asked(play):
    point = Point("recommender", "?", "docs/api.md", aws_only.recommender)
    [result] = play_points([point], play())
    assert (result.state, result.is_excused, result.is_met) == (None, True, False)
    with pytest.raises(NotHereError):
        aws_only.recommender(play())


@pytest.mark.parametrize(
    ("code", "state"),
    [("", State.GOOD), ("AccessDeniedException", State.GOOD), ("InvalidInputException", State.LOOK)],
)
def test_whether_a_filter_needs_a_right_of_its_own(code, state):
    assert meanings.of_filter(code).state is state


def script_filters(
    stubs, *filters, expressions=('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")',)
):
    """The campaign, its dataset group, and the filters of that, of which some are described."""
    campaign = {"status": "ACTIVE", "solutionVersionArn": f"{SOLUTION}/1"}
    stubs["personalize"].add_response("describe_campaign", {"campaign": campaign}, {"campaignArn": CAMPAIGN})
    version = {"solutionVersion": {"datasetGroupArn": GROUP, "recipeArn": "arn:aws:personalize:::recipe/x"}}
    stubs["personalize"].add_response("describe_solution_version", version)
    found = filters or ({"filterArn": FILTER, "status": "ACTIVE"},)
    for number, each in enumerate(found):  # Each on a page of its own.
        asked = {"datasetGroupArn": GROUP} | ({"nextToken": str(number)} if number else {})
        page = {"Filters": [each]} | ({"nextToken": str(number + 1)} if number + 1 < len(found) else {})
        stubs["personalize"].add_response("list_filters", page, asked)
        if each["status"] == "ACTIVE" and number < len(expressions):
            described = {"filterExpression": expressions[number]}
            asked = {"filterArn": each["filterArn"]}
            stubs["personalize"].add_response("describe_filter", {"filter": described}, asked)
            if "$" not in expressions[number]:
                return


def test_without_an_active_filter_the_question_is_not_asked(play, stubs):
    script_filters(stubs, {"filterArn": FILTER, "status": "CREATE PENDING"})
    with pytest.raises(NotHereError):
        aws_only.filter_right(play())


@pytest.mark.parametrize("filters", [11, 3])
def test_no_more_than_ten_filters_are_looked_at_for_one_without_parameters(play, stubs, filters):
    found = [{"filterArn": f"{FILTER}-{number}", "status": "ACTIVE"} for number in range(min(filters, 10))]
    script_filters(stubs, *found, expressions=["INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)"] * 10)
    with pytest.raises(NotHereError, match="no filter without parameters"):
        aws_only.filter_right(play())


def test_credentials_of_a_session_cannot_ask_with_a_right_on_the_campaign_alone(play):
    session = boto3.Session("key", "secret", "token", region_name="eu-west-1")
    point = Point("filter", "?", "docs/api.md", aws_only.filter_right)
    [result] = play_points([point], play(session=session))
    assert result.why_not.startswith("needs an IAM user's own keys")
    assert result.is_excused


def test_a_filter_is_asked_for_with_a_right_on_the_campaign_alone(play, stubs):
    with_values = {"filterArn": f"{FILTER}-of-a-genre", "status": "ACTIVE"}
    without = {"filterArn": FILTER, "status": "ACTIVE"}
    expressions = ("INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)", "EXCLUDE ItemID WHERE Items.AGE > 3")
    script_filters(stubs, with_values, without, expressions=expressions)
    credentials = {"AccessKeyId": "A" * 16, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": NOW}
    stubs["sts"].add_response("get_federation_token", {"Credentials": credentials}, {
        "Name": "verify-1", "Policy": ANY, "DurationSeconds": 900,
    })  # fmt: skip
    asked = {"campaignArn": CAMPAIGN, "userId": "verify-1", "numResults": 1}
    runtime_stub = stubs["personalize-runtime"]
    runtime_stub.add_response("get_recommendations", {"itemList": []}, asked)
    asked = {**asked, "filterArn": FILTER}
    runtime_stub.add_client_error("get_recommendations", "AccessDeniedException", expected_params=asked)

    class Session:
        def get_credentials(self):
            return Credentials("key", "secret")

        def client(self, service, **credentials):
            assert credentials["aws_session_token"] == "t"
            return stubs.client(service)

    answer = aws_only.filter_right(play(session=Session()))
    assert state_of(answer) is State.GOOD
    assert answer.response == "AccessDeniedException"


def test_a_token_that_is_denied_leaves_the_question_open(play, stubs):
    script_filters(stubs)
    stubs["sts"].add_client_error("get_federation_token", "AccessDenied")
    point = Point("filter", "?", "docs/api.md", aws_only.filter_right)
    [result] = play_points([point], play())
    assert result.state is State.LOOK
    assert not result.is_met
    assert "GetFederationToken" in result.answer.finding.remedy


@pytest.mark.parametrize(
    ("known", "state"),
    [
        ((None, True, "Enabled", "arn:aws:s3:::archive"), State.GOOD),
        ((None, False, "Enabled", "arn:aws:s3:::archive"), State.GOOD),
        ((None, False, "Creating", "arn:aws:s3:::archive"), State.LOOK),
        ((24, True, "Enabled", "arn:aws:s3:::archive"), State.BAD),
        ((26, True, "Enabled", "arn:aws:s3:::archive"), State.LOOK),
        ((None, False, "Enabled", ""), State.BAD),
    ],
)
def test_what_is_known_of_the_destination_of_given_up_batches(play, stubs, known, state):
    failed_hours_ago, written, source_state, destination = known
    mapping: dict[str, Any] = {"UUID": UUID, "State": source_state}
    if destination:
        mapping["DestinationConfig"] = {"OnFailure": {"Destination": destination}}
    stubs["lambda"].add_response("list_event_source_mappings", {"EventSourceMappings": [mapping]})
    asked = {"Bucket": "archive", "Prefix": f"aws/lambda/{UUID}/", "MaxKeys": 1}
    stubs["s3"].add_response("list_objects_v2", {"KeyCount": int(written)}, asked)
    datapoints = []
    if failed_hours_ago:
        datapoints.append({"Sum": 2.0, "Timestamp": NOW - timedelta(hours=failed_hours_ago)})
    stubs["cloudwatch"].add_response("get_metric_statistics", {"Datapoints": datapoints})
    assert state_of(aws_only.failure_destination(play())) is state


@pytest.mark.parametrize(
    ("status", "state"), [(413, State.GOOD), (500, State.LOOK), (502, State.LOOK), (202, State.BAD)]
)
def test_what_a_body_over_6_mb_is_answered_with(play, status, state):
    wire = Wire(status)
    assert state_of(aws_only.large_body(play(wire=wire))) is state
    assert len(wire.requests[0].data) > 6 * 1024 * 1024


@pytest.mark.parametrize(
    ("key", "seen", "state"), [("k", 3, State.GOOD), ("", 3, State.BAD), ("k", 0, State.LOOK)]
)
def test_alarms_come_through_the_key_of_the_topic(play, stubs, key, seen, state):
    attributes = {"KmsMasterKeyId": key} if key else {}
    stubs["sns"].add_response("get_topic_attributes", {"Attributes": attributes}, {"TopicArn": TOPIC})
    assert state_of(aws_only.alarm_key(play(found=Found(alarms_seen=seen)))) is state


@pytest.mark.parametrize(
    ("values", "incoming", "state"),
    [
        ([0.0, 1.0], [0.0, 3.0], State.GOOD),
        ([0.0, 0.0], [0.0, 3.0], State.BAD),
        ([], [3.0], State.BAD),
        ([0.0], [0.0], State.LOOK),
        ([], [], State.LOOK),
    ],
)
def test_whether_fill_fills_a_metric_without_datapoints(play, stubs, values, incoming, state):
    found = [{"Id": "incoming", "Values": incoming}, {"Id": "stopped", "Values": values}]
    response = {"MetricDataResults": found}
    for _ in range(1 if 1.0 in values else 2):
        stubs["cloudwatch"].add_response("get_metric_data", response)
    assert state_of(aws_only.fill(play())) is state


@pytest.mark.parametrize(
    ("statuses", "state"), [([403], State.GOOD), ([403, 429], State.LOOK), ([200], State.BAD)]
)
def test_whether_requests_without_a_key_use_up_what_a_method_takes(play, statuses, state):
    assert state_of(aws_only.keyless_requests(play(wire=Wire(*statuses)))) is state


def test_requests_that_are_too_slow_show_nothing():
    assert meanings.of_keyless({403: 1000}, taken=1200.0).state is State.LOOK
    assert meanings.of_keyless({403: 1000}, taken=999.0).state is State.GOOD


@pytest.mark.parametrize(
    ("payload", "state", "said"),
    [
        ({"botocore": "1.40.4", "body": '{"eventList": [{"sentAt": 1767225600.123}]}'}, State.GOOD, "1.40.4"),
        ({"botocore": "1.40.4", "body": '{"eventList": [{"sentAt": 1767225600}]}'}, State.BAD, "drops"),
        ({"errorMessage": "no attribute _Loader"}, State.BAD, "no attribute _Loader"),
    ],
)
def test_what_the_botocore_of_the_runtime_does(play, stubs, payload, state, said):
    functions = stubs["lambda"]
    deployed = {"Runtime": "python3.11", "Architectures": ["arm64"]}
    functions.add_response("get_function_configuration", deployed, {"FunctionName": "deliver"})
    created = {
        **{"FunctionName": "personalize-api-verify-1", "Runtime": "python3.11", "Role": ROLE, "Code": ANY},
        **{"Architectures": ["arm64"], "Handler": "runtime_probe.handler", "Timeout": 30, "MemorySize": 512},
        "Description": ANY,
    }
    functions.add_response("create_function", {}, created)
    for status in ("Pending", "Active"):
        functions.add_response("get_function_configuration", {"State": status})
    body = io.BytesIO(json.dumps(payload).encode())
    functions.add_response("invoke", {"Payload": body}, {"FunctionName": "personalize-api-verify-1"})
    functions.add_response("delete_function", {}, {"FunctionName": "personalize-api-verify-1"})
    ready = play()
    answer = runtime.runtime(ready)
    assert state_of(answer) is state
    assert said in answer.finding.what
    assert ready.ledger.things() == []


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("", State.LOOK),
        ("InvalidInputException", State.LOOK),
        ("ResourceNotFoundException", State.GOOD),
        ("SurpriseException", State.LOOK),
    ],
)
def test_what_an_unknown_tracker_answers(play, stubs, code, state):
    if code:
        stubs["personalize-events"].add_client_error("put_events", code)
    else:
        stubs["personalize-events"].add_response("put_events", {})
    assert state_of(aws_only.unknown_tracker(play())) is state


def test_a_person_who_may_not_put_events_leaves_the_question_open(play, stubs):
    stubs["personalize-events"].add_client_error("put_events", "AccessDeniedException")
    with pytest.raises(AwsError):
        aws_only.unknown_tracker(play())


@pytest.mark.parametrize(("sums", "state"), [([2.0, 1.0], State.GOOD), ([], State.BAD)])
def test_the_metric_of_delivery(play, stubs, sums, state):
    dimensions = [{"Name": "service", "Value": "personalize-api-prod"}]
    stubs["cloudwatch"].add_response(
        "get_metric_statistics",
        {"Datapoints": [{"Sum": each} for each in sums]},
        {
            "Namespace": "PersonalizeApi",
            "MetricName": "Delivered",
            "Dimensions": dimensions,
            "StartTime": ANY,
            "EndTime": ANY,
            "Period": 60,
            "Statistics": ["Sum"],
        },
    )
    assert state_of(archived.metric(play())) is state


def line(**values):
    body = {"_aws": {"Timestamp": NOW.timestamp() * 1000}, "message": "Delivery", "reasons": {}} | values
    return {"message": json.dumps(body)}


def test_log_lines_that_are_no_batch_are_passed_over(play, stubs):
    events = [{"message": 'START "Delivery"'}, line(Delivered=[1], Retried=[0]), {"message": "{}"}]
    stubs["logs"].add_response("filter_log_events", {"events": events})
    finding, came = delivery.delivered(play(), 1)
    assert finding.state is State.GOOD
    assert came == "Delivered 1, Retried 0"


def test_batches_without_our_events_are_no_proof(play, stubs):
    for _ in range(2):
        stubs["logs"].add_response("filter_log_events", {"events": [line(Delivered=[1], Retried=[0])]})
    finding, _ = delivery.delivered(play(), 3)
    assert finding.what == "Fewer events are delivered than were sent."


def test_a_role_is_asked_for_each_right_on_its_own_resource(play, stubs):
    stubs["lambda"].add_response("get_function_configuration", {"Role": ROLE}, {"FunctionName": "api"})
    summary = {
        **{"StreamName": "events", "StreamARN": STREAM_ARN, "StreamStatus": "ACTIVE", "OpenShardCount": 1},
        **{"RetentionPeriodHours": 72, "StreamCreationTimestamp": NOW, "EnhancedMonitoring": []},
    }
    stubs["kinesis"].add_response("describe_stream_summary", {"StreamDescriptionSummary": summary})
    for action, arn, decision in (
        ("personalize:GetRecommendations", CAMPAIGN, "allowed"),
        ("kinesis:PutRecords", STREAM_ARN, "explicitDeny"),
    ):
        found = [{"EvalActionName": action, "EvalDecision": decision}]
        asked = {"PolicySourceArn": ROLE, "ActionNames": [action], "ResourceArns": [arn]}
        stubs["iam"].add_response("simulate_principal_policy", {"EvaluationResults": found}, asked)
    [point] = [each for each in rights.points() if each.name == "rights of the API"]
    answer = point.play(play())
    assert answer.finding.what == f"The role may not call kinesis:PutRecords on {STREAM_ARN}."
    assert answer.response == "1 of 2 allowed"


# --- alarms -------------------------------------------------------------------------------------------------

STOPPED = "x-DeliveryStoppedAlarm-1"


def alarm(name=STOPPED, **changes):
    """An alarm as CloudWatch describes it."""
    found = {"AlarmName": name, "AlarmActions": [TOPIC], "ActionsEnabled": True, "StateValue": "OK"}
    return found | {"StateReason": ""} | changes


def script_stack(stubs, *names, logical="DeliveryStoppedAlarm"):
    """The resources of the stack, each on a page of its own: alarms, one that is deleted, and a queue."""
    row = {"LastUpdatedTimestamp": NOW, "ResourceStatus": "CREATE_COMPLETE"}
    alarm_type = {"ResourceType": "AWS::CloudWatch::Alarm"}
    rows = [
        *(row | alarm_type | {"PhysicalResourceId": name, "LogicalResourceId": logical} for name in names),
        row | alarm_type | {"PhysicalResourceId": "old", "LogicalResourceId": "Old"} | {
            "ResourceStatus": "DELETE_COMPLETE"
        },
        row | {"ResourceType": "AWS::SQS::Queue", "PhysicalResourceId": "q", "LogicalResourceId": "Queue"},
    ]  # fmt: skip
    for number, each in enumerate(rows):
        asked = {"StackName": "personalize-api-prod"} | ({"NextToken": str(number)} if number else {})
        page = {"StackResourceSummaries": [each]} | (
            {"NextToken": str(number + 1)} if number + 1 < len(rows) else {}
        )
        stubs["cloudformation"].add_response("list_stack_resources", page, asked)


def script_alarms(stubs, *found, names=(STOPPED,)):
    asked = {"AlarmNames": sorted(names)}
    stubs["cloudwatch"].add_response("describe_alarms", {"MetricAlarms": [*found]}, asked)


def script_set(stubs, name, *states):
    for state in states:
        asked = {"AlarmName": name, "StateValue": state, "StateReason": ANY}
        stubs["cloudwatch"].add_response("set_alarm_state", {}, asked)


def script_messages(stubs, *names):
    """What the queue hands out once."""
    messages = [
        {"AlarmName": name, "NewStateValue": "ALARM", "NewStateReason": "verify-1: a rehearsal"}
        for name in names
    ]
    bodies = [{"Body": json.dumps({"Message": json.dumps(each)})} for each in messages]
    stubs["sqs"].add_response("receive_message", {"Messages": bodies})


@pytest.mark.parametrize(
    ("found", "state", "said"),
    [
        ([], State.BAD, f"{STOPPED} was deleted"),
        ([alarm(AlarmActions=[])], State.BAD, f"{STOPPED} does not send to the topic"),
        ([alarm(ActionsEnabled=False)], State.BAD, f"the actions of {STOPPED} are disabled"),
        ([alarm(AlarmActions=[TOPIC, "arn:aws:lambda:x"])], State.LOOK, "starts other actions too"),
        ([alarm(OKActions=["arn:aws:lambda:x"])], State.LOOK, "starts other actions too"),
        ([alarm(InsufficientDataActions=["arn:aws:lambda:x"])], State.LOOK, "starts other actions too"),
        ([alarm(StateValue="ALARM")], State.LOOK, "Ringing already"),
    ],
)
def test_an_alarm_that_may_not_be_set_or_would_not_be_heard_is_named_and_left_alone(
    play, stubs, found, state, said
):
    for ask in (alarms.alarms_seen, alarms.delivery_stopped):
        script_stack(stubs, STOPPED)
        script_alarms(stubs, *found)
        ready = play()
        finding = ask(ready).finding
        assert finding.state is state
        assert said in finding.what
        assert finding.remedy
        assert ready.ledger.things() == []


def test_a_deployment_without_alarms_is_bad(play, stubs):
    for ask in (alarms.alarms_seen, alarms.delivery_stopped):
        script_stack(stubs)
        assert ask(play()).finding.state is State.BAD


def test_an_alarm_that_is_fine_does_not_hide_one_that_is_gone():
    known = alarms.sort_out({"a", "b"}, [alarm("a", OKActions=[TOPIC])], TOPIC)
    assert [each["AlarmName"] for each in known.ready] == ["a"]
    assert known.finding().what == "An alarm would not be heard: b was deleted."
    assert known.finding(["a"]).what.endswith("b was deleted; the topic gets no message of a.")


@pytest.mark.parametrize(
    ("first", "again", "state"),
    [
        (["a"], None, State.GOOD),
        ([], (alarm("a", StateValue="ALARM", StateReason="verify-1: a"), ("OK", "ALARM"), ["a"]), State.GOOD),
        ([], (alarm("a", StateReason="CloudWatch says so"), ("ALARM",), ["a"]), State.GOOD),
        ([], (alarm("a", StateValue="ALARM", StateReason="verify-1: a"), ("OK", "ALARM"), []), State.BAD),
        ([], (alarm("a", StateValue="ALARM", StateReason="It is true."), (), []), State.LOOK),
    ],
)
def test_a_silent_alarm_is_set_once_more_but_not_one_that_really_rings_by_now(
    play, stubs, first, again, state
):
    script_messages(stubs, *first)
    if again:
        now, states, second = again
        script_alarms(stubs, now, names=["a"])
        script_set(stubs, "a", *states)
        script_messages(stubs, *second)
    known, seen = alarms.wait_for_messages(play(), alarms.Alarms(ready=(alarm("a"),)), QUEUE)
    silent = {each["AlarmName"] for each in known.ready} - seen
    assert known.finding(sorted(silent)).state is state


@pytest.mark.parametrize(("ringing", "state"), [("ALARM", State.GOOD), ("OK", State.BAD)])
def test_delivery_is_stopped_until_the_alarm_rings_and_started_again(play, stubs, ringing, state):
    script_stack(stubs, STOPPED)
    script_alarms(stubs, alarm())
    mapping = {"UUID": UUID, "State": "Enabled"}
    stubs["lambda"].add_response("list_event_source_mappings", {"EventSourceMappings": [mapping]})
    for wanted, before in ((False, "Enabled"), (True, "Disabled")):
        after = {**mapping, "State": "Enabled" if wanted else "Disabled"}
        stubs["lambda"].add_response("get_event_source_mapping", {**mapping, "State": before})
        stubs["lambda"].add_response("update_event_source_mapping", {}, {"UUID": UUID, "Enabled": wanted})
        stubs["lambda"].add_response("get_event_source_mapping", after)
    script_alarms(stubs, alarm(StateValue=ringing))
    ready = play(wire=Wire(202))
    assert state_of(alarms.delivery_stopped(ready)) is state
    assert ready.ledger.things() == []


def test_delivery_is_started_again_also_when_the_alarm_cannot_be_read(play, stubs):
    script_stack(stubs, STOPPED)
    script_alarms(stubs, alarm())
    mapping = {"UUID": UUID, "State": "Enabled"}
    stubs["lambda"].add_response("list_event_source_mappings", {"EventSourceMappings": [mapping]})
    for wanted, state in ((False, "Disabled"), (True, "Enabled")):
        stubs["lambda"].add_response("get_event_source_mapping", mapping)
        stubs["lambda"].add_response("update_event_source_mapping", {}, {"UUID": UUID, "Enabled": wanted})
        stubs["lambda"].add_response("get_event_source_mapping", {**mapping, "State": state})
    stubs["cloudwatch"].add_client_error("describe_alarms", "AccessDenied")
    point = Point("delivery stopped", "?", "docs/api.md", alarms.delivery_stopped)
    ready = play(wire=Wire(202))
    [result] = play_points([point], ready)
    assert result.state is State.LOOK
    assert ready.ledger.things() == []


@pytest.mark.parametrize(
    "mappings", [[], [{"UUID": UUID, "State": "Enabled"}, {"UUID": UUID[::-1], "State": "Enabled"}]]
)
def test_no_event_source_or_a_second_one_is_bad_and_nothing_is_stopped(play, stubs, mappings):
    script_stack(stubs, STOPPED)
    script_alarms(stubs, alarm())
    for ask in (alarms.delivery_stopped, aws_only.failure_destination):
        stubs["lambda"].add_response("list_event_source_mappings", {"EventSourceMappings": mappings})
        finding = ask(play()).finding
        assert finding.state is State.BAD
        assert f"has {len(mappings)} event sources instead of 1" in finding.what
        assert finding.remedy


def test_an_archive_with_a_second_destination_is_bad(play, stubs):
    described = {
        **{"DeliveryStreamName": "firehose", "DeliveryStreamARN": "arn", "DeliveryStreamStatus": "ACTIVE"},
        **{"DeliveryStreamType": "KinesisStreamAsSource", "VersionId": "1", "HasMoreDestinations": False},
        "Destinations": [],
    }
    response = {"DeliveryStreamDescription": described}
    stubs["firehose"].add_response("describe_delivery_stream", response)
    [point] = [each for each in rights.points() if each.name == "rights of the archive"]
    [result] = play_points([point], play())
    assert result.state is State.BAD
    assert "has 0 destinations instead of 1. Deploy again." in result.answer.finding.what


# --- credentials that may end while delivery is stopped -----------------------------------------------------


def ending(minutes, method="sso"):
    """Credentials of a session that can be renewed and end so many minutes from now."""
    end = datetime.now(timezone.utc) + timedelta(minutes=minutes)
    return RefreshableCredentials("key", "secret", "token", end, dict, method)


@pytest.mark.parametrize(
    "credentials",
    [
        None,
        Credentials("key", "secret"),
        ending(60),
        ending(20, method="iam-role"),
        ending(20, method="container-role"),
    ],
)
def test_credentials_that_last_may_stop_delivery(credentials):
    alarms.check_credentials(credentials, datetime.now(timezone.utc) + timedelta(minutes=50))


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        (ending(20), "Sign in again"),
        (ending(20, method="assume-role"), "duration_seconds"),
        (Credentials("key", "secret", "token"), "AWS_CREDENTIAL_EXPIRATION"),
    ],
)
def test_credentials_that_may_end_before_delivery_is_started_again_do_not_stop_it(credentials, said):
    with pytest.raises(AwsError, match=said):
        alarms.check_credentials(credentials, datetime.now(timezone.utc) + timedelta(minutes=50))


def test_a_session_without_a_known_end_leaves_the_question_open_and_makes_nothing(play):
    session = boto3.Session("key", "secret", "token", region_name="eu-west-1")
    point = Point("delivery stopped", "?", "docs/api.md", alarms.delivery_stopped)
    ready = play(session=session)
    [result] = play_points([point], ready)
    assert result.state is State.LOOK
    assert ready.ledger.things() == []


# --- requests -----------------------------------------------------------------------------------------------


class Redirecting(BaseHandler):
    """Stands for the network below urllib: redirects every request."""

    handler_order = 1

    def __init__(self, status):
        self.status, self.asked = status, []

    def https_open(self, request):
        self.asked.append(request.full_url)
        headers = Message()
        headers["location"] = "https://elsewhere.example/"
        response: Any = addinfourl(io.BytesIO(), headers, request.full_url, self.status)
        response.msg = "Elsewhere"
        return response


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_key_is_not_sent_to_where_a_redirect_points(status, method):
    wire = Redirecting(status)
    api = ApiClient.at("https://api.example/api", "secret", is_local=True)
    api.opener.add_handler(wire)
    response = api.send(method, "health", headers={"x-api-key": "secret"})
    assert response.status == status
    assert wire.asked == ["https://api.example/api/health"]


# --- what costs, what is denied -----------------------------------------------------------------------------


def test_a_query_that_would_cost_too_much_is_not_made(play, stubs):
    listed = {"Contents": [{"Key": "events/dt=2026-01-31/x", "Size": 10**10}]}
    stubs["s3"].add_response("list_objects_v2", listed)
    answer = archived.queried(play())
    assert state_of(answer) is State.LOOK
    assert "would cost 0.050 USD and is not made" in answer.finding.what


def test_a_query_that_fails_does_not_work(play, stubs):
    listed = {"Contents": [{"Key": "events/dt=2026-01-31/x", "Size": 1}]}
    stubs["s3"].add_response("list_objects_v2", listed)
    answer = archived.queried(play())  # a deployment without a workgroup
    assert state_of(answer) is State.BAD
    assert answer.finding.what.startswith("The query fails. ")


def test_the_test_user_stays_in_an_archive_that_is_dear_to_search(play, stubs):
    ready = play(now=lambda: datetime.fromtimestamp(NOW.timestamp() + 3600, timezone.utc))
    ready.note(Kind.TEST_USER, ready.mark)
    listed = {"Contents": [{"Key": "events/dt=2026-01-31/x", "Size": 10**10}]}
    stubs["s3"].add_response("list_objects_v2", listed)
    [removed] = remove_all(ready, is_archived=True)
    assert f"It counts as one user, until make forget USER={ready.mark} (with its STAGE)" in removed.remark
    assert ready.ledger.things() == []


def test_many_messages_of_others_are_not_received(play, stubs):
    counts = {"ApproximateNumberOfMessages": "501", "ApproximateNumberOfMessagesNotVisible": "0"}
    stubs["sqs"].add_response("get_queue_attributes", {"Attributes": counts})
    point = Point("redrive", "?", "docs/api.md", pipeline.redriven)
    [result] = play_points([point], play())
    assert result.state is State.LOOK
    assert "holds 501 messages" in result.answer.finding.remedy


def test_what_may_not_be_removed_stays_in_the_ledger_and_is_told(play, stubs):
    ready = play()
    thing = ready.note(Kind.ALARM, "loud", state="OK")
    set_off = {"AlarmName": "loud", "StateReason": "verify-1: a rehearsal"}
    stubs["cloudwatch"].add_response("describe_alarms", {"MetricAlarms": [set_off]})
    stubs["cloudwatch"].add_client_error("set_alarm_state", "AccessDenied")
    [removed] = remove_all(ready, is_archived=True)
    assert removed.is_left
    assert removed.remark.startswith("The alarm loud is left. These credentials may not call SetAlarmState")
    assert ready.ledger.things() == [thing]


def test_a_fallback_in_place_of_personalize_is_no_proof(play):
    class Stale(Wire):
        def open(self, request, timeout):
            body = {"itemList": [{"itemId": "dracula"}], "source": "fallback"}
            return Response(json.dumps(body).encode())

    started = time.monotonic()
    answer = path.recommendation(play(wire=Stale(200)))
    assert state_of(answer) is State.BAD
    assert answer.found.item == "dracula"
    assert time.monotonic() - started < 5
