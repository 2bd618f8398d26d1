"""Accepted events into the stream. An event is accepted only once Kinesis has said that it holds it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib import contract
from chalicelib.batching import pack
from chalicelib.errors import (
    AwsError,
    InvalidRequestError,
    PersonalizeApiError,
    ThrottledError,
    UnavailableError,
    from_botocore,
)
from chalicelib.records import events
from chalicelib.records.events import Event

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef

# PutRecords takes 500 records and 5 MiB, partition keys included (API_PutRecords).
MAX_RECORDS_PER_CALL = 500
MAX_BYTES_PER_CALL = 5 * 1024 * 1024

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
PATIENCE = 5.0
"""Seconds that one request spends on records which the stream throttles, however long it may run."""


_TOO_FAST = UnavailableError("The event stream is not taking events fast enough. Try again.")


@dataclass(frozen=True)
class Verdict:
    """What became of one event of a request: ``event`` is stored when ``error`` is None."""

    event: Event | None
    error: PersonalizeApiError | None

    @property
    def accepted(self) -> bool:
        return self.error is None


@dataclass(frozen=True)
class Stream:
    """The stream to put to, and the clock and the dice for the pauses between tries.

    The client is made at first use: a request without one valid event needs none.
    """

    name: str
    kinesis: Callable[[], KinesisClient]
    sleep: Callable[[float], None]
    seconds_left: Callable[[], float]
    random: Callable[[], float] = random.random


def events_of(request: object) -> tuple[list[object], bool]:
    """The events of a request body and whether it is a batch. InvalidRequestError for a malformed batch."""
    if isinstance(request, dict) and "Events" in request:
        contract.check(contract.BATCH, request)
        return request["Events"], True
    return [request], False


def ingest(
    requests: Sequence[object], stream: Stream, *, received_at: datetime, new_id: Callable[[], str]
) -> list[Verdict]:
    """Judge each event on its own, store the good ones, and say what became of each, in order."""
    verdicts = [_judge(request, received_at, new_id) for request in requests]
    stored = iter(put([verdict.event for verdict in verdicts if verdict.event is not None], stream))
    return [
        verdict if verdict.event is None else Verdict(verdict.event, next(stored)) for verdict in verdicts
    ]


def _judge(request: object, received_at: datetime, new_id: Callable[[], str]) -> Verdict:
    try:
        return Verdict(events.accept(request, received_at=received_at, new_id=new_id), None)
    except InvalidRequestError as error:
        return Verdict(None, error)


def put(accepted: Sequence[Event], stream: Stream) -> list[PersonalizeApiError | None]:
    """Put events into the stream; for each, None or why the stream does not hold it.

    PutRecords fails partially with HTTP 200 (API_PutRecords), so only the entries that failed are put again,
    with jittered pauses, while PATIENCE and the request's time last.
    """
    errors: list[PersonalizeApiError | None] = [None] * len(accepted)
    records = [(event.record, event.session_id) for event in accepted]
    sizes = [len(data) + len(key.encode()) for data, key in records]
    entries: list[PutRecordsRequestEntryTypeDef] = [
        {"Data": data, "PartitionKey": key} for data, key in records
    ]
    give_up_at = stream.seconds_left() - PATIENCE
    pending = list(range(len(entries)))
    pause = FIRST_PAUSE
    while True:
        calls = pack(
            pending,
            sizes.__getitem__,
            max_items=MAX_RECORDS_PER_CALL,
            max_bytes=MAX_BYTES_PER_CALL,
        )
        pending = [index for call in calls for index in _put(call, entries, errors, stream)]
        # Half the pause is drawn, so that callers throttled together do not return together.
        pause_now = pause * (0.5 + stream.random() / 2)
        if not pending or stream.seconds_left() - pause_now < max(give_up_at, 1.0):
            return errors
        stream.sleep(pause_now)
        pause = min(pause * 2, LONGEST_PAUSE)


def _put(
    call: list[int],
    entries: list[PutRecordsRequestEntryTypeDef],
    errors: list[PersonalizeApiError | None],
    stream: Stream,
) -> list[int]:
    """One PutRecords; notes each entry's outcome in ``errors`` and returns those worth another try."""
    try:
        answer = stream.kinesis().put_records(
            StreamName=stream.name, Records=[entries[index] for index in call]
        )
    except AwsError as error:
        # botocore has retried already; what it gave up on stays failed.
        failure = from_botocore(error, "The event stream")
        if isinstance(failure, ThrottledError):
            failure = _TOO_FAST
        for index in call:
            errors[index] = failure
        return []
    failed = []
    for index, result in zip(call, answer["Records"], strict=True):
        errors[index] = None
        if "ErrorCode" in result:
            errors[index] = _TOO_FAST
            failed.append(index)
    return failed
