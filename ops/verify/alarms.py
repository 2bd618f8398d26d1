"""The points of the alarms: each set for a moment and seen in the topic; delivery stopped until one rings.

The topic is read through a queue of this run, whose policy lets in the topic only. SNS encrypts with the key
of the topic and hands the queue plain messages, so this needs no right on the key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ops.diagnosis import bad, good, look
from ops.errors import AwsError
from ops.event_source import EventSource
from ops.verify.ledger import Kind, Thing
from ops.verify.play import Play
from ops.verify.points import Answer, Point
from ops.verify.removal import remove_thing

STOPPED_ALARM = "DeliveryStoppedAlarm"


def alarms_of(play: Play) -> list[Mapping[str, Any]]:
    """Return the alarms whose messages go to the topic of the deployment."""
    topic = play.deployment.output("AlarmTopicArn")
    pages = play.clients("cloudwatch").get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm"])
    found = [each for page in pages for each in page["MetricAlarms"]]
    return [each for each in found if topic in each.get("AlarmActions", [])]


def alarms_seen(play: Play) -> Answer:
    """Every alarm is set, and its message comes through the topic."""
    alarms = alarms_of(play)
    ringing = [each["AlarmName"] for each in alarms if each["StateValue"] == "ALARM"]
    names = {each["AlarmName"] for each in alarms} - {*ringing}
    if not names:
        return Answer(
            bad("No alarm sends to the topic of the deployment.", "Deploy again."), "DescribeAlarms", "none"
        )
    queue, queue_url = _listen(play)
    things = [queue, *(_set_off(play, each) for each in alarms if each["AlarmName"] in names)]
    seen: set[str] = set()

    def all_seen() -> bool:
        seen.update(_receive(play, queue_url))
        return names <= seen

    play.poll(all_seen, play.deadlines.alarm, 0.1)
    for thing in reversed(things):
        remove_thing(play, thing)
    return _judge(play, names, seen & names, ringing)


def _judge(play: Play, names: set[str], seen: set[str], ringing: Sequence[str]) -> Answer:
    call = "SetAlarmState of each alarm, its message read through a queue that subscribes to the topic"
    came = f"{len(seen)} of {len(names)} messages"
    silent = sorted(names - seen)
    if silent:
        return Answer(
            bad(
                f"The topic gets no message of {', '.join(silent)}.",
                "Are the alarm's actions enabled? May cloudwatch.amazonaws.com publish to the topic, and use "
                "its key?",
            ),
            call,
            came,
        )
    known = replace(play.found, alarms_seen=len(seen))
    if ringing:
        finding = look(
            f"Every other alarm reaches the topic. Ringing already, and left alone: {', '.join(ringing)}.",
            "Look at what rings.",
        )
        return Answer(finding, call, came, known)
    return Answer(good(f"Each of the {len(seen)} alarms reaches the topic."), call, came, known)


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
    play.clients("cloudwatch").set_alarm_state(
        AlarmName=name,
        StateValue="ALARM",
        StateReason=f"{play.mark}: a rehearsal by make verify. Nothing has happened.",
    )
    return thing


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


def delivery_stopped(play: Play) -> Answer:
    """The event source is disabled until DeliveryStoppedAlarm rings, and enabled again whatever happens."""
    names = [each["AlarmName"] for each in alarms_of(play) if STOPPED_ALARM in each["AlarmName"]]
    if not names:
        raise AwsError(f"The deployment has no {STOPPED_ALARM}.")
    functions = play.clients("lambda")
    mappings = functions.list_event_source_mappings(FunctionName=play.deployment.delivery_function)
    [mapping] = mappings["EventSourceMappings"]
    accepted: tuple[str, ...] = ()

    def rings() -> bool:
        """Send an event, so that something waits, and return whether the alarm rings."""
        nonlocal accepted
        event = play.event(f"stopped-{len(accepted)}")
        if play.api.post("history", event).status == 202:
            accepted += (event["EventId"],)
        found = play.clients("cloudwatch").describe_alarms(AlarmNames=names[:1])["MetricAlarms"]
        return bool(found and found[0]["StateValue"] == "ALARM")

    thing = play.note(Kind.EVENT_SOURCE, mapping["UUID"])
    try:
        source = EventSource(functions, mapping["UUID"], play.sleep, play.monotonic)
        source.configure({"Enabled": False})
        state = play.poll(rings, play.deadlines.stopped, 30.0)
    finally:
        remove_thing(play, thing)
    call = "UpdateEventSourceMapping --no-enabled, an event every 30 s, DescribeAlarms, then --enabled"
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
    """Yield the points of the alarms."""
    page = "docs/operations.md#alarms"
    yield Point("alarms", "Does each alarm reach the topic?", page, alarms_seen)
    yield Point(
        "delivery stopped",
        "Does an alarm ring when delivery stops altogether?",
        "docs/operations.md#which-alarm-tells-which-fault",
        delivery_stopped,
        ("delivered", "alarms"),
        only_on_aws=True,
        is_intrusive=True,
    )
