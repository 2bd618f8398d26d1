"""The calls of `make trace` to AWS, with the Stubber: quarantine, given-up batches, metrics and log."""

import csv
import io
import itertools
import json
from datetime import date, datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from chalicelib.delivery.outcome import REFUSED, UNREADABLE, RejectedRecord
from chalicelib.delivery.quarantine import to_message
from ops.archive.days import Days
from ops.bucket import Bucket
from ops.locate import Deployment, Flow
from ops.packaging.bundle import ROOT
from ops.stage import Stage
from ops.target import Reached
from ops.trace import undelivered_copies
from ops.trace.command import Tracer
from ops.trace.delivery_state import DeliveryReader
from ops.trace.facts import DeliveryLine, Period
from ops.trace.judging import report
from ops.trace.undelivered_copies import search_given_up, search_quarantine
from simulation.mapping import Batch, invocation_record
from simulation.stream import Record
from tests.support.factories import NOW, kinesis_record, request

QUEUE = "https://sqs.us-east-1.amazonaws.com/111122223333/quarantine"
SHARD = "shardId-000000000000"
FOLDER = f"aws/lambda/11111111-2222-3333-4444-555555555555/{SHARD}/2026/01/31"
CLIENTS = ("athena", "sqs", "s3", "cloudwatch", "logs", "kinesis")
DAYS = Days(date(2026, 1, 25), date(2026, 1, 31))


@pytest.fixture
def clients():
    make: Any = boto3.client
    made = {name: make(name) for name in CLIENTS}
    stubs = {name: Stubber(client) for name, client in made.items()}
    for stub in stubs.values():
        stub.activate()
    yield made, stubs
    for stub in stubs.values():
        stub.assert_no_pending_responses()


def message(number, reason=REFUSED, **changes):
    record = kinesis_record(number=number, **changes)
    body = to_message(RejectedRecord(record, reason, "no"), now=NOW)
    return {"MessageId": str(number), "ReceiptHandle": f"receipt-{number}", "Body": body}


def hides(stub, count):
    name = "ApproximateNumberOfMessagesNotVisible"
    stub.add_response(
        "get_queue_attributes",
        {"Attributes": {name: str(count)}},
        {"QueueUrl": QUEUE, "AttributeNames": [name]},
    )


def receives(stub, *messages):
    expected = {
        "QueueUrl": QUEUE,
        "MaxNumberOfMessages": 10,
        "VisibilityTimeout": undelivered_copies.HIDDEN_SECONDS,
        "WaitTimeSeconds": 1,
    }
    stub.add_response("receive_message", {"Messages": [*messages]}, expected)


def shows_again(stub, *numbers):
    entries = [
        {"Id": str(index), "ReceiptHandle": f"receipt-{number}", "VisibilityTimeout": 0}
        for index, number in enumerate(numbers)
    ]
    stub.add_response(
        "change_message_visibility_batch",
        {"Successful": [], "Failed": []},
        {"QueueUrl": QUEUE, "Entries": entries},
    )


def test_every_message_that_was_read_is_shown_again(clients):
    made, stubs = clients
    hides(stubs["sqs"], 0)
    receives(stubs["sqs"], message(1, EventId="other"), message(2, EventId="it's %"))
    receives(stubs["sqs"])
    shows_again(stubs["sqs"], 1, 2)
    search = search_quarantine(made["sqs"], QUEUE, Bucket(made["s3"], "archive"), "it's %")
    [copy] = search.found
    assert (copy.reason, copy.at, copy.keeps_contract) == ("refused: no", NOW, True)
    assert copy.where == f"{SHARD}:2"
    assert search.searched == 2 and search.is_complete


def test_a_record_that_breaks_the_contract_is_found_by_its_place(clients):
    made, stubs = clients
    hides(stubs["sqs"], 3)
    receives(stubs["sqs"], message(7, UNREADABLE, EventType=None))
    receives(stubs["sqs"])
    shows_again(stubs["sqs"], 7)
    search = search_quarantine(made["sqs"], QUEUE, Bucket(made["s3"], "archive"), f"{SHARD}:7")
    assert [copy.keeps_contract for copy in search.found] == [False]
    assert search.hidden == 3 and not search.is_complete


def test_the_search_of_the_queue_is_bounded(clients):
    made, stubs = clients
    hides(stubs["sqs"], 0)
    receives(stubs["sqs"], message(1), message(2), message(3))
    receives(stubs["sqs"])
    shows_again(stubs["sqs"], 1, 2, 3)
    search = search_quarantine(made["sqs"], QUEUE, Bucket(made["s3"], "archive"), "unknown", max_messages=2)
    assert (search.searched, search.has_more, search.is_complete) == (3, True, False)


