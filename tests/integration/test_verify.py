"""make verify on the real local stack: green once, each point made to fail once, and killed at every step."""

import errno
import json
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest

from local.coordinates import written
from local.stack import running_stack
from ops import doctor
from ops.diagnosis import State
from ops.errors import AwsError
from ops.packaging.bundle import ROOT
from ops.packaging.templates import Templates
from ops.usage_plans import keys_of
from ops.verify import alarms, archive, archived, path, pipeline, runtime
from ops.verify.command import Options, Run, first_signal_only, open_account, with_key
from ops.verify.ledger import Kind
from ops.verify.play import Found
from ops.verify.points import ONLY_ON_AWS, Point, play_points
from ops.verify.removal import remove_all
from tests.support.calls import run_command
from tests.support.clone import clone_project
from tests.support.program import Program
from tests.support.verifying import Killed, locate, make_play, needed_for, results_of, with_outputs


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("verify")) as running:
        yield running


@pytest.fixture(scope="module")
def project(stack, tmp_path_factory):
    """A checkout in which the running stack is `STAGE=local`."""
    folder = clone_project(tmp_path_factory.mktemp("project"))
    with written(stack.stack, folder / ".local" / "stack.json"):
        yield folder


@pytest.fixture(scope="module")
def located(project, stack):
    return locate(project, stack)


@pytest.fixture
def play(located, tmp_path):
    deployment, session = located
    return make_play(deployment, session, tmp_path)


@pytest.fixture
def next_run(located, tmp_path):
    """The context of the run after that of ``play``, with the same ledger."""
    deployment, session = located
    return make_play(deployment, session, tmp_path)


def remains(stack):
    """What a run could have left in the account, but for lines of the archive."""
    s3, sqs = stack.client("s3"), stack.client("sqs")
    versions = s3.list_object_versions(Bucket=stack.stack.bucket)
    found = [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=stack.stack.quarantineQueueUrl, AttributeNames=names)
    described = stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return {
        "objects": [each["Key"] for each in found if not each["Key"].startswith("events/")],
        "quarantined": sum(int(each) for each in counts["Attributes"].values()),
        "queues": [url for url in sqs.list_queues()["QueueUrls"] if "quarantine" not in url],
        "subscriptions": stack.client("sns").list_subscriptions()["Subscriptions"],
        "ringing": [each["AlarmName"] for each in described if each["StateValue"] == "ALARM"],
    }


def archived_versions(stack):
    listed = stack.client("s3").list_object_versions(Bucket=stack.stack.bucket, Prefix="events/")
    return [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]


NO_SUBSCRIPTION = (SimpleNamespace(status_code=200), {"SubscriptionArn": "pending confirmation"})
"""The response to a subscription that SNS forgets: it stands for a queue that the topic may not send to."""
NOTHING = {"objects": [], "quarantined": 0, "queues": [], "subscriptions": [], "ringing": []}


# --- green --------------------------------------------------------------------------------------------------


def command(project, *arguments):
    return [sys.executable, "-m", "ops", "verify", "--stage", "local", *arguments], project


def environment(tmp_path):
    return os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}


