"""Takes away what runs have put into the account, thing by thing, as the ledger names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import ClientError

from ops.cloudformation.artifacts import delete_versions_of
from ops.command_lines import make_line, shell_line
from ops.errors import OpsError, readable_aws_errors
from ops.event_source import EventSource
from ops.verify import archive, quarantine
from ops.verify.ledger import Kind, Thing
from ops.verify.play import Play

_GONE = {
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucket",
    "NotFound",
    "QueueDoesNotExist",
    "ResourceNotFound",
    "ResourceNotFoundException",
}


@dataclass(frozen=True)
class Removed:
    """What became of a thing. With ``is_left`` it stays in the ledger. ``remark`` is for the report.

    ``is_waiting``: it is left because it cannot be removed yet, and nothing has failed.
    """

    thing: Thing
    is_left: bool = False
    remark: str = ""
    is_waiting: bool = False


def remove_all(play: Play, *, is_archived: bool) -> list[Removed]:
    """Remove what the ledger names. What cannot be removed now stays in it.

    ``is_archived``: what this run has sent last is in the archive, so everything before is. No error keeps
    the other things from being removed, nor does a terminal that is gone.
    """
    return [_try_to_remove(play, thing, is_archived=is_archived) for thing in play.ledger.things()]


def _try_to_remove(play: Play, thing: Thing, *, is_archived: bool) -> Removed:
    with suppress(OSError):
        play.show(f"Removing: {thing}")
    try:
        with readable_aws_errors():
            return _remove(play, thing, is_archived=is_archived)
    except OpsError as error:
        return Removed(thing, is_left=True, remark=f"The {thing} is left. {error}")
    except Exception as error:  # noqa: BLE001 the other things are removed; a message may hold data
        reason = f"Removing it ended with an unexpected {type(error).__name__}."
        return Removed(thing, is_left=True, remark=f"The {thing} is left. {reason}")


def consequence(thing: Thing, region: str) -> str:
    """Return what a thing means that is left: where it does harm, what to do at once. Pure."""
    if thing.kind is not Kind.EVENT_SOURCE:
        return f"{thing}. The next run removes it."
    line = shell_line(
        *("aws", "lambda", "update-event-source-mapping", "--enabled"),
        *("--uuid", thing.id, "--region", region),
    )
    return f"{thing}. No event is delivered while it is disabled. The next run enables it, or at once: {line}"


def remove_thing(play: Play, thing: Thing) -> None:
    """Remove a thing of the run itself, before its end."""
    _remove(play, thing, is_archived=False)


def _remove(play: Play, thing: Thing, *, is_archived: bool) -> Removed:
    if thing.kind is Kind.TEST_USER:
        outcome = _delete_test_user(play, thing, is_archived=is_archived)
    else:
        outcome = _remove_if_there(play, thing)
    if not outcome.is_left:
        play.ledger.strike(thing)
    return outcome


def _remove_if_there(play: Play, thing: Thing) -> Removed:
    with _gone_is_well():
        return Removed(thing, remark=_REMOVE[thing.kind](play, thing))
    return Removed(thing)


def _enable_event_source(play: Play, thing: Thing) -> str:
    EventSource(play.clients("lambda"), thing.id, play.sleep, play.monotonic).configure({"Enabled": True})
    return ""


def _reset_alarm(play: Play, thing: Thing) -> str:
    """Set the alarm back to the state that it had, unless CloudWatch has judged it again since.

    An alarm that rings by now rings for a reason. Its own reason then stands in the place of the run's.
    """
    cloudwatch = play.clients("cloudwatch")
    for alarm in cloudwatch.describe_alarms(AlarmNames=[thing.id])["MetricAlarms"]:
        if thing.mark in alarm.get("StateReason", ""):
            cloudwatch.set_alarm_state(
                AlarmName=thing.id,
                StateValue=thing.details["state"],
                StateReason=f"{thing.mark}: the end of a rehearsal by make verify",
            )
    return ""


def _delete_queue(play: Play, thing: Thing) -> str:
    """Delete the subscription of the queue, and the queue. Each may not be there yet, or any more."""
    sns, sqs = play.clients("sns"), play.clients("sqs")
    with _gone_is_well():
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=thing.details["topic"])
        for each in [found for page in pages for found in page["Subscriptions"]]:
            if each["Endpoint"].endswith(f":{thing.id}"):
                sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=thing.id)["QueueUrl"])
    return ""


def _delete_function(play: Play, thing: Thing) -> str:
    play.clients("lambda").delete_function(FunctionName=thing.id)
    return ""


def _delete_bad_record(play: Play, thing: Thing) -> str:
    """Delete its message, for which delivery may need a moment."""
    pause = quarantine.pause_seconds(play)
    if play.poll(lambda: quarantine.delete_marked(play, thing.mark), play.deadlines.quarantined, pause):
        return ""
    return (
        f"The bad record of {thing.mark} is not in the quarantine. If it comes later, its message expires "
        "after 14 days."
    )


def _delete_object(play: Play, thing: Thing) -> str:
    delete_versions_of(play.clients("s3"), play.bucket.name, thing.id)
    return ""


_REMOVE: Mapping[Kind, Callable[[Play, Thing], str]] = {
    Kind.EVENT_SOURCE: _enable_event_source,
    Kind.ALARM: _reset_alarm,
    Kind.QUEUE: _delete_queue,
    Kind.FUNCTION: _delete_function,
    Kind.BAD_RECORD: _delete_bad_record,
    Kind.OBJECT: _delete_object,
}


def _delete_test_user(play: Play, thing: Thing, *, is_archived: bool) -> Removed:
    """Delete the objects of the archive that hold nothing but lines of test users."""
    noted = datetime.fromisoformat(thing.noted_at)
    if not is_archived and (play.now() - noted).total_seconds() < play.deadlines.archive:
        return Removed(
            thing,
            is_left=True,
            is_waiting=True,
            remark=f"The events of {thing.mark} may not be in the archive yet. The next run removes them.",
        )
    days = archive.days_since(play, noted)
    if archive.size_bytes(play, days) > archive.MAX_SCAN_BYTES:
        return Removed(thing, remark=_stays(thing.mark, "a search would cost more than a cent"))
    marks = [each.mark for each in play.ledger.things() if each.kind is Kind.TEST_USER]
    shared = 0
    for each in archive.objects_with(play, thing.mark, marks, days):
        if each.lines == each.marked_lines:
            delete_versions_of(play.clients("s3"), play.bucket.name, each.key)
        else:
            shared += each.own_lines
    why = f"{shared} of its lines are in objects that hold other events too"
    return Removed(thing, remark=_stays(thing.mark, why) if shared else "")


def _stays(mark: str, why: str) -> str:
    return (
        f"The archive keeps lines of the test user {mark}, because {why}. It counts as one user, until "
        f"{make_line('forget', USER=mark)} (with its STAGE) removes them."
    )


@contextmanager
def _gone_is_well() -> Iterator[None]:
    """Pass over the error of AWS that the thing does not exist."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"].get("Code") not in _GONE:
            raise
