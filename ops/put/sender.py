"""Puts records with as few calls as the API allows, paced, one call after another.

In order: of two rows with the same id the later one has to win. A call that Personalize refuses is halved
until the guilty record stands alone, as delivery does it. A call that fails for now is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, ParamValidationError

from chalicelib.errors import InvalidRequestError, MisconfiguredError, from_botocore
from chalicelib.retries import pauses
from ops.errors import AwsError
from ops.put.kinds import Kind
from ops.put.records import Record
from ops.put.rejected_rows import RejectedRow

MAX_RECORDS_PER_CALL = 10
MAX_CALLS_PER_SECOND = 9.0
"""Of the ten that an account may make (docs.aws.amazon.com/personalize/latest/dg/limits.html)."""
MAX_RETRY_SECONDS = 300.0
"""After so long without a success the run ends. It goes on when it is started again."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 20.0


@dataclass
class Sender:
    """Makes the calls of one run. ``client`` makes each call once: its tries are paced here.

    ``report`` gets a sentence when a call has to be tried again.
    """

    client: Any
    kind: Kind
    dataset_arn: str
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    chance: Callable[[], float]
    report: Callable[[str], None] = lambda sentence: None
    _next_call: float = field(default=0.0, init=False)

    def put(self, records: Sequence[Record]) -> list[RejectedRow]:
        """Put the records of one call. Returns a rejected row for each that Personalize refuses.

        Raises AwsError when Personalize cannot be reached for long, and botocore's error when it takes no
        call of ours at all.
        """
        refusal = self._perform(records)
        if refusal is None:
            return []
        if len(records) == 1:
            return [RejectedRow(records[0].line, None, f"was refused. {refusal}")]
        middle = (len(records) + 1) // 2
        return self.put(records[:middle]) + self.put(records[middle:])

    def _perform(self, records: Sequence[Record]) -> InvalidRequestError | None:
        """Make a call until Personalize takes it or refuses it. Returns the refusal."""
        arguments = {
            "datasetArn": self.dataset_arn,
            self.kind.plural: [record.entry(self.kind) for record in records],
        }
        deadline = self.clock() + MAX_RETRY_SECONDS
        for pause in pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, self.chance):
            self._wait_for_turn()
            try:
                getattr(self.client, self.kind.method)(**arguments)
            except (ClientError, ConnectionError, HTTPClientError, ParamValidationError) as error:
                failure = from_botocore(error, "Personalize")
                if isinstance(failure, InvalidRequestError):
                    return failure
                if isinstance(failure, MisconfiguredError):
                    raise  # the next calls would end the same way
                sentence = _is_changed(error) or f"{str(failure).partition('. ')[0]}."
                if self.clock() + pause > deadline:
                    raise AwsError(f"{sentence} Run the same command again later to go on.") from error
            else:
                return None
            self.report(sentence)
            self.sleep(pause)
        raise AssertionError("pauses() never ends")

    def _wait_for_turn(self) -> None:
        now = self.clock()
        if now < self._next_call:
            self.sleep(self._next_call - now)
        self._next_call = max(now, self._next_call) + 1 / MAX_CALLS_PER_SECOND


def calls_of(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield the records of one call after another. No id is twice in one: the order within a call is open."""
    call: list[Record] = []
    for record in records:
        if len(call) == MAX_RECORDS_PER_CALL or any(each.record_id == record.record_id for each in call):
            yield call
            call = []
        call.append(record)
    if call:
        yield call


def _is_changed(error: Exception) -> str | None:
    """Return the sentence for a dataset that is in use: its schema is being changed, or it is being made."""
    if isinstance(error, ClientError) and error.response["Error"].get("Code") == "ResourceInUseException":
        return "Personalize is changing the dataset and takes no records meanwhile."
    return None