def verify(project, tmp_path, *arguments):
    words, folder = command(project, *arguments)
    return subprocess.run(
        words,
        cwd=folder,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_healthy_deployment_is_proved_to_work_and_nothing_is_left(project, stack, tmp_path):
    ran = verify(project, tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "The deployment works." in ran.stdout
    assert "!!" not in ran.stdout
    assert remains(stack) == NOTHING
    assert archived_versions(stack) == []
    report = (project / "build" / "verify-local.md").read_text("utf-8")
    assert "**The deployment works.**" in report
    assert "not played" not in report
    assert "| metric | not here | only on AWS |" in report
    assert "USD at list prices" in report
    assert stack.stack.apiKey not in report + ran.stdout + ran.stderr


def test_on_aws_it_asks_before_it_makes_anything(stack, project):
    named = ("verify", "--stage", "dev", "--stack-name", "personalize-api-local")
    ran = run_command(*named, endpoint_url=stack.stack.awsEndpointUrl, project=project)
    assert ran.returncode == 1
    assert "each alarm is set for a moment" in ran.stdout
    assert "It costs at most 0.00" in ran.stdout
    assert "--yes is needed where nobody can be asked" in ran.stderr
    assert "ok" not in ran.stdout
    assert remains(stack) == NOTHING


def test_interrupted_it_says_what_is_left_and_the_next_run_removes_it(project, stack, tmp_path, eventually):
    words, folder = command(project)
    run = Program(words, folder, environment(tmp_path))
    eventually(lambda: "ok  batch" in run.text)
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 130
    assert "Left in the account: test user verify-" in run.text
    assert "The run was interrupted: nothing is proved." in run.text
    assert remains(stack) == NOTHING
    # Strictly, what doctor says of the emulator counts: nobody is told of alarms.
    after = verify(project, tmp_path, "--strict", "--report", str(tmp_path / "again.md"))
    assert "An earlier run has left 1 things." in after.stdout
    assert after.returncode == 1
    assert "!!" not in after.stdout
    assert "not played" not in (tmp_path / "again.md").read_text("utf-8")
    assert "Left in the account" not in after.stdout
    assert archived_versions(stack) == []


def test_lines_of_others_are_left_in_the_archive_and_the_report_says_so(play, stack):
    s3, key = stack.client("s3"), f"events/dt={play.now():%Y-%m-%d}/others"
    play.note(Kind.TEST_USER, play.mark)
    body = b'{"SessionId":"ann"}\n{"SessionId":"%s"}\n' % play.mark.encode()
    s3.put_object(Bucket=stack.stack.bucket, Key=key, Body=body)
    [removed] = remove_all(play, is_archived=True)
    assert f"The archive keeps lines of the test user {play.mark}" in removed.remark
    assert s3.get_object(Bucket=stack.stack.bucket, Key=key)["Body"].read() == body
    assert play.ledger.things() == []
    version = s3.list_object_versions(Bucket=stack.stack.bucket, Prefix=key)["Versions"][0]
    s3.delete_object(Bucket=stack.stack.bucket, Key=key, VersionId=version["VersionId"])


def test_lines_that_only_name_the_test_user_and_objects_that_only_begin_alike_are_left(play, stack):
    s3, day, mark = stack.client("s3"), f"events/dt={play.now():%Y-%m-%d}", play.mark
    own = {"SessionId": mark, "Event": {"itemId": "dracula"}}
    ann = {"SessionId": "ann", "Event": {"itemId": mark}}
    bodies = {
        "own": json.dumps(own),
        "own.copy-of-ann": json.dumps(ann),
        "mention": f"{json.dumps(own)}\n{json.dumps(ann)}",
        "joined": f"{json.dumps(own)}\n{json.dumps(own)}{json.dumps(ann)}",
        "list": f"{json.dumps(own)}\n{json.dumps([own, ann])}",
        "text": f"{json.dumps(own)}\nno JSON of {mark}",
    }
    play.note(Kind.TEST_USER, mark)
    for name, body in bodies.items():
        s3.put_object(Bucket=stack.stack.bucket, Key=f"{day}/{name}", Body=f"{body}\n".encode())
    try:
        [removed] = remove_all(play, is_archived=True)
        assert "because 4 of its lines are in objects that hold other events too" in removed.remark
        assert {each["Key"] for each in archived_versions(stack)} == {f"{day}/{name}" for name in bodies} - {
            f"{day}/own"
        }
    finally:
        for each in archived_versions(stack):
            s3.delete_object(Bucket=stack.stack.bucket, Key=each["Key"], VersionId=each["VersionId"])


def test_no_session_of_anybody_else_is_returned(play, stack):
    s3, key = stack.client("s3"), f"events/dt={play.now():%Y-%m-%d}/sessions"
    body = f'{{"SessionId":"{play.mark}"}}\n{{"SessionId":"ann"}}\n{{"SessionId":"{play.mark}-ann"}}\n'
    version = s3.put_object(Bucket=stack.stack.bucket, Key=key, Body=body.encode())["VersionId"]
    try:
        days = archive.days_since(play, play.now())
        found = archive.objects_with(play, play.mark, [play.mark, "ann"], days)
        assert found == [archive.MarkedObject(key, lines=3, marked_lines=1, own_lines=1)]
    finally:
        s3.delete_object(Bucket=stack.stack.bucket, Key=key, VersionId=version)


def test_a_terminal_that_is_closed_keeps_nothing_from_being_removed(project, stack, tmp_path):
    """As when a terminal is closed: SIGHUP again and again, and nobody takes what is printed."""
    words, folder = command(project, "--report", str(tmp_path / "report.md"))
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=environment(tmp_path),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    text = b""
    while b"ok  batch" not in text:
        text += os.read(controller, 1000)
    os.close(controller)
    deadline = time.monotonic() + 30
    while process.poll() is None:
        assert time.monotonic() < deadline
        process.send_signal(signal.SIGHUP)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.005)
    assert process.returncode != 0
    assert remains(stack) == NOTHING
    report = (tmp_path / "report.md").read_text("utf-8")
    assert "The run was interrupted: nothing is proved." in report
    assert report.count("Left in the account: test user") == 1
    assert "Left in the account: " not in report.replace("Left in the account: test user", "")
    after = verify(project, tmp_path)
    assert after.returncode == 0, after.stdout + after.stderr
    assert archived_versions(stack) == []


def interrupting(line):
    """Show progress as a terminal that is closed whenever something is removed."""
    if line.startswith("Removing: "):
        for each in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(each)
    raise OSError(errno.EIO, "the terminal is gone")


def test_signals_during_the_removal_of_what_is_left_end_the_run_after_it(play):
    play.note(Kind.FUNCTION, "personalize-api-verify-gone")
    play.note(Kind.ALARM, "gone", state="OK")
    run = Run(replace(play, show=interrupting), {}, interrupting)
    with pytest.raises(KeyboardInterrupt), first_signal_only():
        run.remove_earlier()
    assert play.ledger.things() == []


def test_signals_during_the_removal_at_the_end_do_not_stop_it(play, stack):
    def killed(play):
        url = stack.client("sqs").create_queue(QueueName=f"personalize-api-{play.mark}")["QueueUrl"]
        play.note(Kind.QUEUE, url.rpartition("/")[2], topic=play.deployment.output("AlarmTopicArn"))
        play.note(Kind.FUNCTION, "personalize-api-verify-gone")
        signal.raise_signal(signal.SIGHUP)

    shown = replace(play, show=lambda line: interrupting(line) if line.startswith("Removing") else None)
    settings = doctor.expected_settings(play.deployment, Templates.read(ROOT).event_source_settings())
    run = Run(shown, settings, interrupting)
    with pytest.raises(KeyboardInterrupt), first_signal_only():
        run.perform([Point("killed", "?", "docs/api.md", killed)])
    assert play.ledger.things() == []
    assert remains(stack) == NOTHING
    assert not run.to_report(is_strict=False).is_well


def broken_output(_):
    raise OSError(errno.EIO, "the terminal is gone")


def test_output_that_fails_ends_nothing(play):
    play.note(Kind.FUNCTION, "personalize-api-verify-gone")
    run = Run(replace(play, show=broken_output), {}, broken_output)
    run.remove_earlier()
    assert play.ledger.things() == []


def test_what_is_left_is_no_proof_unless_its_archive_is_not_due(play, stack):
    run = Run(play, {}, lambda line: None)
    run.results = [*results_of(play, "key right").values()]
    run.is_ended = True
    assert run.to_report(is_strict=False).is_well
    play.note(Kind.TEST_USER, play.mark)
    run.remove_earlier()
    waiting = run.to_report(is_strict=False)
    assert waiting.is_well
    assert waiting.left == [f"test user {play.mark}. The next run removes it."]
    play.note(Kind.QUEUE, "a queue whose topic nobody knows")
    run.remove_earlier()
    left = run.to_report(is_strict=False)
    assert not left.is_well
    assert len(left.left) == 2
    assert any("unexpected KeyError" in remark for remark in left.remarks)


def test_a_remark_that_is_true_no_more_is_not_in_the_report(play, stack):
    play.note(Kind.TEST_USER, play.mark)
    run = Run(play, {}, lambda line: None)
    run.remove_earlier()
    assert "The next run removes them." in run.to_report(is_strict=False).remarks[0]
    run.play = replace(play, deadlines=replace(play.deadlines, archive=0.0))
    run.remove_earlier()
    assert run.to_report(is_strict=False).remarks == []


def test_what_an_earlier_run_left_is_removed_also_without_the_key(located, play, tmp_path):
    deployment, session = located
    play.note(Kind.FUNCTION, "personalize-api-verify-gone")
    no_key = replace(deployment, outputs={**deployment.outputs, "ApiKeyId": "nobody's"})
    ready = open_account(no_key, session, Options(), ledger=play.ledger)
    Run(ready, {}, lambda line: None).remove_earlier()
    assert play.ledger.things() == []
    with pytest.raises(AwsError, match="AWS refused GetApiKey"):
        with_key(ready)


@pytest.mark.parametrize(
    ("kind", "details"),
    [(Kind.EVENT_SOURCE, {}), (Kind.ALARM, {"state": "OK"}), (Kind.FUNCTION, {}), (Kind.OBJECT, {})],
)
def test_what_is_gone_counts_as_removed(play, kind, details):
    play.note(kind, "11111111-2222-3333-4444-555555555555", **details)
    [removed] = remove_all(play, is_archived=False)
    assert not removed.is_left, removed.remark
    assert play.ledger.things() == []


def test_a_bad_record_whose_queue_is_gone_counts_as_removed(play, stack):
    play.note(Kind.BAD_RECORD, play.mark)
    [removed] = remove_all(
        with_outputs(play, QuarantineQueueUrl=f"{stack.stack.quarantineQueueUrl}-gone"), is_archived=False
    )
    assert not removed.is_left, removed.remark


def test_an_alarm_that_rings_for_a_reason_by_now_is_not_set_back(play, stack):
    cloudwatch = stack.client("cloudwatch")
    name = cloudwatch.describe_alarms()["MetricAlarms"][0]["AlarmName"]
    play.note(Kind.ALARM, name, state="OK")
    state = {"AlarmName": name, "StateReason": "it is true"}
    cloudwatch.set_alarm_state(**state, StateValue="ALARM")
    remove_all(play, is_archived=False)
    assert remains(stack)["ringing"] == [name]
    assert play.ledger.things() == []
    cloudwatch.set_alarm_state(**state, StateValue="OK")


def test_messages_of_others_stay_in_the_quarantine_as_they_were(play, stack):
    sqs, url = stack.client("sqs"), stack.stack.quarantineQueueUrl
    sqs.send_message(QueueUrl=url, MessageBody="somebody else's")
    try:
        results = results_of(play, "redrive")
        assert results["redrive"].state is State.GOOD
        [message] = sqs.receive_message(QueueUrl=url)["Messages"]
        assert message["Body"] == "somebody else's"
    finally:
        sqs.purge_queue(QueueUrl=url)


# --- each point fails ---------------------------------------------------------------------------------------


def failed(results, name):
    """The finding of a point that has failed. Nothing that needs it was played."""
    result = results[name]
    assert result.state is State.BAD, str(result)
    assert result.answer.finding.remedy
    for other in results.values():
        if name in other.point.needs:
            assert other.answer is None
            assert other.counts_against
    return str(result)


def test_an_api_that_needs_no_key_fails(play, stack):
    gateway = stack.client("apigateway")
    api = play.deployment.api_id
    found = gateway.get_resources(restApiId=api, limit=500)["items"]
    [resource] = [each["id"] for each in found if each["path"] == "/recommendations"]
    method = {"restApiId": api, "resourceId": resource, "httpMethod": "POST"}

    def require(value):
        # The emulator keeps the text, of which only an empty one is false.
        operation = {"op": "replace", "path": "/apiKeyRequired", "value": value}
        gateway.update_method(**method, patchOperations=[operation])
        gateway.create_deployment(restApiId=api, stageName=play.deployment.api_stage)

    require("")
    try:
        results = results_of(play, "key missing", "key wrong")
    finally:
        require("true")
    assert "instead of 403: everybody can use the API" in failed(results, "key missing")
    assert "everybody can use the API" in failed(results, "key wrong")


def test_the_key_of_another_plan_fails_and_nothing_behind_it_is_played(play, stack):
    made = stack.client("apigateway").create_api_key(name="another", enabled=True)
    try:
        other = replace(play, api=replace(play.api, key=made["value"]))
        results = results_of(other, "recommendation", "archive table")
    finally:
        stack.client("apigateway").delete_api_key(apiKey=made["id"])
    assert "in no usage plan of this API" in failed(results, "key right")
    assert [name for name, result in results.items() if result.answer] == ["key right"]


def test_the_key_that_rotation_has_made_is_used_where_the_first_is_retired(play, located, stack, tmp_path):
    gateway = stack.client("apigateway")
    deployment, session = located
    first = deployment.output("ApiKeyId")
    made = gateway.create_api_key(name="second", enabled=True)
    [plan] = [
        each["id"] for each in gateway.get_usage_plans()["items"] if first in keys_of(gateway, each["id"])
    ]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=made["id"], keyType="API_KEY")

    def enable(value):
        operation = {"op": "replace", "path": "/enabled", "value": value}
        gateway.update_api_key(apiKey=first, patchOperations=[operation])

    enable("false")
    try:
        rotated = make_play(deployment, session, tmp_path)
        results = results_of(rotated, "key right")
    finally:
        enable("true")
        gateway.delete_api_key(apiKey=made["id"])
    assert rotated.api.key == made["value"] != play.api.key
    assert results["key right"].state is State.GOOD