def test_the_search_ends_before_the_first_messages_are_shown_again(clients):
    made, stubs = clients
    hides(stubs["sqs"], 0)
    receives(stubs["sqs"], message(1), message(2), message(3))
    receives(stubs["sqs"])
    shows_again(stubs["sqs"], 1, 2, 3)
    seconds = itertools.count(step=30)
    search = search_quarantine(
        made["sqs"], QUEUE, Bucket(made["s3"], "archive"), "unknown", clock=lambda: next(seconds)
    )
    assert (search.searched, search.has_more, search.is_complete) == (2, True, False)


def test_an_end_of_the_queue_that_comes_too_late_is_none(clients):
    made, stubs = clients
    hides(stubs["sqs"], 0)
    receives(stubs["sqs"])
    clock = iter([0, undelivered_copies.MAX_SEARCH_SECONDS + 1])
    search = search_quarantine(
        made["sqs"], QUEUE, Bucket(made["s3"], "archive"), "unknown", clock=lambda: next(clock)
    )
    assert search.has_more and not search.is_complete


def batch(*requests, first=1):
    records = [
        Record(SHARD, str(number), "s1", json.dumps(one).encode(), NOW.timestamp())
        for number, one in enumerate(requests, first)
    ]
    document = invocation_record(Batch(records), "RecordAgeExceeded", "s3", NOW.timestamp())
    return json.dumps(document).encode()


def lists(stub, *keys):
    expected = {"Bucket": "archive", "Prefix": "aws/lambda/"}
    stub.add_response("list_objects_v2", {"Contents": [{"Key": key} for key in keys]}, expected)


def has_object(stub, key, content):
    stub.add_response(
        "get_object",
        {"Body": StreamingBody(io.BytesIO(content), len(content)), "ContentLength": len(content)},
        {"Bucket": "archive", "Key": key},
    )


def test_batches_of_the_days_are_read_the_newest_first_until_the_event_is_found(clients):
    made, stubs = clients
    old, first, second, third = (
        f"{FOLDER}/{name}-0a0b"
        for name in (
            "2026-01-20T12.00.00",
            "2026-01-30T12.00.00",
            "2026-01-31T11.00.00",
            "2026-01-31T12.00.00",
        )
    )
    lists(stubs["s3"], old, first, second, third, f"{FOLDER}/notes.txt")
    has_object(stubs["s3"], third, b"no batch")
    has_object(stubs["s3"], second, batch(request(), request(EventId="it")))
    search = search_given_up(Bucket(made["s3"], "archive"), "it", DAYS)
    [copy] = search.found
    assert copy.reason == "given up: RecordAgeExceeded"
    assert copy.where == f"s3://archive/{second}"
    assert copy.at == datetime(2026, 1, 31, 11, tzinfo=timezone.utc)
    assert search.searched == 2


def test_the_search_of_the_batches_is_bounded(clients):
    made, stubs = clients
    keys = [f"{FOLDER}/2026-01-31T1{hour}.00.00-0a0b" for hour in (1, 2)]
    lists(stubs["s3"], *keys)
    has_object(stubs["s3"], keys[1], batch(request()))
    search = search_given_up(Bucket(made["s3"], "archive"), "unknown", DAYS, max_batches=1)
    assert (search.searched, search.has_more) == (1, True)


def reader(made, flow=Flow.ONE_STACK, **parameters):
    outputs = {"DeliverEventsName": "deliver", "EventStreamName": "events"}
    deployment = Deployment("us-east-1", "prod", flow, ("shop",), outputs, parameters)
    session: Any = Session(made)
    return DeliveryReader.of(deployment, Stage(ROOT, "prod"), session)


def test_the_metrics_have_the_name_that_the_functions_file_them_under(clients):
    made, _ = clients
    assert reader(made).service == "shop"
    assert reader(made, Flow.STEPWISE).service == "personalize-api-prod"


