"""Queries on Athena: the calls that are made, and what is said when Athena does not carry one out."""

import io
from datetime import date

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from ops.archive.athena import Athena
from ops.archive.days import Days
from ops.archive.engine import BoundQuery, Column
from ops.errors import AwsError, InputError

DAYS = Days(date(2026, 1, 1), date(2026, 1, 31))
QUERY = BoundQuery("SELECT ? AS name, ? AS number", ["O'Hara -- \\", 3], DAYS)
ID = "11111111-2222-3333-4444-555555555555"
RESULT = b'"name","number"\n"O\'Hara ""x"", y\nz","3"\n,"4"\n'


class Service:
    """Athena and S3 as the Stubber plays them."""

    def __init__(self):
        athena, s3 = boto3.client("athena"), boto3.client("s3")
        self.athena, self.s3 = Stubber(athena), Stubber(s3)
        self.pauses = []
        self.engine = Athena(athena, s3, "shop", "shop-queries", self.pauses.append)

    def starts(self, **parameters):
        expected = {
            "QueryString": QUERY.sql,
            "QueryExecutionContext": {"Database": "shop"},
            "WorkGroup": "shop-queries",
            "ExecutionParameters": ["'O''Hara -- \\'", "3"],
        }
        self.athena.add_response("start_query_execution", {"QueryExecutionId": ID}, expected | parameters)

    def is_in(self, state, **more):
        execution = {
            "Status": {"State": state, **more},
            "ResultConfiguration": {"OutputLocation": f"s3://archive/query-results/{ID}.csv"},
            "Statistics": {"DataScannedInBytes": 1234},
        }
        self.athena.add_response(
            "get_query_execution", {"QueryExecution": execution}, {"QueryExecutionId": ID}
        )

    def has_result(self, content):
        columns = [{"Name": "name", "Type": "varchar"}, {"Name": "number", "Type": "integer"}]
        self.athena.add_response(
            "get_query_results",
            {"ResultSet": {"ResultSetMetadata": {"ColumnInfo": columns}}},
            {"QueryExecutionId": ID, "MaxResults": 1},
        )
        self.s3.add_response(
            "get_object",
            {"Body": StreamingBody(io.BytesIO(content), len(content))},
            {"Bucket": "archive", "Key": f"query-results/{ID}.csv"},
        )


@pytest.fixture
def service():
    service = Service()
    with service.athena, service.s3:
        yield service
        service.athena.assert_no_pending_responses()
        service.s3.assert_no_pending_responses()


def test_the_result_is_read_from_the_file_that_athena_wrote(service):
    service.starts()
    for state in ("QUEUED", "RUNNING", "SUCCEEDED"):
        service.is_in(state)
    service.has_result(RESULT)
    with service.engine.run(QUERY) as result:
        assert result.columns == [Column("name", "varchar"), Column("number", "integer")]
        assert [*result.rows] == [['O\'Hara "x", y\nz', "3"], ["", "4"]]
        assert result.scanned_bytes == 1234
    assert service.pauses == [0.2, 0.4]


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        ("FAILED", "SYNTAX_ERROR: line 1:8: Column 'x' cannot be resolved", f"{ID} in the workgroup"),
        ("CANCELLED", "Query cancelled! : Bytes scanned limit was exceeded", "raise QueryBytesLimit"),
        ("CANCELLED", "", ID),
    ],
)
def test_a_query_that_fails_says_why_and_what_to_do(service, state, reason, said):
    service.starts()
    service.is_in(state, **({"StateChangeReason": reason} if reason else {}))
    with pytest.raises(AwsError) as raised, service.engine.run(QUERY):
        pass
    assert reason.rstrip(".") in str(raised.value) and said in str(raised.value)


def test_an_interruption_stops_the_query(service):
    service.starts()
    service.is_in("RUNNING")
    service.athena.add_response("stop_query_execution", {}, {"QueryExecutionId": ID})

    def interrupt(_seconds):
        raise KeyboardInterrupt

    engine = Athena(service.engine.athena, service.engine.s3, "shop", "shop-queries", interrupt)
    with pytest.raises(KeyboardInterrupt), engine.run(QUERY):
        pass


def test_a_refusal_is_a_sentence(service):
    service.athena.add_client_error("start_query_execution", "AccessDeniedException", "not you")
    with (
        pytest.raises(AwsError, match="may not call StartQueryExecution: not you"),
        service.engine.run(QUERY),
    ):
        pass


def test_a_value_that_is_too_long_is_refused_before_anything_is_asked(service):
    long = BoundQuery(QUERY.sql, ["'" * 600], DAYS)
    with pytest.raises(InputError, match="1202 characters"), service.engine.run(long):
        pass