def test_an_api_out_of_reach_fails(play):
    nowhere = replace(play, api=replace(play.api, url="http://127.0.0.1:9"))
    assert "The API did not respond at http://127.0.0.1:9" in failed(
        results_of(nowhere, "batch"), "key right"
    )


def test_an_origin_that_the_gateway_does_not_name_fails(play):
    changed = replace(play, variables={**play.variables, "ALLOWED_ORIGIN": "https://shop.example"})
    assert "has an older deployment" in failed(results_of(changed, "preflight"), "preflight")


def test_an_event_and_a_batch_that_are_not_accepted_fail(play):
    refused = replace(play, event_type="")
    assert "does not accept events" in failed(results_of(refused, "batch"), "event")
    answer = path.batch(replace(refused, found=Found(item="dracula")))
    assert answer.finding.state is State.BAD


def test_a_disabled_event_source_fails(play, stack, eventually):
    functions = stack.client("lambda")
    [mapping] = functions.list_event_source_mappings()["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        short = replace(play, deadlines=replace(play.deadlines, delivery=1.0))
        results = results_of(short, "redrive", "given-up batch")
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert "the function is not invoked" in failed(results, "delivered")
    assert results["redrive"].why_not == "because of: quarantine"


def test_personalize_that_denies_access_fails_with_the_reason(play, stack):
    stack.engine.set_faults(operations=["PutEvents"], accessDenied=True)
    try:
        results = results_of(replace(play, deadlines=replace(play.deadlines, delivery=1.5)), "delivered")
    finally:
        stack.engine.set_faults()
    assert "Delivery fails: " in failed(results, "delivered")
    assert results_of(play, "delivered")["delivered"].state is State.GOOD


def test_a_quarantine_that_gets_nothing_or_is_gone_fails(play, stack):
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName="another")["QueueUrl"]
    short = replace(play, deadlines=replace(play.deadlines, delivery=1.0), found=Found(item="dracula"))
    other = with_outputs(short, QuarantineQueueUrl=url)
    assert "does not come into the quarantine" in pipeline.quarantined(other).finding.what
    sqs.delete_queue(QueueUrl=url)
    [point] = [each for each in needed_for("quarantine") if each.name == "quarantine"]
    [gone] = play_points([replace(point, needs=())], other)
    assert gone.state is State.BAD
    assert not gone.is_met
    remove_all(play, is_archived=False)
    assert remains(stack) == NOTHING


