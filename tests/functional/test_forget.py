"""`make forget`: data deletion jobs of Personalize, a plan that names rights and roles, what is kept."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import boto3
import pytest
from botocore.stub import Stubber

from ops.errors import InputError
from ops.forget.memory import JobState, Memory, MemoryFile, StartedJob
from ops.forget.objects import ObjectVersion
from ops.forget.personalize import DeletionJobs, Job
from ops.forget.report import Plan, about_personalize, proof, rights, what_comes
from ops.forget.search import Findings

GROUP = "arn:aws:personalize:eu-west-1:111122223333:dataset-group/shop"
ROLE = "arn:aws:iam::111122223333:role/personalize-import"
JOB = "arn:aws:personalize:eu-west-1:111122223333:data-deletion-job/forget-20260131-120000-1"
KEY = "exports/forget-20260131-120000-1/users.csv"
NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
STARTED = StartedJob(JOB, GROUP, KEY, NOW)


@pytest.fixture
def services():
    """Return the jobs, and the stubs of Personalize and S3."""
    personalize, s3 = boto3.client("personalize"), boto3.client("s3")
    with Stubber(personalize) as of_personalize, Stubber(s3) as of_s3:
        yield DeletionJobs(personalize, s3, "archive"), of_personalize, of_s3
        of_personalize.assert_no_pending_responses()
        of_s3.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("user", "cell"), [("ann", "ann"), ('a"n,n', '"a""n,n"'), ("7", "7"), ("ünï\nx", '"ünï\nx"')]
)
def test_a_job_reads_the_user_id_from_a_file_of_its_own(services, user, cell):
    jobs, personalize, s3 = services
    body = f"USER_ID\n{cell}\n".encode()
    s3.add_response("put_object", {}, {"Bucket": "archive", "Key": KEY, "Body": body})
    personalize.add_response(
        "create_data_deletion_job",
        {"dataDeletionJobArn": JOB},
        {
            "jobName": "forget-20260131-120000-1",
            "datasetGroupArn": GROUP,
            "dataSource": {"dataLocation": f"s3://archive/{KEY}"},
            "roleArn": ROLE,
        },
    )
    prepared = jobs.prepare(Job(GROUP, ROLE), 1, NOW)
    assert prepared == STARTED
    assert jobs.start(prepared, ROLE, user) == STARTED


@pytest.mark.parametrize(
    ("status", "more", "state", "said"),
    [
        ("PENDING", {}, JobState.AT_WORK, "is pending. It may take a day."),
        ("IN_PROGRESS", {}, JobState.AT_WORK, "is in progress. It may take a day."),
        ("COMPLETED", {"numDeleted": 1234}, JobState.DONE, "is done: Personalize has deleted 1,234 records."),
        ("FAILED", {"failureReason": "No access."}, JobState.FAILED, "failed: No access. Start another one"),
        ("FAILED", {}, JobState.FAILED, "Personalize gives no reason."),
    ],
)
def test_a_job_of_an_earlier_run_is_looked_after(services, status, more, state, said):
    jobs, personalize, _ = services
    personalize.add_response(
        "describe_data_deletion_job",
        {"dataDeletionJob": {"status": status, **more}},
        {"dataDeletionJobArn": JOB},
    )
    [job], [sentence] = jobs.look_after([STARTED])
    assert job == replace(STARTED, state=state)
    assert sentence.startswith("The job forget-20260131-120000-1 ")
    assert said in sentence


def test_a_job_that_was_never_started_is_said(services):
    jobs, personalize, _ = services
    personalize.add_client_error("describe_data_deletion_job", "ResourceNotFoundException")
    [job], [sentence] = jobs.look_after([STARTED])
    assert job.state is JobState.FAILED
    assert "It was never started." in sentence


def test_a_job_that_has_ended_is_not_asked_for_again(services):
    done = replace(STARTED, state=JobState.DONE)
    assert services[0].look_after([done]) == ([done], [])


@pytest.mark.parametrize(
    ("group", "role", "said"),
    [
        ("shop", ROLE, "'shop' is not the ARN of a dataset group"),
        (GROUP.replace("dataset-group", "dataset"), ROLE, "is not the ARN of a dataset group"),
        (GROUP.replace("eu-west-1", "us-east-1"), ROLE, "is in us-east-1, and the deployment in eu-west-1"),
        (GROUP, "personalize-import", "is not the ARN of a role"),
    ],
)
def test_an_arn_that_cannot_be_what_it_has_to_be_is_named(group, role, said):
    with pytest.raises(InputError, match=said):
        Job(group, role).check("eu-west-1")


FOUND = Findings(
    Counter({"events/a": 2, "events/b": 1, "quarantine/x": 1}), (ObjectVersion("events/a", "1", False),), 3
)


def test_every_right_is_named_before_anything_begins():
    said = "\n".join(rights([Job(GROUP, ROLE)]))
    for each in (
        "s3:DeleteObjectVersion",
        "s3:ListBucketVersions",
        "sqs:SendMessage",
        "kinesis:DescribeStreamSummary",
        f"personalize:CreateDataDeletionJob, personalize:DescribeDataDeletionJob, and iam:PassRole on {ROLE}",
        f"the role {ROLE}, which personalize.amazonaws.com may assume, needs s3:GetObject on exports/*",
    ):
        assert each in said
    assert "PassRole" not in "\n".join(rights([]))


def test_the_plan_names_what_goes():
    plan = "\n".join(Plan(FOUND, 4, 5, [Job(GROUP, ROLE)], is_local=False).lines())
    for each in (
        "known sessions: 4",
        "events/: 3 events, in objects: 2",
        "quarantine/: 1 events, in objects: 1",
        "replaced or deleted versions of objects, with all that they hold: 1",
        "messages of the quarantine: 3",
        "query results and exports of the bucket, whosever they are: 5",
        f"the person in {GROUP}, by a data deletion job",
        f"{ROLE} reads the user id",
    ):
        assert each in plan
    assert "no event" in "\n".join(Plan(Findings(), 0, 0, [], is_local=False).lines())


def test_what_is_left_is_said():
    assert "Nothing of the person is left in bucket and queue" in next(proof(Findings(), 0))
    said = "\n".join(
        proof(Findings(Counter({"events/a": 2}), unreadable_keys=frozenset({"aws/lambda/x"})), 7)
    )
    assert "Run it again" in said
    assert "events/: 2 events" in said
    assert "aws/lambda/x cannot be judged" in said
    assert "7 messages of the quarantine were held by another reader" in said


def about(*jobs, is_local=False, until=None):
    return "\n".join(about_personalize(Memory(jobs=jobs, until=until), NOW + 2 * HOUR, is_local=is_local))


def test_what_stands_between_the_person_and_personalize_is_said():
    assert "Personalize keeps the person: name its dataset group" in about()
    assert about(is_local=True) == ""
    assert "is at work" in about(STARTED)
    failed, later = replace(STARTED, state=JobState.FAILED), replace(STARTED, started_at=NOW + HOUR)
    assert "failed: Personalize keeps the person" in about(failed)
    assert "failed" not in about(failed, later)
    done = replace(STARTED, state=JobState.DONE)
    assert about(done) == about(done, until=NOW) == about(done, until=NOW + 3 * HOUR) == ""
    assert "once more (--dataset-group)" in about(done, until=NOW + HOUR)


def test_what_still_comes_is_said_with_the_time_and_the_command():
    said = "\n".join(what_comes(NOW, NOW - HOUR, "make forget USER=ann STAGE=prod"))
    assert said.count("2026-01-31 12:00 UTC") == 2
    assert "make forget USER=ann STAGE=prod" in said
    assert "2026" not in "\n".join(what_comes(NOW, NOW + HOUR, "again")), "a time that has passed"


def test_what_a_run_keeps_is_for_its_owner_only(tmp_path):
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    kept = MemoryFile.of("ann", "eu-west-1", "stack", environ=environ)
    assert kept.path != MemoryFile.of("ben", "eu-west-1", "stack", environ=environ).path
    assert kept.path != MemoryFile.of("ann", "eu-west-1", "other", environ=environ).path
    assert "ann" not in kept.path.name
    assert kept.read() == Memory()
    memory = Memory(frozenset({"s1", "s 2"}), NOW, [STARTED, replace(STARTED, state=JobState.DONE)])
    kept.write(memory)
    assert kept.read() == memory
    assert kept.path.stat().st_mode & 0o077 == 0
    assert kept.path.parent.stat().st_mode & 0o077 == 0
    with (
        kept.locked(),
        pytest.raises(InputError, match="Another run forgets a person in this deployment"),
        kept.locked(),
    ):
        pass
    kept.path.write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        kept.read()
    kept.path.with_name(f"{kept.path.name}.new").write_text("what a kill has left")
    kept.remove()
    kept.remove()
    assert [path.suffix for path in kept.path.parent.iterdir()] == [".lock"]
    other = MemoryFile.of("ben", "eu-west-1", "stack", environ=environ)
    assert other.lock == kept.lock, "a lock for a person would tell who was forgotten"
