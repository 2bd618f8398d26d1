"""Personalize without a person: its data deletion jobs on AWS, and the engine of ``make run``.

The page is docs.aws.amazon.com/personalize/latest/dg/delete-records.html. A job reads a file of user ids from
the bucket, with a role of the account, and may take a day.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from http.client import HTTPException
from typing import Any, cast
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from botocore.exceptions import ClientError

from chalicelib.batching import batches
from ops.archive import import_job
from ops.errors import AwsError, InputError
from ops.forget.memory import JobState, StartedJob
from ops.forget.person import Person

PATH = "/_engine/forget"
FILES = f"{import_job.PREFIX}forget-"
"""The beginning of the keys of files that jobs read."""
SESSIONS_PER_CALL = 10_000
TIMEOUT_SECONDS = 60
_GROUP = re.compile(r"arn:[a-z\d-]+:personalize:([a-z\d-]+):\d{12}:dataset-group/[\w-]+", re.ASCII)
_STATES = {"COMPLETED": JobState.DONE, "FAILED": JobState.FAILED}
# No proxy stands between two programs of this machine.
_open = build_opener(ProxyHandler({})).open


@dataclass(frozen=True)
class Job:
    """A data deletion job that was asked for: the ARNs of the dataset group and of the role that reads."""

    dataset_group_arn: str
    role_arn: str

    def check(self, region: str) -> None:
        """Raise InputError for ARNs that cannot be what they have to be."""
        found = _GROUP.fullmatch(self.dataset_group_arn)
        if not found:
            raise InputError(
                f"{self.dataset_group_arn!r} is not the ARN of a dataset group. It looks like "
                "arn:aws:personalize:REGION:ACCOUNT:dataset-group/NAME."
            )
        if found[1] != region:
            raise InputError(f"The dataset group is in {found[1]}, and the deployment in {region}.")
        import_job.check_role(self.role_arn)


@dataclass(frozen=True)
class DeletionJobs:
    """Personalize's jobs that delete persons, with their files under ``exports/`` in the bucket."""

    personalize: Any
    s3: Any
    bucket: str

    def prepare(self, job: Job, number: int, now: datetime) -> StartedJob:
        """Return a job that will be started, so that it can be kept before. ``number`` is that in the run.

        Its ARN is the one that it will have, as those of other jobs are made. ``start`` returns it for sure.
        """
        name = f"forget-{now:%Y%m%d-%H%M%S}-{number}"
        arn = f"{job.dataset_group_arn.partition(':dataset-group/')[0]}:data-deletion-job/{name}"
        return StartedJob(arn, job.dataset_group_arn, f"{FILES}{name.removeprefix('forget-')}/users.csv", now)

    def start(self, prepared: StartedJob, role_arn: str, user_id: str) -> StartedJob:
        """Put the file of a job and start it."""
        self.s3.put_object(Bucket=self.bucket, Key=prepared.key, Body=users_file(user_id))
        response = self.personalize.create_data_deletion_job(
            jobName=_name(prepared),
            datasetGroupArn=prepared.dataset_group_arn,
            dataSource={"dataLocation": f"s3://{self.bucket}/{prepared.key}"},
            roleArn=role_arn,
        )
        return replace(prepared, arn=response["dataDeletionJobArn"])

    def look_after(self, jobs: Iterable[StartedJob]) -> tuple[list[StartedJob], list[str]]:
        """Return the jobs as they are by now, and a sentence about each that was at work."""
        looked_after, lines = [], []
        for job in jobs:
            if job.state is JobState.AT_WORK:
                found = self._describe(job)
                lines.append(_sentence(job, found))
                looked_after.append(replace(job, state=_STATES.get(found["status"], JobState.AT_WORK)))
            else:
                looked_after.append(job)
        return looked_after, lines

    def _describe(self, job: StartedJob) -> Mapping[str, Any]:
        try:
            response = self.personalize.describe_data_deletion_job(dataDeletionJobArn=job.arn)
        except ClientError as error:
            if error.response["Error"].get("Code") != "ResourceNotFoundException":
                raise
            # An earlier run was interrupted before it started the job.
            return {"status": "FAILED", "failureReason": "It was never started."}
        return cast("Mapping[str, Any]", response["dataDeletionJob"])


def _name(job: StartedJob) -> str:
    return job.arn.rpartition("/")[2]


def _sentence(job: StartedJob, found: Mapping[str, Any]) -> str:
    name = _name(job)
    if found["status"] == "COMPLETED":
        return f"The job {name} is done: Personalize has deleted {found.get('numDeleted', 0):,} records."
    if found["status"] == "FAILED":
        reason = found.get("failureReason", "Personalize gives no reason.")
        return f"The job {name} failed: {reason} Start another one with --dataset-group."
    return f"The job {name} is {found['status'].lower().replace('_', ' ')}. It may take a day."


def users_file(user_id: str) -> bytes:
    """Return the file that a job reads."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["USER_ID"], [user_id]])
    return text.getvalue().encode()


def forget_in_engine(engine_url: str, person: Person) -> int:
    """Remove a person from the engine of ``make run``. Return how many records it had. Raises AwsError."""
    parts: Sequence[list[str]] = [*batches(sorted(person.sessions), max_items=SESSIONS_PER_CALL)] or [[]]
    return sum(_removed(engine_url, {"userId": person.user_id, "sessionIds": part}) for part in parts)


def _removed(engine_url: str, body: dict[str, Any]) -> int:
    request = Request(f"{engine_url}{PATH}", json.dumps(body).encode(), method="POST")  # noqa: S310 - http
    try:
        with _open(request, timeout=TIMEOUT_SECONDS) as response:
            counts: dict[str, int] = json.load(response)
    except HTTPError as error:
        with error:
            reason = error.read().decode(errors="replace")
        with suppress(ValueError, AttributeError):
            reason = json.loads(reason).get("message", reason)
        raise AwsError(f"The local engine did not forget the person. {reason}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise AwsError(
            f"The local engine does not respond ({type(error).__name__}). Does 'make run' work? Run it again."
        ) from error
    return sum(counts.values())