def test_a_stream_that_takes_nothing_back_fails(play, stack):
    ready = replace(play, found=Found(item="dracula"))
    assert pipeline.quarantined(ready).finding.state is State.GOOD
    broken = with_outputs(ready, EventStreamName="nowhere")
    for point in (pipeline.redriven, pipeline.given_up):
        finding = point(broken).finding
        assert finding.state is State.BAD
        assert "does not go back into the stream" in finding.what
    remove_all(play, is_archived=False)
    assert remains(stack) == NOTHING


def test_an_archive_that_gets_nothing_fails(play, stack):
    stack.client("s3").create_bucket(Bucket="empty")
    found = Found(item="dracula", sent_at=play.now(), event_ids=("never-sent",))
    short = replace(play, deadlines=replace(play.deadlines, archive=0.5), found=found)
    assert archived.archived(with_outputs(short, EventsBucket="empty")).finding.state is State.BAD
    finding = archived.queried(short).finding
    assert finding.state is State.BAD
    assert "never-sent" in finding.what


METRIC = {
    **{"Namespace": "N", "MetricName": "M", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1},
    **{"Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"},
}
"""Of an alarm that has nothing to ring for."""


@contextmanager
def another_stack(stack, play, name, **properties):
    """The deployment with a second stack, which has one alarm of that logical name."""
    topic = play.deployment.output("AlarmTopicArn")
    resource = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": METRIC | {"AlarmActions": [topic]} | properties,
    }
    cloudformation = stack.client("cloudformation")
    cloudformation.create_stack(StackName="another", TemplateBody=json.dumps({"Resources": {name: resource}}))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="another", WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )
    try:
        yield replace(play, deployment=replace(play.deployment, stacks=(*play.deployment.stacks, "another")))
    finally:
        cloudformation.delete_stack(StackName="another")
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName="another", WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )


