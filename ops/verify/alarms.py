"""The points of the alarms: each set for a moment and seen in the topic; delivery stopped until one rings.

The topic is read through a queue of this run, whose policy lets in the topic only. SNS encrypts with the key
of the topic and hands the queue plain messages, so this needs no right on the key.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from ops.diagnosis import Finding, bad, good, look
from ops.errors import AwsError
from ops.event_source import EventSource
from ops.verify import delivery
from ops.verify.ledger import Kind, Thing
from ops.verify.play import Play
from ops.verify.points import Answer, Point
from ops.verify.removal import remove_thing

STOPPED_ALARM = "DeliveryStoppedAlarm"
"""Its name in the template."""
SET_AGAIN_SECONDS = 20.0
SPARE_SECONDS = 600.0
"""How much longer than the wait for that alarm credentials have to last."""
_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")
_REMEDY = (
    "Deploy again. What was changed outside of the stack may stay so: then enable the actions (aws "
    "cloudwatch enable-alarm-actions), or restore the alarm as resources/*.yaml has it. Where nothing came: "
    "may cloudwatch.amazonaws.com publish to the topic, and use its key?"
)


@dataclass(frozen=True)
class Alarms:
    """The alarms of the deployment's stacks. ``ready`` may be set: nobody but the topic hears of them.

    ``ringing`` and ``shared`` are names of alarms that are left alone. ``faults`` say what is wrong with
    others.
    """

    ready: tuple[Mapping[str, Any], ...] = ()
    ringing: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def finding(self, silent: Sequence[str] = ()) -> Finding:
        """Return what is known once the ready ones were set. ``silent`` are those of which nothing came."""
        wrong = [*self.faults, *(f"the topic gets no message of {name}" for name in silent)]
        if wrong:
            return bad(f"An alarm would not be heard: {'; '.join(wrong)}.", _REMEDY)
        if not (self.ready or self.ringing or self.shared):
            return bad("The stacks of the deployment have no alarm.", "Deploy again.")
        heard = f"{len(self.ready)} alarms reach the topic." if self.ready else "No alarm could be set."
        alone = []
        if self.ringing:
            alone.append(f"Ringing already, and left alone: {', '.join(self.ringing)}.")
        if self.shared:
            alone.append(f"Not set, because it starts other actions too: {', '.join(self.shared)}.")
        if alone:
            return look(f"{heard} {' '.join(alone)}", "Look at what rings, and at the actions of the others.")
        return good(f"All {heard}")


def stack_alarms(play: Play) -> dict[str, str]:
    """Return the logical id of each alarm that belongs to the deployment's stacks, by the alarm's name."""
    paginator = play.clients("cloudformation").get_paginator("list_stack_resources")
    pages = [page for stack in play.deployment.stacks for page in paginator.paginate(StackName=stack)]
    return {
        each["PhysicalResourceId"]: each["LogicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] == "AWS::CloudWatch::Alarm"
        and each.get("PhysicalResourceId")
        and each["ResourceStatus"] not in {"DELETE_COMPLETE", "DELETE_SKIPPED"}
    }


def describe(play: Play, names: Collection[str]) -> list[Mapping[str, Any]]:
    """Return the alarms with these names that there are."""
    if not names:
        return []  # CloudWatch would describe every alarm of the account.
    pages = play.clients("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNames=sorted(names))
    return [each for page in pages for each in page["MetricAlarms"]]


def sort_out(names: Collection[str], described: Sequence[Mapping[str, Any]], topic: str) -> Alarms:
    """Return what may be set of the alarms with these names, and what is wrong with the others. Pure."""
    found = {each["AlarmName"]: each for each in described}
    faults, ringing, shared, ready = [], [], [], []
    for name in sorted(names):
        alarm = found.get(name)
        if alarm is None:
            faults.append(f"{name} was deleted")
        elif topic not in alarm.get("AlarmActions", []):
            faults.append(f"{name} does not send to the topic")
        elif not alarm.get("ActionsEnabled", True):
            faults.append(f"the actions of {name} are disabled")
        elif {arn for kind in _ACTIONS for arn in alarm.get(kind, [])} != {topic}:
            shared.append(name)
        elif alarm["StateValue"] == "ALARM":
            ringing.append(name)
        else:
            ready.append(alarm)
    return Alarms(tuple(ready), tuple(ringing), tuple(shared), tuple(faults))


def alarms_seen(play: Play) -> Answer:
    """Every alarm of the deployment is set, and its message comes through the topic."""
    names = stack_alarms(play)
    known = sort_out(names, describe(play, names), play.deployment.output("AlarmTopicArn"))
    call = (
        "ListStackResources and DescribeAlarms; SetAlarmState of each alarm, its message read through a queue"
    )
    if not known.ready:
        return Answer(known.finding(), call, f"none of {len(names)} alarms was set")
    queue, queue_url = _listen(play)
    things = [queue, *(_set_off(play, each) for each in known.ready)]
    known, seen = wait_for_messages(play, known, queue_url)
    for thing in reversed(things):
        remove_thing(play, thing)
    wanted = {each["AlarmName"] for each in known.ready}
    came = f"{len(seen & wanted)} of {len(wanted)} messages"
    finding = known.finding(sorted(wanted - seen))
    return Answer(finding, call, came, replace(play.found, alarms_seen=len(seen)))


def wait_for_messages(play: Play, known: Alarms, queue_url: str) -> tuple[Alarms, set[str]]:
    """Wait for the messages. Return the alarms, sorted out again, and the names of which a message came.

    A policy of a queue takes up to a minute (SetQueueAttributes), and SNS does not repeat what was denied. So
    on AWS the silent ones are set again.
    """
    seen: set[str] = set()

    def all_seen() -> bool:
        seen.update(_receive(play, queue_url))
        return {each["AlarmName"] for each in known.ready} <= seen

    if play.is_local:
        play.poll(all_seen, play.deadlines.alarm, 0.1)
    elif not play.poll(all_seen, min(SET_AGAIN_SECONDS, play.deadlines.alarm), 0.1):
        silent = {each["AlarmName"] for each in known.ready} - seen
        ringing = {*_set_again(play, silent)}
        ready = tuple(each for each in known.ready if each["AlarmName"] not in ringing)
        known = replace(known, ready=ready, ringing=(*known.ringing, *sorted(ringing)))
        play.poll(all_seen, play.deadlines.alarm, 0.1)
    return known, seen


def _set_again(play: Play, names: Collection[str]) -> Iterator[str]:
    """Set alarms back and off again, so that each changes its state. Yield those that really ring by now."""
    for alarm in describe(play, names):
        name, is_ringing = alarm["AlarmName"], alarm["StateValue"] == "ALARM"
        if is_ringing and play.mark not in alarm.get("StateReason", ""):
            yield name
            continue
        if is_ringing:
            _set_state(play, name, "OK")
        _set_state(play, name, "ALARM")


def _listen(play: Play) -> tuple[Thing, str]:
    """Make a queue, subscribe it to the topic, and return it with its URL."""
    topic, name = play.deployment.output("AlarmTopicArn"), f"personalize-api-{play.mark}"
    thing = play.note(Kind.QUEUE, name, topic=topic)
    _, partition, _, region, account, _ = topic.split(":", 5)
    arn = f"arn:{partition}:sqs:{region}:{account}:{name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    attributes = {"Policy": policy, "MessageRetentionPeriod": "3600"}
    url = str(play.clients("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])
    play.clients("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
    return thing, url


def _set_off(play: Play, alarm: Mapping[str, Any]) -> Thing:
    name = alarm["AlarmName"]
    thing = play.note(Kind.ALARM, name, state=alarm["StateValue"])
    _set_state(play, name, "ALARM")
    return thing


def _set_state(play: Play, name: str, state: str) -> None:
    """Set the state. The reason has the mark, which tells it from a state that CloudWatch has found."""
    play.clients("cloudwatch").set_alarm_state(
        AlarmName=name,
        StateValue=state,
        StateReason=f"{play.mark}: a rehearsal by make verify. Nothing has happened.",
    )


def _receive(play: Play, queue_url: str) -> Iterator[str]:
    """Yield the names of the alarms that this run has set, of the messages that came."""
    response = play.clients("sqs").receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0 if play.is_local else 2
    )
    for each in response.get("Messages", []):
        name = alarm_of(each["Body"], play.mark)
        if name:
            yield name


def alarm_of(body: str, mark: str) -> str:
    """Return the name of the alarm that a run has set, of a message; empty for any other message. Pure."""
    try:
        message = json.loads(json.loads(body)["Message"])
        is_ours = message["NewStateValue"] == "ALARM" and mark in message["NewStateReason"]
        return str(message["AlarmName"]) if is_ours else ""
    except (ValueError, KeyError, TypeError):  # anybody's who may publish to the topic
        return ""


def check_credentials(credentials: Any, until: datetime) -> None:
    """Raise AwsError for credentials that may end before a moment: nobody could enable the event source then.

    Keys of a user have no token and no end. The role of a machine or a container is renewed by AWS.
    """
    if not credentials or not credentials.token or credentials.method in {"iam-role", "container-role"}:
        return
    ends = getattr(credentials, "_expiry_time", None)
    if ends is None:
        raise AwsError(
            "The event source was not disabled: these credentials are of a session whose end cannot be seen. "
            "Use a profile, or set AWS_CREDENTIAL_EXPIRATION (aws configure export-credentials --format env)."
        )
    if ends < until:
        raise AwsError(
            "The event source was not disabled: these credentials end at "
            f"{ends.astimezone(timezone.utc):%H:%M} UTC, and it may have to be enabled until "
            f"{until:%H:%M} UTC. Whether they are renewed depends on the sign-in behind them, which cannot "
            "be seen. Sign in again, or for longer (duration_seconds of a profile with a role)."
        )


def delivery_stopped(play: Play) -> Answer:
    """The event source is disabled until DeliveryStoppedAlarm rings, and enabled again whatever happens."""
    call = "UpdateEventSourceMapping --no-enabled, an event every 30 s, DescribeAlarms, then --enabled"
    until = play.now() + timedelta(seconds=play.deadlines.stopped + SPARE_SECONDS)
    check_credentials(play.session.get_credentials(), until)
    names = [name for name, logical in stack_alarms(play).items() if logical == STOPPED_ALARM]
    known = sort_out(names, describe(play, names), play.deployment.output("AlarmTopicArn"))
    if not known.ready:
        return Answer(known.finding(), call, f"{STOPPED_ALARM} is not ready: delivery was not stopped")
    mappings = delivery.event_sources(play)
    if len(mappings) != 1:
        return delivery.not_one(mappings, call)
    [mapping], functions = mappings, play.clients("lambda")
    accepted: tuple[str, ...] = ()

    def rings() -> bool:
        """Send an event, so that something waits, and return whether the alarm rings."""
        nonlocal accepted
        event = play.event(f"stopped-{len(accepted)}")
        if play.api.post("history", event).status == 202:
            accepted += (event["EventId"],)
        return any(each["StateValue"] == "ALARM" for each in describe(play, names))

    thing = play.note(Kind.EVENT_SOURCE, mapping["UUID"])
    try:
        source = EventSource(functions, mapping["UUID"], play.sleep, play.monotonic)
        source.configure({"Enabled": False})
        state = play.poll(rings, play.deadlines.stopped, 30.0)
    finally:
        remove_thing(play, thing)
    found = replace(play.found, **play.found.sent(accepted, play.now()))
    if state:
        return Answer(good(f"{STOPPED_ALARM} rings when nothing is delivered."), call, "ALARM", found)
    return Answer(
        bad(f"{STOPPED_ALARM} does not ring.", "Look at its metrics in the console: FILL, and the names."),
        call,
        "not in ALARM",
        found,
    )


def points() -> Iterator[Point]:
    """Yield the point of each alarm. It comes before a bad record lets QuarantineAlarm ring by itself."""
    yield Point("alarms", "Does each alarm reach the topic?", "docs/operations.md#alarms", alarms_seen)


def stopped_points() -> Iterator[Point]:
    """Yield the point that stops delivery. It comes after delivery is seen."""
    yield Point(
        "delivery stopped",
        "Does an alarm ring when delivery stops altogether?",
        "docs/operations.md#which-alarm-tells-which-fault",
        delivery_stopped,
        ("delivered", "alarms"),
        only_on_aws=True,
        is_intrusive=True,
    )
