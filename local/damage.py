"""Examines the saved state of ``make run`` before anything starts. It reads and changes nothing.

MiniStack begins with the services empty whose files it cannot read. The stack would then be there by name
only, and every request would fail. The engine examines its database itself (``local.personalize.store``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.state import StateError
from ops.cloudformation.states import state_of
from ops.command_lines import shell_line
from ops.local_stage import STACK_NAME

_HELD_IN = {
    "AWS::ApiGateway::ApiKey": ("apigateway_v1", ("api_keys",)),
    "AWS::ApiGateway::RestApi": ("apigateway_v1", ("rest_apis", "resources", "stages_v1", "deployments_v1")),
    "AWS::ApiGateway::UsagePlan": ("apigateway_v1", ("usage_plans", "usage_plan_keys")),
    "AWS::Kinesis::Stream": ("kinesis", ("streams",)),
    "AWS::KinesisFirehose::DeliveryStream": ("firehose", ("_streams",)),
    "AWS::Lambda::EventSourceMapping": ("lambda", ("esms",)),
    "AWS::Lambda::Function": ("lambda", ("functions",)),
    "AWS::S3::Bucket": ("s3", ("buckets_meta",)),
    "AWS::SQS::Queue": ("sqs", ("queues",)),
}
"""The resources that a request or an event passes: the service whose file has them, and the stores of it that
have an entry under their name."""
_RECORD_MEMBERS = {"Data", "PartitionKey", "SequenceNumber"}
IN_TEMPLATE = {
    *(service for service, _ in _HELD_IN.values()),
    *("athena", "cloudformation", "cloudwatch", "glue", "iam", "sns"),
}
"""The services with resources of the stack. Log groups are made when they are missing."""
_FORMAT = "__ministack_format__"


class _DamageError(Exception):
    """What is wrong with a file: a clause."""


def check_emulator_state(home: Path) -> None:
    """Raise StateError for a saved state of the emulator with which the stack cannot work."""
    folder = state_folder(home)
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    payloads = {}
    for file in files:
        try:
            payloads[file.stem] = _payload(file)
        except _DamageError as error:
            if file.stem in IN_TEMPLATE:
                raise damaged(home, f"{file} {error}") from error
            raise StateError(
                f"{file} {error}. The stack does not need it. Remove it: {shell_line('rm', str(file))}"
            ) from error
    if files:
        for problem in _problems(folder, payloads):
            raise damaged(home, problem)


def _problems(folder: Path, payloads: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Return what is wrong with files that are whole, as clauses. The first one explains the others."""
    yield from _deployment_problems(folder, payloads)
    yield from _code_problems(folder, payloads.get("lambda", {}))


def state_folder(home: Path) -> Path:
    """Return the folder where the emulator saves its state, without the objects of S3."""
    return home / "emulator" / "state"


def damaged(home: Path, problem: str) -> StateError:
    """Return the error about a saved state that is no use."""
    return StateError(f"The saved state of the local stack cannot be used: {problem}.\n{how_to_remove(home)}")


def how_to_remove(home: Path) -> str:
    """Return what to remove, what is lost with it, and what stays."""
    folder = state_folder(home.absolute())
    return (
        f"Remove it, then run this again: {shell_line('rm', '-r', str(folder))}\n"
        "The API key, the quarantine, and the events that were not delivered yet are lost then; the next run "
        "makes a new key and a new bucket. The engine keeps what it was sent, and the files of the archive "
        f"stay in {folder.parent / 's3'}."
    )


def saved_buckets(folder: Path) -> set[str] | None:
    """Return the buckets of S3 that a saved state has; None when it has no file that says so."""
    try:
        return set(_entries(_payload(folder / "s3.json").get("buckets_meta")))
    except _DamageError:
        return None


def _payload(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _DamageError(f"cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise _DamageError("is empty" if not file.stat().st_size else "is not whole") from error
    payload = content.get("payload") if isinstance(content, dict) and _FORMAT in content else None
    if not isinstance(payload, dict):
        raise _DamageError("is not a file of the emulator")
    return payload


def _deployment_problems(folder: Path, payloads: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Return why the saved stack takes no change, and which of its resources are not there."""
    deployments = folder / "cloudformation.json"
    if "cloudformation" not in payloads:
        yield f"{deployments} is missing"
        return
    stack = _entries(payloads["cloudformation"].get("stacks")).get(STACK_NAME)
    if not isinstance(stack, dict):
        yield f"{deployments} has no stack {STACK_NAME}"
        return
    status = str(stack.get("StackStatus"))
    if state_of(status).operation != "UPDATE":
        yield f"the deployment in it is not complete ({status})"
    resources = stack.get("_resources")
    for resource in resources.values() if isinstance(resources, dict) else ():
        kind, name = _kind_and_name(resource)
        if kind in _HELD_IN:
            service, stores = _HELD_IN[kind]
            file = folder / f"{service}.json"
            if service not in payloads:
                yield f"{file} is missing"
                continue
            for store in stores:
                if not _is_whole(store, _entries(payloads[service].get(store)).get(name)):
                    yield f"{file} does not have {name} whole ({store})"


def _is_whole(store: str, entry: Any) -> bool:
    """Return whether an entry has members. A stream without shards, or with other records, takes nothing."""
    if not isinstance(entry, dict | list) or not entry:
        return False
    if store != "streams":
        return True
    shards = entry.get("shards") if isinstance(entry, dict) else None
    return isinstance(shards, dict) and bool(shards) and all(map(_is_shard, shards.values()))


def _is_shard(shard: Any) -> bool:
    records = shard.get("records") if isinstance(shard, dict) else None
    return isinstance(records, list) and all(
        isinstance(record, dict) and record.keys() >= _RECORD_MEMBERS for record in records
    )


def _kind_and_name(resource: Any) -> tuple[str, str]:
    found = resource if isinstance(resource, dict) else {}
    return str(found.get("ResourceType")), str(found.get("PhysicalResourceId"))


def _code_problems(folder: Path, payload: Mapping[str, Any]) -> Iterator[str]:
    """Return what is wrong with the code of the functions. A file's name is the hash of its content."""
    for function in _entries(payload.get("functions")).values():
        code = function.get("code_zip") if isinstance(function, dict) else None
        name = code.get("code_blob_ref") if isinstance(code, dict) else None
        file = folder / "lambda-blobs" / f"{name}.zip"
        if name is not None and not file.is_file():
            yield f"{file} is missing"
        elif name is not None and hashlib.sha256(file.read_bytes()).hexdigest() != name:
            yield f"{file} is not whole"


def _entries(scoped: Any) -> dict[str, Any]:
    """Return a dictionary that MiniStack keeps by account and region (``ACCOUNT NUL REGION NUL 'KEY'``)."""
    data = scoped.get("data") if isinstance(scoped, dict) else None
    if not isinstance(data, dict):
        return {}
    return {key.rsplit("\0", 1)[-1].strip("'"): value for key, value in data.items()}