def reason_of(stack, name):
    """Why an alarm has the state that it has."""
    [found] = stack.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return found["StateReason"]


def test_an_alarm_of_others_on_the_same_topic_is_left_alone(play, stack):
    cloudwatch, topic = stack.client("cloudwatch"), play.deployment.output("AlarmTopicArn")
    cloudwatch.put_metric_alarm(AlarmName="of-others", AlarmActions=[topic], **METRIC)
    try:
        assert results_of(play, "alarms")["alarms"].state is State.GOOD
        assert play.mark not in reason_of(stack, "of-others")
    finally:
        cloudwatch.delete_alarms(AlarmNames=["of-others"])


def test_an_alarm_with_other_actions_is_left_alone(play, stack):
    others = stack.client("sns").create_topic(Name="others")["TopicArn"]
    name = "starts-other-actions"
    with another_stack(stack, play, "Shared", AlarmName=name, OKActions=[others]) as wider:
        result = results_of(wider, "alarms")["alarms"]
        assert result.state is State.LOOK
        assert name in result.answer.finding.what
        assert play.mark not in reason_of(stack, name)
    stack.client("sns").delete_topic(TopicArn=others)


def test_an_alarm_that_would_not_be_heard_fails_and_is_named(play, stack):
    cloudwatch = stack.client("cloudwatch")
    with another_stack(stack, play, "Loud", AlarmName="loud") as wider:
        cloudwatch.disable_alarm_actions(AlarmNames=["loud"])
        assert "the actions of loud are disabled" in failed(results_of(wider, "alarms"), "alarms")
        cloudwatch.put_metric_alarm(AlarmName="loud", **METRIC)
        assert "loud does not send to the topic" in failed(results_of(wider, "alarms"), "alarms")
        cloudwatch.delete_alarms(AlarmNames=["loud"])
        assert "loud was deleted" in failed(results_of(wider, "alarms"), "alarms")
    assert remains(stack) == NOTHING