def test_the_time_that_the_stream_keeps_a_record_is_that_of_the_deployment(clients):
    made, stubs = clients
    assert reader(made, StreamRetentionHours="96").retention() == timedelta(hours=96)
    summary = {
        "StreamName": "events",
        "StreamARN": "arn:aws:kinesis:us-east-1:111122223333:stream/events",
        "StreamStatus": "ACTIVE",
        "RetentionPeriodHours": 48,
        "StreamCreationTimestamp": NOW,
        "EnhancedMonitoring": [],
        "OpenShardCount": 1,
    }
    stubs["kinesis"].add_response(
        "describe_stream_summary", {"StreamDescriptionSummary": summary}, {"StreamName": "events"}
    )
    assert reader(made).retention() == timedelta(hours=48)


@pytest.mark.parametrize(("age", "seconds"), [(timedelta(hours=2), 60), (timedelta(days=10), 3600)])
def test_metrics_are_read_from_the_arrival_on_in_pages(clients, age, seconds):
    made, stubs = clients
    queries = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": metric,
                    "Dimensions": [{"Name": key, "Value": value}],
                },
                "Period": seconds,
                "Stat": statistic,
            },
        }
        for name, namespace, metric, key, value, statistic in (
            ("age", "PersonalizeApi", "OldestEventAge", "service", "shop", "Maximum"),
            ("failures", "AWS/Lambda", "Errors", "FunctionName", "deliver", "Sum"),
            ("not_stored", "AWS/Lambda", "DestinationDeliveryFailures", "FunctionName", "deliver", "Sum"),
        )
    ]
    length = timedelta(seconds=seconds)
    first = NOW - age - (timedelta(minutes=6) if seconds == 60 else timedelta(hours=1))
    asked = {
        "MetricDataQueries": queries,
        "StartTime": first,
        "EndTime": NOW,
        "ScanBy": "TimestampAscending",
    }
    pages = [
        ({"Id": "age", "Timestamps": [first], "Values": [3.0]}, {}),
        (
            {"Id": "not_stored", "Timestamps": [first, first + length], "Values": [0.0, 2.0]},
            {"NextToken": "1"},
        ),
    ]
    for (result, token), more in zip(pages, ({"NextToken": "1"}, {}), strict=True):
        response = {"MetricDataResults": [result], **more}
        stubs["cloudwatch"].add_response("get_metric_data", response, asked | token)
    assert reader(made).periods(NOW - age, NOW) == [
        Period(first, timedelta(seconds=3), length=length),
        Period(first + length, not_stored=2, length=length),
    ]


def test_delivery_is_read_from_three_metrics_and_the_newest_lines(clients):
    made, stubs = clients
    start, now = NOW - timedelta(minutes=2), NOW
    stubs["cloudwatch"].add_response(
        "get_metric_data",
        {
            "MetricDataResults": [
                {"Id": "age", "Timestamps": [start, start + timedelta(minutes=1)], "Values": [1.5, 61.0]},
                {"Id": "failures", "Timestamps": [start], "Values": [2.0]},
            ]
        },
        {
            "MetricDataQueries": ANY,
            "StartTime": start - timedelta(minutes=6),
            "EndTime": now,
            "ScanBy": "TimestampAscending",
        },
    )
    line = {"message": "Delivery", "OldestEventAge": [61.0], "reasons": {"Throttled.": 3}, "Retried": [3]}
    at = int(NOW.timestamp() * 1000)
    events = [
        {"timestamp": at, "message": text}
        for text in (json.dumps(line), "START", "[1]", json.dumps({"message": "Recommendations"}))
    ]
    stubs["logs"].add_response(
        "filter_log_events",
        {"events": events},
        {
            "logGroupName": "/aws/lambda/deliver",
            "filterPattern": '{ $.message = "Delivery" && $.Retried[0] > 0 }',
            "startTime": at - 15 * 60 * 1000,
        },
    )
    found = reader(made, StreamRetentionHours="72").read(start + timedelta(seconds=30), now)
    assert found.periods == [
        Period(start, timedelta(seconds=1.5), 2),
        Period(start + timedelta(minutes=1), timedelta(seconds=61)),
    ]
    assert found.lines == [DeliveryLine(NOW, timedelta(seconds=61), ["Throttled."])]
    assert found.retention == timedelta(hours=72)


class Session:
    """A session that hands out the clients of the Stubber."""

    def __init__(self, made):
        self.client = made.__getitem__


def tracer(made):
    outputs = {
        "DeliverEventsName": "deliver",
        "EventsBucket": "archive",
        "EventStreamName": "events",
        "EventsDatabase": "shop",
        "QueryWorkGroup": "shop-queries",
        "QuarantineQueueUrl": QUEUE,
    }
    deployment = Deployment(
        "us-east-1", "prod", Flow.ONE_STACK, ("shop",), outputs, {"StreamRetentionHours": "72"}
    )
    session: Any = Session(made)
    return Tracer(Reached(Stage(ROOT, "prod"), session, deployment))


