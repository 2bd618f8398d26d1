"""The saved state is examined before anything starts. Each damage is one sentence and one line to paste."""

import hashlib
import json
import shlex

import pytest

from local.damage import IN_TEMPLATE, check_emulator_state
from local.state import StateError
from ops.cloudformation.states import STATES
from ops.local_stage import STACK_NAME

CODE = b"the zip of the functions"
BLOB = hashlib.sha256(CODE).hexdigest()
RESOURCES = {
    "AWS::ApiGateway::ApiKey": ("apigateway_v1", "key1", ["api_keys"]),
    "AWS::ApiGateway::RestApi": (
        "apigateway_v1",
        "api1",
        ["rest_apis", "resources", "stages_v1", "deployments_v1"],
    ),
    "AWS::ApiGateway::UsagePlan": ("apigateway_v1", "plan1", ["usage_plans", "usage_plan_keys"]),
    "AWS::Kinesis::Stream": ("kinesis", "the-stream", ["streams"]),
    "AWS::KinesisFirehose::DeliveryStream": ("firehose", "the-archive", ["_streams"]),
    "AWS::Lambda::EventSourceMapping": ("lambda", "0000-1111", ["esms", "kinesis_positions"]),
    "AWS::Lambda::Function": ("lambda", "the-function", ["functions"]),
    "AWS::S3::Bucket": ("s3", "the-bucket", ["buckets_meta", "bucket_versioning"]),
    "AWS::SQS::Queue": ("sqs", "http://localhost:1/000000000000/the-queue", ["queues"]),
}
"""The service of each kind of resource, a name, and the stores that have it."""
RECORD = {"SequenceNumber": "1", "Data": "", "PartitionKey": "1"}
STREAM = {"shards": {"shardId-0": {"records": [RECORD]}}}
NOT_NEEDED = ("kinesis_positions", "bucket_versioning")


def scoped(**values):
    return {"__account_region_scoped__": True, "data": {f"0\0us-east-1\0{k!r}": v for k, v in values.items()}}


def write(home, payloads):
    folder = home / "emulator" / "state"
    (folder / "lambda-blobs").mkdir(parents=True, exist_ok=True)
    (folder / "lambda-blobs" / f"{BLOB}.zip").write_bytes(CODE)
    for name, payload in payloads.items():
        (folder / f"{name}.json").write_text(json.dumps({"__ministack_format__": 3, "payload": payload}))
    return folder


def whole_state(status="UPDATE_COMPLETE"):
    payloads = {name: {"things": scoped()} for name in (*IN_TEMPLATE, "elasticache")}
    for service, name, stores in RESOURCES.values():
        for store in stores:
            entry = STREAM if store == "streams" else {"code_zip": {"code_blob_ref": BLOB}}
            payloads[service][store] = scoped(**{name: entry})
    resources = {
        kind: {"ResourceType": kind, "PhysicalResourceId": name} for kind, (_, name, _) in RESOURCES.items()
    }
    stack = {"StackName": STACK_NAME, "StackStatus": status, "_resources": resources}
    payloads["cloudformation"] = {"stacks": scoped(**{STACK_NAME: stack})}
    return payloads


@pytest.fixture
def home(tmp_path):
    return tmp_path / "a home's folder"


def refusal(home):
    with pytest.raises(StateError) as raised:
        check_emulator_state(home)
    text = str(raised.value)
    assert not any(word == "aws" for word in text.split())
    return text


def assert_removes_the_state(text, home):
    (line,) = [line for line in text.splitlines() if "rm -r" in line]
    assert shlex.split(line.partition(": ")[2]) == ["rm", "-r", str(home / "emulator" / "state")]
    assert "lost" in text
    assert "keeps" in text


def test_a_new_home_and_a_whole_state_are_fine(home):
    check_emulator_state(home)
    write(home, whole_state())
    check_emulator_state(home)


@pytest.mark.parametrize("name", sorted(IN_TEMPLATE))
@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\0" * 40,
        b"\xff\xfe\x80",
        b'{"__ministack_format__": 3, "payl',
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"__ministack_format__": 3}',
        b'{"__ministack_format__": 3, "payload": []}',
        b"[" * 100_000,
    ],
    ids=repr,
)
def test_a_file_that_the_stack_needs_is_named(home, name, damage):
    file = write(home, whole_state()) / f"{name}.json"
    file.write_bytes(damage)
    text = refusal(home)
    assert str(file) in text
    assert_removes_the_state(text, home)


@pytest.mark.parametrize("name", sorted({"cloudformation", *(service for service, *_ in RESOURCES.values())}))
@pytest.mark.parametrize("damage", [b'{"__ministack_format__": 3, "payload": {}}', None], ids=repr)
def test_a_file_without_what_a_request_passes_is_named(home, name, damage):
    file = write(home, whole_state()) / f"{name}.json"
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    text = refusal(home)
    assert str(file) in text
    assert_removes_the_state(text, home)


def test_a_file_that_the_stack_does_not_need_is_removed_alone(home):
    file = write(home, whole_state()) / "elasticache.json"
    file.write_text("{")
    text = refusal(home)
    assert shlex.split(text.rpartition(": ")[2]) == ["rm", str(file)]


@pytest.mark.parametrize(
    ("kind", "store"),
    [
        (kind, store)
        for kind, (*_, stores) in RESOURCES.items()
        for store in stores
        if store not in NOT_NEEDED
    ],
)
@pytest.mark.parametrize("damage", [None, scoped(), scoped(other={"a": 1}), "empty"], ids=repr)
def test_a_resource_that_is_gone_is_named_also_when_another_store_has_it(home, kind, store, damage):
    service, name, _ = RESOURCES[kind]
    payloads = whole_state()
    payloads[service][store] = scoped(**{name: {}}) if damage == "empty" else damage
    write(home, payloads)
    text = refusal(home)
    assert name in text
    assert store in text
    assert_removes_the_state(text, home)


@pytest.mark.parametrize(
    "shards",
    [None, [], {}, {"s": None}, {"s": {}}, {"s": {"records": {}}}, {"s": {"records": [{"x": 1}]}}],
    ids=repr,
)
def test_a_stream_that_takes_nothing_is_named(home, shards):
    payloads = whole_state()
    payloads["kinesis"]["streams"] = scoped(**{"the-stream": {"shards": shards, "StreamName": "the-stream"}})
    write(home, payloads)
    text = refusal(home)
    assert "the-stream" in text
    assert_removes_the_state(text, home)


@pytest.mark.parametrize("status", [*STATES, "A_STATE_OF_TOMORROW"])
def test_a_stack_that_takes_no_change_is_refused_without_advice_for_aws(home, status):
    write(home, whole_state(status))
    if status in STATES and STATES[status].operation == "UPDATE":
        check_emulator_state(home)
        return
    text = refusal(home)
    assert status in text
    assert_removes_the_state(text, home)


def test_a_state_without_the_stack_is_refused(home):
    payloads = whole_state()
    payloads["cloudformation"]["stacks"] = scoped(other={})
    write(home, payloads)
    assert STACK_NAME in refusal(home)


@pytest.mark.parametrize("damage", [None, b"", CODE[:-1]])
def test_code_that_is_not_whole_is_named(home, damage):
    file = write(home, whole_state()) / "lambda-blobs" / f"{BLOB}.zip"
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    text = refusal(home)
    assert str(file) in text
    assert_removes_the_state(text, home)
