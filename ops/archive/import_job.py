"""A dataset import job of Personalize: started with an exported file, and followed to its end.

The file goes under ``exports/`` in the archive bucket, where it expires. The job reads it with a role of the
account, and the bucket's policy lets Personalize read that prefix
(docs.aws.amazon.com/personalize/latest/dg/granting-personalize-s3-access.html).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ops.errors import AwsError, InputError, readable_aws_errors
from ops.put.dataset import check_arn, read_schema
from ops.put.kinds import INTERACTIONS
from ops.put.schema import Schema

PREFIX = "exports/"
POLL_SECONDS = 15.0
_ROLE = re.compile(r"arn:[a-z\d-]+:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)


@dataclass(frozen=True)
class ImportJob:
    """Where an exported file goes. ``sleep`` takes seconds."""

    dataset_arn: str
    role_arn: str
    bucket: str
    personalize: Any
    s3: Any
    sleep: Callable[[float], None] = time.sleep

    def check(self, region: str) -> None:
        """Raise InputError for ARNs that cannot be what they have to be."""
        check_arn(self.dataset_arn, INTERACTIONS, region)
        check_role(self.role_arn)

    def schema(self) -> Schema:
        """Return the schema of the dataset."""
        with readable_aws_errors():
            return read_schema(self.personalize, self.dataset_arn, INTERACTIONS)

    def plan(self) -> list[str]:
        """Return what will be done, as lines."""
        return [
            f"  + the file goes to s3://{self.bucket}/{PREFIX}, where it expires",
            f"  ! a dataset import job replaces what was imported in bulk before into {self.dataset_arn}",
            f"    (Personalize reads the file as {self.role_arn})",
        ]

    def start(self, file: Path, now: datetime) -> str:
        """Upload the file and start the job. Return the job's ARN."""
        name = f"export-{now:%Y%m%d-%H%M%S}"
        key = f"{PREFIX}{name}/{file.name}"
        with readable_aws_errors():
            with file.open("rb") as content:
                self.s3.upload_fileobj(content, self.bucket, key)
            job = self.personalize.create_dataset_import_job(
                jobName=name,
                datasetArn=self.dataset_arn,
                dataSource={"dataLocation": f"s3://{self.bucket}/{key}"},
                roleArn=self.role_arn,
                importMode="FULL",
            )
        return str(job["datasetImportJobArn"])

    def follow(self, job_arn: str, show: Callable[[str], None]) -> None:
        """Wait until the job has ended well. Raises AwsError when it fails."""
        while True:
            with readable_aws_errors():
                found = self.personalize.describe_dataset_import_job(datasetImportJobArn=job_arn)
            job = found["datasetImportJob"]
            if job["status"] == "ACTIVE":
                return
            if job["status"] == "CREATE FAILED":
                raise AwsError(
                    f"The import job failed: {job.get('failureReason', 'Personalize gives no reason.')}"
                )
            show(f"{job_arn.rsplit('/', 1)[-1]}: {job['status'].lower()}")
            self.sleep(POLL_SECONDS)


def check_role(arn: str) -> None:
    """Raise InputError for what is not the ARN of a role."""
    if not _ROLE.fullmatch(arn):
        raise InputError(f"{arn!r} is not the ARN of a role. It looks like arn:aws:iam::ACCOUNT:role/NAME.")
