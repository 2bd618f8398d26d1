"""What the emulator keeps of every request is bounded, also what an earlier run has saved."""

import json
from urllib.request import urlopen

import boto3
import pytest

from local.emulator import ACCOUNT, running_emulator, start_emulator
from local.function_log import PATH
from local.personalize import REGION
from local.retention import INVOCATIONS_PER_LOG_GROUP

GROUP = "/aws/lambda/function"
STREAM_ARN = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/events"
BUCKET = "archive"


def log_page(url, last):
    """Return the lines after the last one, and the bytes of the response."""
    with urlopen(f"{url}{PATH}?after={last}") as response:
        body = response.read()
    return json.loads(body), len(body)


def client(emulator, service):
    return boto3.client(service, endpoint_url=emulator.url)


def log_streams(logs):
    pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=GROUP)
    return {stream["logStreamName"] for page in pages for stream in page["logStreams"]}


def archived(s3):
    """Return the number of objects of the archive, and their lines."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    bodies = [s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys]
    return len(keys), sorted(json.loads(line)["n"] for body in bodies for line in body.splitlines())


def saved(name, scoped):
    """Return a state file as MiniStack writes it; ``scoped`` has the members of one store."""
    store, members = scoped
    data = {f"{ACCOUNT}\x00{REGION}\x00{key!r}": value for key, value in members.items()}
    payload = {store: {"__account_region_scoped__": True, "data": data}}
    return {f"{name}.json": json.dumps({"__ministack_format__": 3, "payload": payload})}


@pytest.fixture
def state_of_an_earlier_run(tmp_path):
    """The state after 2,000 invocations and 2,000 archived records, saved without any bound."""
    streams = {
        f"stream-{number:04}": {
            "events": [{"timestamp": number, "message": "line", "ingestionTime": number}],
            "uploadSequenceToken": "1",
            "creationTime": number,
            "firstEventTimestamp": number,
            "lastEventTimestamp": number,
            "lastIngestionTime": number,
        }
        for number in range(2000)
    }
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:*"
    group = {"arn": arn, "creationTime": 1, "retentionInDays": None, "tags": {}, "subscriptionFilters": {}}
    copies = [{"id": str(number), "data": "line", "ts": 1} for number in range(2000)]
    delivery = {"name": "d", "destinations": [{"id": "1", "type": "ExtendedS3", "records": copies}]}
    files = {
        **saved("cloudwatch_logs", ("log_groups", {GROUP: {**group, "streams": streams}})),
        **saved("firehose", ("_streams", {"d": delivery})),
    }
    (tmp_path / "state").mkdir()
    for name, text in files.items():
        (tmp_path / "state" / name).write_text(text)
    return tmp_path


def test_a_run_begins_with_the_newest_logs_of_the_last_one_and_stays_bounded(state_of_an_earlier_run):
    with running_emulator(state_dir=state_of_an_earlier_run) as emulator:
        logs = client(emulator, "logs")
        newest = {f"stream-{number:04}" for number in range(2000)[-INVOCATIONS_PER_LOG_GROUP:]}
        assert log_streams(logs) == newest
        logs.create_log_stream(logGroupName=GROUP, logStreamName="next")
        event = {"timestamp": 1, "message": "line"}
        logs.put_log_events(logGroupName=GROUP, logStreamName="next", logEvents=[event])
        assert log_streams(logs) == newest - {min(newest)} | {"next"}
    state = state_of_an_earlier_run / "state"
    assert (state / "cloudwatch_logs.json").read_text().count('"message"') == INVOCATIONS_PER_LOG_GROUP
    assert '"records": []' in (state / "firehose.json").read_text()


def test_a_poll_of_the_log_reads_the_lines_of_new_requests_only(stack, post, eventually):
    url = stack.stack.awsEndpointUrl

    def request(last):
        assert post("recommendations", {"userId": "ann"})[0] == 200
        page, size = eventually(
            lambda: read if '"Recommendations"' in str(read := log_page(url, last)) else 0
        )
        return page["last"], len(page["lines"]), size

    last, lines, size = request(log_page(url, 0)[0]["last"])
    for _ in range(40):
        assert post("recommendations", {"userId": "ann"})[0] == 200
    assert len(log_page(url, last)[0]["lines"]) == 40 * lines
    after = request(log_page(url, last)[0]["last"])
    assert after[1] == lines
    assert after[2] == pytest.approx(size, abs=100)


def start_archive(emulator):
    """Make a stream and its archive, as the packaged template does."""
    client(emulator, "s3").create_bucket(Bucket=BUCKET)
    client(emulator, "kinesis").create_stream(StreamName="events", ShardCount=1)
    role = f"arn:aws:iam::{ACCOUNT}:role/any"
    client(emulator, "firehose").create_delivery_stream(
        DeliveryStreamName="archive",
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={"KinesisStreamARN": STREAM_ARN, "RoleARN": role},
        ExtendedS3DestinationConfiguration={
            "BucketARN": f"arn:aws:s3:::{BUCKET}",
            "RoleARN": role,
            "Prefix": "events/dt=!{timestamp:yyyy-MM-dd}/",
            "ErrorOutputPrefix": "events-failed/!{firehose:error-output-type}/",
        },
    )


def put_records(emulator, numbers):
    records = [{"Data": b'{"n": %d}\n' % number, "PartitionKey": str(number)} for number in numbers]
    assert (
        client(emulator, "kinesis").put_records(StreamName="events", Records=records)["FailedRecordCount"]
        == 0
    )


def test_the_archive_has_few_objects_and_every_line_once_also_after_a_kill(tmp_path, eventually):
    emulator = start_emulator(state_dir=tmp_path)
    try:
        start_archive(emulator)
        put_records(emulator, range(200))
        objects, _ = eventually(lambda: found if (found := archived(client(emulator, "s3")))[0] else None)
        put_records(emulator, range(200, 400))
        emulator.process.kill()
    finally:
        emulator.stop()
    with running_emulator(state_dir=tmp_path) as emulator:
        objects, lines = archived(client(emulator, "s3"))
    assert lines == list(range(400))
    assert objects <= 4


def test_an_archive_of_many_objects_has_few_in_the_next_run(tmp_path):
    with running_emulator(state_dir=tmp_path) as emulator:
        s3 = client(emulator, "s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        for number in range(100):
            s3.put_object(
                Bucket=BUCKET, Key=f"events/dt=2026-11-25/{number:03}", Body=b'{"n": %d}\n' % number
            )
    with running_emulator(state_dir=tmp_path) as emulator:
        s3 = client(emulator, "s3")
        assert archived(s3) == (1, list(range(100)))
        size = s3.head_object(Bucket=BUCKET, Key="events/dt=2026-11-25/000")["ContentLength"]
    assert size == sum(len(b'{"n": %d}\n' % number) for number in range(100))


def test_at_the_end_everything_is_in_the_archive_and_firehose_keeps_no_copy(tmp_path):
    with running_emulator(state_dir=tmp_path) as emulator:
        start_archive(emulator)
        put_records(emulator, range(100))
        put_records(emulator, range(100, 200))
    files = (tmp_path / "s3" / ACCOUNT / BUCKET).glob("events/*/*")
    objects = [path for path in files if path.suffix != ".json"]
    lines = [json.loads(line)["n"] for path in objects for line in path.read_bytes().splitlines()]
    assert sorted(lines) == list(range(200))
    assert '"records": []' in (tmp_path / "state" / "firehose.json").read_text()


def test_lines_that_s3_has_in_memory_only_stay_in_the_spool_until_they_are_written(tmp_path, eventually):
    bucket, spool = tmp_path / "s3" / ACCOUNT / BUCKET, tmp_path / "archive-spool"
    emulator = start_emulator(state_dir=tmp_path)
    try:
        start_archive(emulator)
        # As on a full disk, S3 responds with success and writes nothing.
        bucket.rmdir()
        bucket.write_text("a file")
        put_records(emulator, range(3))
        eventually(lambda: "is not stored" in emulator.output.read_text(), 60)
        assert archived(client(emulator, "s3"))[1]
        assert list(spool.iterdir())
        bucket.unlink()
        eventually(lambda: not list(spool.iterdir()), 60)
    finally:
        status = emulator.stop()
    assert status == 0
    objects = [path for path in bucket.glob("events/*/*") if path.suffix != ".json"]
    assert sorted(line for path in objects for line in path.read_text().splitlines()) == [
        f'{{"n": {number}}}' for number in range(3)
    ]
