"""make verify without AWS: which points are played, what the ledger keeps, what the report says."""

import json
import signal
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from markdown_it import MarkdownIt

from ops.cloudformation.artifacts import delete_versions, delete_versions_of
from ops.diagnosis import State, bad, good, look
from ops.errors import AwsError, InputError, OpsError
from ops.verify import archive, meanings
from ops.verify.alarms import alarm_of
from ops.verify.archive import MAX_SCAN_BYTES
from ops.verify.command import POINTS, Options, first_signal_only, plan, refuse_in_ci, undisturbed
from ops.verify.cost import estimate
from ops.verify.ledger import Kind, Ledger, Thing
from ops.verify.play import Found
from ops.verify.points import (
    INTRUSIVE,
    ONLY_ON_AWS,
    Answer,
    NotHereError,
    Point,
    Result,
    is_well,
    play_points,
)
from ops.verify.removal import consequence
from ops.verify.report import Report
from tests.support.links import anchors

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


def answering(finding, **changes):
    return lambda _: Answer(finding, "the call", "the response", **changes)


def raising(error):
    def play(_):
        raise error

    return play


def point(name, play=None, needs=(), **changes):
    return Point(name, f"{name}?", "docs/api.md", play or answering(good("It works.")), needs, **changes)


@dataclass(frozen=True)
class Context:
    """What the runner reads of a Play."""

    is_local: bool = False
    is_intrusive: bool = False
    show: Callable[[str], None] = lambda line: None
    found: Found = field(default_factory=Found)


def played(*points, **context):
    play: Any = Context(**context)
    return {result.point.name: result for result in play_points(points, play)}


# --- which points are played --------------------------------------------------------------------------------


def test_a_point_whose_precondition_failed_is_not_played_and_never_green():
    results = played(
        point("first", answering(bad("No.", "Do."))),
        point("second", needs=("first",)),
        point("third", needs=("second",)),
    )
    assert [each.state for each in results.values()] == [State.BAD, None, None]
    assert str(results["third"]) == "--  third: not played (because of: second)"
    assert results["second"].counts_against


def test_a_point_to_look_at_lets_others_be_played_and_one_that_could_not_be_asked_does_not():
    results = played(
        point("look", answering(look("Hm.", "Look."))),
        point("denied", raising(AwsError("denied"))),
        point("after look", needs=("look",)),
        point("after denied", needs=("denied",)),
    )
    assert results["denied"].state is State.LOOK
    assert results["after look"].state is State.GOOD
    assert results["after denied"].answer is None


def test_what_a_point_finds_is_there_for_those_after_it():
    seen = []

    def after(play):
        seen.append(play.found.item)
        return Answer(good("Yes."), "", "")

    played(point("finds", answering(good("Yes."), found=Found(item="dracula"))), point("uses", after))
    assert seen == ["dracula"]


def test_what_cannot_be_played_here_is_listed_and_does_not_count():
    points = (
        point("aws", only_on_aws=True),
        point("intrusive", is_intrusive=True),
        point("absent", raising(NotHereError("there is none"))),
    )
    results = played(*points, is_local=True)
    assert [each.why_not for each in results.values()] == [ONLY_ON_AWS, INTRUSIVE, "there is none"]
    assert not any(each.counts_against for each in results.values())
    everything = played(*points[:2], is_intrusive=True)
    assert {each.state for each in everything.values()} == {State.GOOD}


def test_an_error_of_our_own_does_not_work():
    assert played(point("broken", raising(OpsError("It broke."))))["broken"].state is State.BAD


def test_an_error_that_nobody_expected_is_told_without_its_message_and_the_next_points_are_played():
    results = played(point("broken", raising(KeyError("somebody's data"))), point("next"))
    assert str(results["broken"]).startswith("!!  broken: The point ended with an unexpected KeyError.")
    assert "somebody" not in repr(results["broken"].answer)
    assert results["next"].state is State.GOOD


def test_a_point_that_could_not_be_asked_is_no_proof_but_an_open_question_may_stay_open():
    denied = raising(AwsError("These credentials may not call FilterLogEvents."))
    path = played(point("denied", denied), point("works"))
    assert not is_well([], [*path.values()], is_strict=False)
    question = played(point("denied", denied, only_on_aws=True), point("works"))
    assert is_well([], [*question.values()], is_strict=False)


