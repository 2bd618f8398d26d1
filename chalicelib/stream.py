"""Puts records into the Kinesis stream. An event is accepted once Kinesis says that it holds the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.batching import batches
from chalicelib.errors import (
    AwsError,
    PersonalizeApiError,
    ThrottledError,
    UnavailableError,
    from_botocore,
)
from chalicelib.retries import pauses

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef

    from chalicelib.records import Record

MAX_RECORDS_PER_CALL = 500
MAX_BYTES_PER_CALL = 5 * 1024 * 1024
"""Of PutRecords, partition keys included (API_PutRecords)."""

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
MAX_RETRY_SECONDS = 5.0
"""What one request spends on records that the stream throttles, however long the request may run."""

_TOO_FAST = UnavailableError("The event stream is not taking events fast enough. Try again.")

_Outcomes = dict[int, "PersonalizeApiError | None"]
"""By index in the request: None, or why the stream does not hold the record."""


@dataclass(frozen=True)
class EventStream:
    """The stream that records are put into.

    ``sleep`` takes seconds, ``chance`` returns a number from 0 to below 1.
    """

    name: str
    kinesis: KinesisClient
    sleep: Callable[[float], None]
    chance: Callable[[], float]

    def put(
        self, records: Sequence[Record], *, seconds_left: Callable[[], float]
    ) -> list[PersonalizeApiError | None]:
        """Put records into the stream. Returns for each None, or why the stream does not hold it.

        PutRecords fails partially with HTTP 200 (API_PutRecords). Only the entries that failed are put again,
        with jittered pauses, while MAX_RETRY_SECONDS and the request's time last.
        """
        contents = [(record.data, record.session_id) for record in records]
        sizes = [len(data) + len(key.encode()) for data, key in contents]
        entries: list[PutRecordsRequestEntryTypeDef] = [
            {"Data": data, "PartitionKey": key} for data, key in contents
        ]
        outcomes: _Outcomes = {}
        give_up_at = seconds_left() - MAX_RETRY_SECONDS
        pending = list(range(len(entries)))
        for pause in pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, self.chance):
            throttled: list[int] = []
            for batch in batches(
                pending,
                max_items=MAX_RECORDS_PER_CALL,
                size_bytes=sizes.__getitem__,
                max_bytes=MAX_BYTES_PER_CALL,
            ):
                result, again = self._put_batch({index: entries[index] for index in batch})
                outcomes |= result
                throttled += again
            pending = throttled
            if not pending or seconds_left() - pause < max(give_up_at, 1.0):
                break
            self.sleep(pause)
        return [outcomes[index] for index in range(len(entries))]

    def _put_batch(self, entries: Mapping[int, PutRecordsRequestEntryTypeDef]) -> tuple[_Outcomes, list[int]]:
        """Make one PutRecords. Returns the outcomes, and the entries that are worth another try."""
        try:
            response = self.kinesis.put_records(StreamName=self.name, Records=[*entries.values()])
        except AwsError as error:
            # botocore has retried already. What it gave up on stays failed.
            failure = from_botocore(error, "The event stream")
            return dict.fromkeys(entries, _TOO_FAST if isinstance(failure, ThrottledError) else failure), []
        results = zip(entries, response["Records"], strict=True)
        again = [index for index, result in results if "ErrorCode" in result]
        return dict.fromkeys(entries) | dict.fromkeys(again, _TOO_FAST), again