def has_row(stubs):
    """Athena finds one row of an event that was accepted at NOW."""
    row = {
        "receivedat": "2026-01-31T12:00:00.000Z",
        "sentat": "",
        "userid": "ann",
        "sessionid": "s1",
        "eventtype": "read",
        "event": '{"itemId":"dracula"}',
        "action": "",
        "dt": "2026-01-31",
        "object": "s3://archive/events/dt=2026-01-31/archive-1-2026-01-31-11-58-00-0a0b",
        "all_rows": "1",
    }
    stubs["athena"].add_response(
        "start_query_execution",
        {"QueryExecutionId": "1"},
        {
            "QueryString": ANY,
            "QueryExecutionContext": {"Database": "shop"},
            "WorkGroup": "shop-queries",
            "ExecutionParameters": ["'2026-01-25'", "'2026-01-31'", "'it''s %'", "20"],
        },
    )
    execution = {
        "Status": {"State": "SUCCEEDED"},
        "ResultConfiguration": {"OutputLocation": "s3://archive/query-results/1.csv"},
        "Statistics": {"DataScannedInBytes": 1},
    }
    stubs["athena"].add_response("get_query_execution", {"QueryExecution": execution})
    columns = [{"Name": name, "Type": "varchar"} for name in row]
    stubs["athena"].add_response(
        "get_query_results", {"ResultSet": {"ResultSetMetadata": {"ColumnInfo": columns}}}
    )
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(row)
    writer.writerow(row.values())
    has_object(stubs["s3"], "query-results/1.csv", file.getvalue().encode())


def test_on_aws_every_place_is_asked_and_delivery_only_where_it_decides(clients):
    made, stubs = clients
    has_row(stubs)
    hides(stubs["sqs"], 0)
    receives(stubs["sqs"])
    lists(stubs["s3"])
    minutes = [NOW + timedelta(minutes=number) for number in (0, 8, 16)]
    result = {"Id": "age", "Timestamps": minutes, "Values": [1.0, 1.0, 1.0]}
    stubs["cloudwatch"].add_response("get_metric_data", {"MetricDataResults": [result]})
    stubs["logs"].add_response("filter_log_events", {"events": []})
    found = report(tracer(made).facts("it's %", DAYS, NOW + timedelta(minutes=30)))
    assert found.is_found
    assert [line[:12].strip() for line in found.lines] == [
        "delivered",
        "accepted",
        "",
        "quarantine",
        "given up",
    ]


def test_a_quarantined_event_needs_no_metrics(clients):
    made, stubs = clients
    has_row(stubs)
    hides(stubs["sqs"], 0)
    receives(stubs["sqs"], message(1, EventId="it's %"))
    receives(stubs["sqs"])
    shows_again(stubs["sqs"], 1)
    lists(stubs["s3"])
    found = report(tracer(made).facts("it's %", DAYS, NOW + timedelta(minutes=30)))
    assert found.lines[0] == "quarantined  refused: no"


def test_a_place_that_may_not_be_asked_is_named_and_the_others_are_asked(clients):
    made, stubs = clients
    stubs["athena"].add_client_error("start_query_execution", "AccessDeniedException", "not you")
    stubs["sqs"].add_client_error("get_queue_attributes", "AccessDenied", "not you")
    key = f"{FOLDER}/2026-01-31T12.00.00-0a0b"
    lists(stubs["s3"], key)
    has_object(stubs["s3"], key, batch(request(EventId="it")))
    found = report(tracer(made).facts("it", DAYS, NOW))
    assert found.lines[0] == "given up     Lambda gave its batch up: RecordAgeExceeded"
    text = "\n".join(found.lines)
    assert "archive      could not be asked: These credentials may not call StartQueryExecution" in text
    assert "quarantine   could not be searched: These credentials may not call GetQueueAttributes" in text


def test_metrics_that_may_not_be_read_leave_it_open(clients):
    made, stubs = clients
    has_row(stubs)
    hides(stubs["sqs"], 0)
    receives(stubs["sqs"])
    lists(stubs["s3"])
    stubs["cloudwatch"].add_client_error("get_metric_data", "AccessDenied", "not you")
    found = report(tracer(made).facts("it's %", DAYS, NOW + timedelta(minutes=30)))
    assert found.lines[0].startswith("not known    The metrics of delivery could not be read: These cred")