def test_alarms_that_do_not_reach_the_topic_fail_and_are_named(play, stack):
    short = replace(play, deadlines=replace(play.deadlines, alarm=0.5))
    short.clients("sns").meta.events.register("before-call.sns.Subscribe", lambda **_: NO_SUBSCRIPTION)
    finding = failed(results_of(short, "alarms"), "alarms")
    for each in alarms.stack_alarms(play):
        assert f"the topic gets no message of {each}" in finding
    assert remains(stack) == NOTHING


def test_an_alarm_that_rings_already_is_left_alone(play, stack):
    cloudwatch = stack.client("cloudwatch")
    name = cloudwatch.describe_alarms()["MetricAlarms"][0]["AlarmName"]
    state = {"AlarmName": name, "StateReason": "it is true"}
    cloudwatch.set_alarm_state(**state, StateValue="ALARM")
    result = results_of(play, "alarms")["alarms"]
    assert result.state is State.LOOK
    assert name in result.answer.finding.what
    assert remains(stack)["ringing"] == [name]
    cloudwatch.set_alarm_state(**state, StateValue="OK")


@pytest.mark.parametrize(
    ("role", "right"),
    [
        ("ApiHandlerRole", "kinesis:PutRecords"),
        ("DeliverEventsRole", "sqs:SendMessage"),
        ("ArchiveRole", "s3:PutObject"),
    ],
)
def test_a_role_without_rights_fails(play, stack, role, right):
    iam = stack.client("iam")
    names = [each["RoleName"] for each in iam.list_roles()["Roles"]]
    [role_name] = [name for name in names if f"-{role}-" in name]
    [policy] = iam.list_role_policies(RoleName=role_name)["PolicyNames"]
    place = {"RoleName": role_name, "PolicyName": policy}
    document = iam.get_role_policy(**place)["PolicyDocument"]
    iam.delete_role_policy(**place)
    owners = {"ApiHandlerRole": "the API", "DeliverEventsRole": "delivery", "ArchiveRole": "the archive"}
    point = f"rights of {owners[role]}"
    try:
        assert right in failed(results_of(play, point), point)
    finally:
        iam.put_role_policy(**place, PolicyDocument=json.dumps(document))
    assert results_of(play, point)[point].state is State.GOOD