@pytest.mark.parametrize(
    ("results", "strict", "well"),
    [
        ([good("Yes.")], False, True),
        ([good("Yes."), look("Hm.", "Look.")], False, True),
        ([good("Yes."), look("Hm.", "Look.")], True, False),
        ([good("Yes."), bad("No.", "Do.")], False, False),
        ([], False, False),
    ],
)
def test_the_exit_status_follows_the_rule_of_doctor(results, strict, well):
    found = [Result(point("x"), Answer(finding, "", "")) for finding in results]
    assert is_well([], found, is_strict=strict) is well


def test_a_point_that_could_have_been_played_is_no_proof():
    proved = Result(point("x"), Answer(good("Yes."), "", ""))
    assert not is_well([], [proved, Result(point("y"), why_not="because of: z")], is_strict=False)
    assert is_well([], [proved, Result(point("y"), why_not=ONLY_ON_AWS, is_excused=True)], is_strict=False)


# --- the points themselves ----------------------------------------------------------------------------------


def test_a_point_needs_only_points_before_it():
    names = [each.name for each in POINTS]
    assert len({*names}) == len(names)
    for each in POINTS:
        assert {*each.needs} <= {*names[: names.index(each.name)]}, each.name


def test_the_alarms_are_set_before_a_bad_record_lets_one_of_them_ring():
    names = [each.name for each in POINTS]
    assert names.index("alarms") < names.index("quarantine")


def test_a_point_that_needs_what_only_aws_has_is_only_on_aws_too():
    by_name = {each.name: each for each in POINTS}
    for each in POINTS:
        for needed in (by_name[name] for name in each.needs):
            assert each.only_on_aws or not needed.only_on_aws, each.name


@pytest.mark.parametrize("each", POINTS, ids=lambda each: each.name)
def test_every_point_links_to_a_page_or_a_heading_that_is_there(each):
    path, _, fragment = each.document.partition("#")
    text = (ROOT / path).read_text("utf-8")
    assert not fragment or fragment in anchors(text)


@pytest.mark.parametrize("is_intrusive", [False, True])
def test_a_run_costs_less_than_a_cent_also_with_the_largest_archive_that_is_searched(is_intrusive):
    assert 0 < estimate(is_intrusive=is_intrusive, scan_bytes=MAX_SCAN_BYTES) < 0.01


@pytest.mark.parametrize("is_intrusive", [False, True])
def test_the_plan_says_what_other_people_will_notice(is_intrusive):
    deployment = SimpleNamespace(stage="prod", stacks=("personalize-api-prod",), region="eu-west-1")
    fake: Any = SimpleNamespace(
        deployment=deployment, mark="verify-1", event_type="view", is_intrusive=is_intrusive, is_local=False
    )
    text = "\n".join(plan(fake))
    assert "whoever gets the alarms" in text
    assert "USD" in text
    assert ("THE EVENT SOURCE IS DISABLED" in text) is is_intrusive
    assert ("up to 80 more events" in text) is is_intrusive
    assert "Earlier runs" not in text
    left = "\n".join(plan(fake, [thing(Kind.EVENT_SOURCE, "1-2"), thing(Kind.FUNCTION, "f")]))
    assert "event source 1-2 is ENABLED, also if somebody has disabled it since" in left
    assert "  - function f\n" in left


def test_delivery_is_not_stopped_by_a_job_of_ci():
    with pytest.raises(InputError, match="leave --intrusive out"):
        refuse_in_ci(Options(is_intrusive=True), {"CI": "true"})
    refuse_in_ci(Options(is_intrusive=True), {})
    refuse_in_ci(Options(), {"CI": "true"})


def test_what_a_thing_that_is_left_means_and_how_delivery_is_started_at_once():
    line = "aws lambda update-event-source-mapping --enabled --uuid 1-2 --region eu-west-1"
    assert consequence(thing(Kind.EVENT_SOURCE, "1-2"), "eu-west-1").endswith(line)
    assert consequence(thing(), "eu-west-1") == "alarm loud. The next run removes it."


# --- signals ------------------------------------------------------------------------------------------------

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def test_only_the_first_signal_interrupts_a_run():
    before = [signal.getsignal(each) for each in ENDING]
    cleaned_up = False
    with pytest.raises(KeyboardInterrupt), first_signal_only():
        try:
            signal.raise_signal(signal.SIGHUP)
        finally:
            for each in ENDING:
                signal.raise_signal(each)
            cleaned_up = True
    assert cleaned_up
    assert [signal.getsignal(each) for each in ENDING] == before


