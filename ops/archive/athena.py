"""Queries on Athena, in the workgroup of a deployment.

The workgroup decides where the result is written, that it is encrypted, and how many bytes a query may read.
"""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.archive.engine import BoundQuery, Column, Result
from ops.archive.literals import to_literal
from ops.errors import AwsError, readable_aws_errors
from ops.locate import Deployment

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
_RUNNING = ("QUEUED", "RUNNING")
_LIMIT = "bytes scanned limit"
_MAX_FIELD_CHARACTERS = 128 * 1024 * 1024
"""A producer without newlines makes one line of an object of Firehose, which has at most 64 MB of records."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Athena:
    """Athena with the database and the workgroup of one deployment. ``sleep`` takes seconds."""

    athena: Any
    s3: Any
    database: str
    workgroup: str
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def of(cls, deployment: Deployment, session: boto3.Session) -> Athena:
        """Return the engine of a deployment. Raises NotDeployedError where it has no workgroup."""
        make: Any = session.client
        database, workgroup = deployment.output("EventsDatabase"), deployment.output("QueryWorkGroup")
        with readable_aws_errors():
            return cls(make("athena"), make("s3"), database, workgroup)

    @contextmanager
    def run(self, query: BoundQuery) -> Iterator[Result]:
        """Run a query and wait for it. What ends the waiting stops the query, which would go on to cost."""
        with readable_aws_errors():
            execution = self._start(query)
            found = self._wait(execution)
            head = self.athena.get_query_results(QueryExecutionId=execution, MaxResults=1)
            columns = [
                Column(column["Name"], column["Type"])
                for column in head["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
            ]
            location = urlsplit(found["ResultConfiguration"]["OutputLocation"])
            response = self.s3.get_object(Bucket=location.netloc, Key=location.path.lstrip("/"))
            # At once: S3 closes a connection on which nothing is read for long.
            with closing(response["Body"]) as body, _text_file() as file:
                shutil.copyfileobj(body, file.buffer, _CHUNK_BYTES)
                file.seek(0)
                yield Result(columns, _rows(file), found["Statistics"]["DataScannedInBytes"])

    def _start(self, query: BoundQuery) -> str:
        parameters = [to_literal(value) for value in query.values]
        response = self.athena.start_query_execution(
            QueryString=query.sql,
            QueryExecutionContext={"Database": self.database},
            WorkGroup=self.workgroup,
            **({"ExecutionParameters": parameters} if parameters else {}),
        )
        return str(response["QueryExecutionId"])

    def _wait(self, execution: str) -> Any:
        """Return the execution when it has succeeded. Raises AwsError when it has not."""
        try:
            found = self._poll(execution)
        except BaseException:
            with suppress(BotoCoreError, ClientError):
                self.athena.stop_query_execution(QueryExecutionId=execution)
            raise
        state = found["Status"]["State"]
        if state != "SUCCEEDED":
            raise AwsError(
                _failure(found["Status"].get("StateChangeReason", state), execution, self.workgroup)
            )
        return found

    def _poll(self, execution: str) -> Any:
        """Return the execution when it has ended."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            found = self.athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]
            if found["Status"]["State"] not in _RUNNING:
                return found
            self.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _failure(reason: str, execution: str, workgroup: str) -> str:
    remedy = (
        "Take fewer days, or raise QueryBytesLimit of the stack."
        if _LIMIT in reason.lower()
        else f"Athena's console has it under {execution} in the workgroup {workgroup}."
    )
    return f"Athena did not carry out the query: {reason.rstrip('.')}. {remedy}"


def _text_file() -> Any:
    """Return a file without a name, for text as Athena writes it."""
    return TemporaryFile("w+", encoding="utf-8", newline="")


def _rows(file: Any) -> Iterator[Sequence[str]]:
    """Yield the rows of a result file, which has a header and a quote around each value that is not null."""
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    rows = csv.reader(file)
    try:
        next(rows, None)
        yield from rows
    except csv.Error as error:
        raise AwsError(
            f"The result has a row that cannot be read ({error}). Is there a line of many megabytes in the "
            "archive? 'make query NAME=spoiled-rows' names the objects that have such lines."
        ) from error
