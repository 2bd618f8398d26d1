"""What the command says: the plan with the rights that it needs, the proof, and what still comes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ops.forget.memory import JobState, Memory
from ops.forget.personalize import Job
from ops.forget.search import Findings

ARCHIVE_MINUTES = 15
"""What Firehose may hold an event for, and some more."""
PAGE = "docs/operations.md, 'When a person asks'"
RIGHTS = (
    "the rights of 'make query' (docs/archive.md, 'Who may ask')",
    "s3:ListBucket and s3:ListBucketVersions on the bucket",
    "s3:GetObject, s3:GetObjectVersion, s3:PutObject and s3:DeleteObjectVersion on its objects",
    "sqs:ReceiveMessage, sqs:SendMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and "
    "sqs:GetQueueAttributes on the quarantine queue",
    "kinesis:DescribeStreamSummary on the stream",
)
_JOB_RIGHTS = (
    "personalize:CreateDataDeletionJob, personalize:DescribeDataDeletionJob, and iam:PassRole on {role}",
    "the role {role}, which personalize.amazonaws.com may assume, needs s3:GetObject on exports/* and "
    "s3:ListBucket on the bucket",
)


def rights(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield what the run needs, before it begins."""
    yield "It needs:"
    roles = sorted({job.role_arn for job in jobs})
    for right in (*RIGHTS, *(right.format(role=role) for role in roles for right in _JOB_RIGHTS)):
        yield f"    {right}"


@dataclass(frozen=True)
class Plan:
    """What a run will do. ``copies`` counts query results and exports, ``sessions`` the person's sessions.

    ``jobs`` are the data deletion jobs that it starts.
    """

    found: Findings
    sessions: int
    copies: int
    jobs: Sequence[Job]
    is_local: bool

    def lines(self) -> Iterator[str]:
        """Yield the plan."""
        yield "Forget a person: what has this user id, and what has no user id in a session of this user"
        yield f"(known sessions: {self.sessions:,})."
        for line in self.found.lines() or ["no event"]:
            yield f"  - {line}"
        if self.found.events:
            yield "    (objects are written anew without them; their older versions are deleted for good)"
        if self.copies:
            yield f"  - all query results and exports of the bucket, whosever they are: {self.copies:,}"
            yield "    (an import that is at work loses its file)"
        if self.is_local:
            yield "  - everything of the person in the local engine"
        for job in self.jobs:
            yield f"  - the person in {job.dataset_group_arn}, by a data deletion job"
            yield f"    (no training and no import may run meanwhile; {job.role_arn} reads the user id)"
        yield f"What no command can reach: {PAGE}."


def proof(left: Findings, hidden_messages: int) -> Iterator[str]:
    """Yield what the search after the removal has found.

    ``hidden_messages`` are those of the quarantine that another reader held when the run began.
    """
    if left:
        yield "Something of the person is left, or came meanwhile. Run it again:"
        yield from (f"  {line}" for line in left.lines())
    else:
        yield "Nothing of the person is left in bucket and queue: the same queries and looks find nothing."
    for key in sorted(left.unreadable_keys):
        yield f"  {key} cannot be judged: it is broken, too large, in Glacier, or another form."
    if hidden_messages:
        yield (
            f"  {hidden_messages:,} messages of the quarantine were held by another reader. Run it again in "
            f"{ARCHIVE_MINUTES} minutes."
        )


def about_personalize(memory: Memory, now: datetime, *, is_local: bool) -> Iterator[str]:
    """Yield what stands between the person and Personalize."""
    if not (is_local or memory.jobs):
        yield "Personalize keeps the person: name its dataset group (--dataset-group GROUP_ARN ROLE_ARN)."
    for job in memory.newest_jobs:
        if job.state is JobState.AT_WORK:
            yield f"A data deletion job is at work in {job.dataset_group_arn}, for a day at most."
            yield "Train a new solution version when it is done."
        if job.state is JobState.DONE and memory.until and job.started_at < memory.until <= now:
            yield f"Name {job.dataset_group_arn} once more (--dataset-group): events may have come since."
        if job.state is JobState.FAILED:
            yield f"The job in {job.dataset_group_arn} failed: Personalize keeps the person. Start another."


def what_comes(until: datetime, now: datetime, again: str) -> Iterator[str]:
    """Yield what a later run has to look for. ``again`` is the command line of that run."""
    time = f"{until:%Y-%m-%d %H:%M} UTC"
    if now < until:
        yield f"The stream keeps what the person has sent until {time}. Nobody can delete it there."
        yield f"Run the same command in {ARCHIVE_MINUTES} minutes, for what is on its way to the archive now,"
        yield f"and once more after {time}, from this machine, which knows the sessions:"
    else:
        yield "Run the same command once more when that is done, from this machine:"
    yield f"    {again}"