def test_no_signal_interrupts_the_removal_and_each_is_told():
    before = [signal.getsignal(each) for each in ENDING]
    with undisturbed() as came:
        for each in ENDING:
            signal.raise_signal(each)
    assert came == [*ENDING]
    assert [signal.getsignal(each) for each in ENDING] == before


# --- the archive --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("minute", "first"), [(9, 30), (10, 31)])
def test_an_object_may_be_in_the_day_before_midnight(minute, first):
    sent = datetime(2026, 1, 31, 0, minute, tzinfo=timezone.utc)
    fake: Any = SimpleNamespace(now=lambda: NOW)
    assert archive.days_since(fake, sent).first.day == first


@pytest.fixture
def s3():
    client: Any = boto3.client("s3", region_name="us-east-1")
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def versions(*keys):
    return [{"Key": key, "VersionId": f"{key}-1"} for key in keys]


def test_versions_of_one_object_are_deleted_and_of_no_other_that_begins_so(s3):
    listed = {"Versions": versions("own", "own.copy-of-ann"), "DeleteMarkers": versions("own", "own/2")}
    s3.add_response("list_object_versions", listed, {"Bucket": "b", "Prefix": "own"})
    deleted = {"Objects": versions("own", "own"), "Quiet": True}
    s3.add_response("delete_objects", {}, {"Bucket": "b", "Delete": deleted})
    delete_versions_of(s3.client, "b", "own")


@pytest.mark.parametrize("delete", [delete_versions, delete_versions_of])
def test_versions_that_s3_does_not_delete_are_an_error(s3, delete):
    s3.add_response("list_object_versions", {"Versions": versions("own")})
    errors = [{"Key": "own", "Code": "AccessDenied", "Message": "Access Denied"}]
    s3.add_response("delete_objects", {"Errors": errors})
    with pytest.raises(AwsError, match=r"S3 did not delete 1 versions in b\. AccessDenied: Access Denied"):
        delete(s3.client, "b", "own")


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ({"AlarmName": "loud", "NewStateValue": "ALARM", "NewStateReason": "verify-1: a rehearsal"}, "loud"),
        ({"AlarmName": "loud", "NewStateValue": "ALARM", "NewStateReason": "verify-2: a rehearsal"}, ""),
        ({"AlarmName": "loud", "NewStateValue": "OK", "NewStateReason": "verify-1: the end"}, ""),
        ({"AlarmName": "loud"}, ""),
        ("a mail of somebody else", ""),
        (["verify-1"], ""),
    ],
)
def test_only_messages_of_the_runs_own_alarms_count(message, name):
    assert alarm_of(json.dumps({"Message": json.dumps(message)}), "verify-1") == name
    assert alarm_of(json.dumps(message), "verify-1") == ""
    assert alarm_of("no JSON", "verify-1") == ""


def test_what_was_not_seen_of_given_up_batches_is_not_claimed():
    finding = meanings.of_destination("Enabled", "arn:aws:s3:::archive", 0, 0, is_written=False)
    assert finding.state is State.GOOD
    assert "no write was seen" in finding.what


# --- the ledger ---------------------------------------------------------------------------------------------


def thing(kind=Kind.ALARM, name="loud", **details):
    return Thing(kind, name, "verify-1", NOW.isoformat(), details)


def test_what_is_noted_is_there_for_the_next_run_and_gone_when_it_is_struck_out(tmp_path):
    noted = thing(state="OK")
    Ledger(tmp_path / "state" / "x.json").note(noted)
    again = Ledger(tmp_path / "state" / "x.json")
    assert again.things() == [noted]
    again.strike(noted)
    assert again.things() == []
    assert not again.path.exists()


def test_a_test_user_is_noted_again_with_the_time_of_its_last_event(tmp_path):
    ledger = Ledger(tmp_path / "x.json")
    ledger.note(thing(Kind.TEST_USER, "verify-1"))
    ledger.note(thing())
    ledger.renew(Kind.TEST_USER, "verify-2", "later")
    assert [each.noted_at for each in ledger.things()] == [NOW.isoformat()] * 2
    ledger.renew(Kind.TEST_USER, "verify-1", "later")
    assert [each.noted_at for each in ledger.things()] == [NOW.isoformat(), "later"]


