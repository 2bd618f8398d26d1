"""The command that says what became of one event.

Each place is asked by itself: one that does not respond, or that these credentials may not read, is named.
The others are asked all the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeVar

from ops import local_stage
from ops.archive.days import Days, to_days
from ops.archive.opening import open_engine
from ops.archive.show import cost_line
from ops.bucket import Bucket
from ops.errors import OpsError, readable_aws_errors
from ops.given_ids import check_id
from ops.target import Reached, Target
from ops.terminal import print_line
from ops.trace.archived import find_rows
from ops.trace.delivery_state import DeliveryReader
from ops.trace.engine_events import find_in_engine
from ops.trace.facts import Archived, Delivery, Facts, Given, Search
from ops.trace.judging import arrived_by, report
from ops.trace.undelivered_copies import search_given_up, search_quarantine

T = TypeVar("T")


@dataclass(frozen=True)
class Tracer:
    """What is asked about one event, of one deployment."""

    reached: Reached

    def facts(self, event_id: str, days: Days, now: datetime) -> Facts:
        """Return everything that is known of an event. Raises NotDeployedError."""
        archived = _asked(lambda: self._archived(event_id, days), lambda why: Archived(problem=why))
        bucket = Bucket(self._client("s3"), self.reached.deployment.output("EventsBucket"))
        quarantine = _asked(lambda: self._quarantine(bucket, event_id), lambda why: Search(problem=why))
        given_up = _asked(lambda: search_given_up(bucket, event_id, days), lambda why: Search(problem=why))
        given = self._given(event_id)
        is_settled = quarantine.found or given_up.found or (given is not None and given.at is not None)
        delivery = Delivery()
        if archived.rows and not is_settled:
            since = arrived_by(archived.rows, now)
            delivery = _asked(lambda: self._delivery(since, now), lambda why: Delivery(problem=why))
        return Facts(
            event_id, self.reached.stage.name, days, now, archived, quarantine, given_up, given, delivery
        )

    def _archived(self, event_id: str, days: Days) -> Archived:
        archived, scanned_bytes = find_rows(
            open_engine(self.reached.deployment, self.reached.session), event_id, days
        )
        print(cost_line(scanned_bytes, is_local=self.reached.is_local), file=sys.stderr, flush=True)
        return archived

    def _quarantine(self, bucket: Bucket, event_id: str) -> Search:
        queue_url = self.reached.deployment.output("QuarantineQueueUrl")
        return search_quarantine(self._client("sqs"), queue_url, bucket, event_id)

    def _given(self, event_id: str) -> Given | None:
        if not self.reached.is_local:
            return None
        coordinates = local_stage.read_coordinates(self.reached.stage.project_dir)
        return find_in_engine(coordinates.personalize_url, event_id)

    def _delivery(self, since: datetime, now: datetime) -> Delivery:
        reader = DeliveryReader.of(self.reached.deployment, self.reached.stage, self.reached.session)
        # The emulator has no metrics of functions, and the engine says exactly what it was given.
        return Delivery(lines=reader.lines(now)) if self.reached.is_local else reader.read(since, now)

    def _client(self, service: str) -> Any:
        make: Any = self.reached.session.client
        with readable_aws_errors():
            return make(service)


def _asked(ask: Callable[[], T], without: Callable[[str], T]) -> T:
    """Return what was asked, or the value that says why it could not be."""
    try:
        with readable_aws_errors():
            return ask()
    except OpsError as error:
        return without(" ".join(str(error).split()))


def run_trace(event_id: str, target: Target, first: str | None, last: str | None) -> bool:
    """Print what became of an event from day ``first`` to day ``last``. Return whether it was found."""
    check_id(event_id, "EVENT is the EventId of a response")
    now = datetime.now(timezone.utc)
    days = to_days(first, last, now.date())
    facts = Tracer(target.open()).facts(event_id, days, now)
    found = report(facts)
    print_line("\n".join(found.lines))
    return found.is_found
