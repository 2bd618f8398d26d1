"""`make export --import`: the file is uploaded, the job is started once, and followed to its end."""

import json
from datetime import datetime, timezone

import boto3
import pytest
from botocore.stub import ANY, Stubber

from ops.archive.import_job import ImportJob
from ops.archive.interactions import ImportFile, parse_properties
from ops.errors import AwsError, InputError

GROUP = "arn:aws:personalize:eu-west-1:111122223333:dataset/shop"
DATASET, ROLE = f"{GROUP}/INTERACTIONS", "arn:aws:iam::111122223333:role/personalize-import"
JOB = "arn:aws:personalize:eu-west-1:111122223333:dataset-import-job/export-20260131-120000"
NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


class Services:
    def __init__(self):
        personalize, s3 = boto3.client("personalize"), boto3.client("s3")
        self.personalize, self.s3 = Stubber(personalize), Stubber(s3)
        self.pauses = []
        self.job = ImportJob(DATASET, ROLE, "archive", personalize, s3, self.pauses.append)

    def has_schema(self, fields):
        self.personalize.add_response(
            "describe_dataset", {"dataset": {"schemaArn": f"{GROUP}:schema"}}, {"datasetArn": DATASET}
        )
        self.personalize.add_response(
            "describe_schema", {"schema": {"schema": json.dumps({"fields": fields})}}, {"schemaArn": ANY}
        )

    def job_is(self, status, **more):
        self.personalize.add_response(
            "describe_dataset_import_job",
            {"datasetImportJob": {"status": status, **more}},
            {"datasetImportJobArn": JOB},
        )


@pytest.fixture
def services():
    services = Services()
    with services.personalize, services.s3:
        yield services
        services.personalize.assert_no_pending_responses()
        services.s3.assert_no_pending_responses()


def field(name, kind="string"):
    return {"name": name, "type": kind}


REQUIRED = [field("USER_ID"), field("ITEM_ID"), field("TIMESTAMP", "long"), field("EVENT_TYPE")]


def test_the_file_goes_to_the_bucket_and_into_the_dataset(services, tmp_path):
    (tmp_path / "interactions.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n")
    key = "exports/export-20260131-120000/interactions.csv"
    services.s3.add_response(
        "put_object", {}, {"Bucket": "archive", "Key": key, "Body": ANY, "ChecksumAlgorithm": ANY}
    )
    services.personalize.add_response(
        "create_dataset_import_job",
        {"datasetImportJobArn": JOB},
        {
            "jobName": "export-20260131-120000",
            "datasetArn": DATASET,
            "dataSource": {"dataLocation": f"s3://archive/{key}"},
            "roleArn": ROLE,
            "importMode": "FULL",
        },
    )
    assert services.job.start(tmp_path / "interactions.csv", NOW) == JOB


def test_the_job_is_followed_to_its_end(services):
    for status in ("CREATE PENDING", "CREATE IN_PROGRESS", "ACTIVE"):
        services.job_is(status)
    shown = []
    services.job.follow(JOB, shown.append)
    assert [line.rpartition(": ")[2] for line in shown] == ["create pending", "create in_progress"]
    assert len(services.pauses) == 2


def test_a_job_that_fails_says_why(services):
    services.job_is("CREATE FAILED", failureReason="Column X is missing.")
    with pytest.raises(AwsError, match=r"The import job failed: Column X is missing\."):
        services.job.follow(JOB, print)


@pytest.mark.parametrize(
    ("dataset", "role", "said"),
    [
        (f"{GROUP}/ITEMS", ROLE, "a dataset of another type: ITEMS"),
        ("shop", ROLE, "is not the ARN of a dataset"),
        (DATASET.replace("eu-west-1", "us-east-1"), ROLE, "is in us-east-1"),
        (DATASET, "personalize-import", "is not the ARN of a role"),
    ],
)
def test_what_is_no_dataset_or_role_is_refused(services, dataset, role, said):
    job = ImportJob(dataset, role, "archive", None, None)
    with pytest.raises(InputError, match=said):
        job.check("eu-west-1")


def test_the_schema_of_the_dataset_decides_the_columns(services):
    services.has_schema(
        [*REQUIRED, field("WATCH_SECONDS", ["null", "int"]), field("IMPRESSION", ["string", "null"])]
    )
    file = ImportFile.for_dataset(services.job.schema(), [])
    assert file.header == ["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "WATCH_SECONDS", "IMPRESSION"]
    assert "'$.watchSeconds'" in file.properties[0].expression


@pytest.mark.parametrize(
    ("fields", "properties", "said"),
    [
        (REQUIRED[1:], "", "does not belong to a dataset of interactions"),
        (REQUIRED, "CONTEXT", "The dataset has no column CONTEXT"),
        ([*REQUIRED, field("DEVICE")], "", "The dataset requires DEVICE"),
    ],
)
def test_columns_that_cannot_be_imported_are_named_before_anything_is_written(
    services, fields, properties, said
):
    services.has_schema(fields)
    with pytest.raises(InputError, match=said):
        ImportFile.for_dataset(services.job.schema(), parse_properties(properties))