def test_what_stops_delivery_is_removed_first_and_the_test_user_last(tmp_path):
    ledger = Ledger(tmp_path / "x.json")
    for kind in reversed(Kind):
        ledger.note(thing(kind, kind.value))
    kinds = [each.kind for each in ledger.things()]
    assert (kinds[0], kinds[-1]) == (Kind.EVENT_SOURCE, Kind.TEST_USER)


def test_the_file_is_its_owners_only_and_lies_beside_the_state(tmp_path):
    ledger = Ledger.of("eu-west-1", "stack", environ={"XDG_STATE_HOME": str(tmp_path)})
    ledger.note(thing())
    assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(ledger.path.parent.stat().st_mode) == 0o700
    assert ledger.path.parent.name.endswith("-verify")
    assert ledger.path != Ledger.of("eu-west-1", "other", environ={"XDG_STATE_HOME": str(tmp_path)}).path


@pytest.mark.parametrize("text", ["", "[1]", '[{"kind": "moon"}]', '[{"kind": "alarm", "extra": 1}]'])
def test_a_file_that_cannot_be_read_is_a_sentence_and_is_kept(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match="look at it, then delete it"):
        Ledger(tmp_path / "x.json").things()
    assert (tmp_path / "x.json").read_text() == text


def test_two_runs_at_the_same_time_are_refused(tmp_path):
    ledger = Ledger(tmp_path / "x.json")
    with ledger.locked(), pytest.raises(InputError, match="verified already"), ledger.locked():
        pass
    with ledger.locked():
        pass


def test_a_ledger_holds_no_key(tmp_path):
    ledger = Ledger(tmp_path / "x.json")
    ledger.note(thing(Kind.QUEUE, "personalize-api-verify-1", topic="arn:aws:sns:eu-west-1:1:topic"))
    [row] = json.loads(ledger.path.read_text())
    assert row.keys() == {"kind", "id", "mark", "noted_at", "details"}


# --- the report ---------------------------------------------------------------------------------------------

REPORT = Report(
    stage="prod",
    stacks=("personalize-api-prod",),
    region="eu-west-1",
    mark="verify-1",
    started=NOW,
    seconds=61.4,
    usd=0.008,
    findings=[good("The key works."), look("Nobody is told.", "Tell somebody.")],
    results=[
        Result(point("first"), Answer(good("It works."), "GET /x", "200")),
        Result(point("second"), Answer(bad("It | does *not*.", "Deploy <again>."), "GET /y", "500\n\x1b[2J")),
        Result(point("third"), why_not="because of: second"),
        Result(point("fourth"), why_not=ONLY_ON_AWS, is_excused=True),
    ],
    remarks=["The archive keeps lines."],
    left=["alarm loud. The next run removes it."],
    is_well=False,
    is_local=False,
    is_ended=True,
)


def test_the_report_has_question_call_response_meaning_remedy_and_page_of_each_point():
    text = REPORT.markdown("..")
    for said in (
        "**The deployment is not proved to work.** 4 points: works 1, does not work 1, not played 1",
        "- Test user: `verify-1`",
        "- Cost: at most 0.0080 USD at list prices",
        "- Question: second?",
        "- Call: GET /y",
        "- Means: does not work.",
        "- Read: [docs/api.md](../docs/api.md)",
        "- Not played: because of: second",
        "- look at this: Nobody is told. **Do:** Tell somebody.",
        "- The archive keeps lines.",
        "- Left in the account: alarm loud. The next run removes it.",
        "CreateDataDeletionJob",
    ):
        assert said in text, said


def test_text_from_outside_is_no_markup_and_controls_no_terminal():
    text = REPORT.markdown()
    assert "\x1b" not in text
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert not [token for token in tokens if token.type == "html_block"]
    rows = [token for token in tokens if token.type == "tr_open"]
    assert len(rows) == 1 + len(REPORT.results)
    cells = [inline.content for opening, inline in pairwise(tokens) if opening.type == "td_open"]
    assert "It | does \\*not\\*." in cells


def test_an_interrupted_run_proves_nothing():
    interrupted = replace(REPORT, is_ended=False)
    assert interrupted.summary().startswith("The run was interrupted: nothing is proved.")
    assert "**The run was interrupted" in interrupted.markdown()