def test_what_only_aws_can_answer_is_never_green_here(play):
    results = results_of(play, "FILL", "large body", "recommender", "unknown tracker")
    assert results["FILL"].why_not == ONLY_ON_AWS
    assert results["FILL"].state is None
    assert not results["large body"].counts_against


# --- killed at every step -----------------------------------------------------------------------------------

STEPS = {
    "PutRecord": "redrive",
    "PutRecords": "redrive",
    "DeleteMessageBatch": "redrive",
    "PutObject": "given-up batch",
    "DeleteObjects": "given-up batch",
    "CreateQueue": "alarms",
    "Subscribe": "alarms",
    "SetAlarmState": "alarms",
    "ReceiveMessage": "alarms",
    "Unsubscribe": "alarms",
    "DeleteQueue": "alarms",
}
"""Every call that puts something into the account or takes it away, and the point that makes it."""


@pytest.mark.parametrize("moment", ["before-call", "after-call"])
@pytest.mark.parametrize("operation", STEPS)
def test_killed_at_any_step_the_next_run_removes_what_was_left(play, next_run, stack, operation, moment):
    killed = Killed(play, operation, moment)
    with pytest.raises(KeyboardInterrupt):
        results_of(killed.play, STEPS[operation])
    assert killed.is_dead
    assert play.ledger.things()
    remove_all(next_run, is_archived=True)
    assert next_run.ledger.things() == []
    assert remains(stack) == NOTHING


def functions_of(stack):
    listed = stack.client("lambda").list_functions()["Functions"]
    return [each["FunctionName"] for each in listed if "verify-" in each["FunctionName"]]


def test_the_function_that_asks_the_runtime_works_here_and_is_deleted(play, stack):
    answer = runtime.runtime(play)
    assert answer.finding.state is State.GOOD, answer
    assert functions_of(stack) == []
    assert play.ledger.things() == []


@pytest.mark.parametrize("moment", ["before-call", "after-call"])
@pytest.mark.parametrize("operation", ["CreateFunction", "Invoke", "DeleteFunction"])
def test_killed_while_the_runtime_is_asked_the_function_is_deleted(play, next_run, stack, operation, moment):
    with pytest.raises(KeyboardInterrupt):
        runtime.runtime(Killed(play, operation, moment).play)
    remove_all(next_run, is_archived=False)
    assert functions_of(stack) == []
    assert next_run.ledger.things() == []


@pytest.mark.parametrize("moment", ["before-call", "after-call"])
def test_killed_while_delivery_is_stopped_the_next_run_starts_it(play, next_run, stack, moment):
    functions = stack.client("lambda")
    [mapping] = functions.list_event_source_mappings()["EventSourceMappings"]
    with another_stack(stack, play, alarms.STOPPED_ALARM) as wider:
        with pytest.raises(KeyboardInterrupt):
            alarms.delivery_stopped(Killed(wider, "UpdateEventSourceMapping", moment).play)
        remove_all(next_run, is_archived=False)
        assert functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Enabled"
        # Uninterrupted: no alarm rings here, and the event source is enabled again.
        ready = replace(next_run, deployment=wider.deployment, found=Found(item="dracula"))
        assert alarms.delivery_stopped(ready).finding.state is State.BAD
        assert functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Enabled"
        assert next_run.ledger.things() == []


# --- last: the functions remember for half a minute that the engine was down --------------------------------


def test_an_engine_that_is_down_fails_and_no_event_is_sent(play, stack):
    stack.engine.set_faults(errorRate=1.0)
    try:
        short = replace(play, deadlines=replace(play.deadlines, list=0.0))
        results = results_of(short, "archive table")
    finally:
        stack.engine.set_faults()
    assert "The API gives no list" in failed(results, "recommendation")
    assert results["event"].why_not == "because of: recommendation"
    assert play.ledger.things() == []
