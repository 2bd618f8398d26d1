"""The metrics of a deployment with a fault, minute by minute: a model of what AWS and the functions publish.

Each rule names its source. The numbers are those of a small shop: 60 requests and 60 events a minute, one
invocation a minute. A fault begins after an hour without one.
"""

from dataclasses import dataclass
from enum import Enum, auto

HEALTHY_MINUTES = 60
REQUESTS = 60
GIVE_UP_MINUTES = 48 * 60


class Batch(Enum):
    """What becomes of a batch."""

    NEVER_STARTED = auto()
    CRASHED = auto()
    DELIVERED = auto()
    PARTLY_RETRIED = auto()
    RETRIED = auto()


@dataclass(frozen=True)
class State:
    """What works. The default is a healthy deployment with traffic. ``reports``: as in the one stack.

    ``stand_ins``: lists of a minute that do not come from Personalize.
    """

    traffic: bool = True
    batch: Batch = Batch.DELIVERED
    reports: bool = True
    quarantined: int = 0
    spoiled_rows: int = 0
    stores_given_up: bool = True
    firehose_reads: bool = True
    firehose_falls_behind: bool = False
    firehose_writes: bool = True
    stream_takes: bool = True
    failing_requests: int = 0
    slow_requests: int = 0
    stand_ins: int = 0
    invalid_events: int = 0


def samples_of(state, minutes):
    """Return the samples of every metric: an hour of health, then ``minutes`` with the fault."""
    published = {}
    for minute in range(HEALTHY_MINUTES + minutes):
        elapsed = minute - HEALTHY_MINUTES + 1
        now = State(traffic=state.traffic) if elapsed <= 0 else state
        for metric, samples in _minute(now, max(elapsed, 0)).items():
            published.setdefault(metric, []).append(samples)
    return published


def _minute(state, elapsed):
    """Return the samples of one minute, ``elapsed`` minutes after the fault began."""
    return {**_api(state), **_delivery(state, elapsed), **_firehose(state, elapsed)}


def _api(state):
    """API Gateway publishes 0 or 1 for each request, Kinesis the records that it took.

    Sources: apigateway-metrics-and-dimensions.html, streams/latest/dev/monitoring-with-cloudwatch.html.
    """
    requests = REQUESTS if state.traffic else 0
    failing = requests if not state.stream_takes else min(requests, state.failing_requests)
    rejected = 1 if not state.stream_takes else state.invalid_events / REQUESTS
    stored = requests if state.stream_takes else 0
    return {
        ("AWS/ApiGateway", "5XXError"): [1] * failing + [0] * (requests - failing),
        ("AWS/ApiGateway", "Latency"): [3000] * state.slow_requests + [50] * (requests - state.slow_requests)
        if requests
        else [],
        ("AWS/Kinesis", "IncomingRecords"): [stored] if stored else [],
        # One line for each request (observability.emit).
        ("PersonalizeApi", "Rejected"): [rejected] * requests,
        ("PersonalizeApi", "NotPersonalize"): [1] * state.stand_ins + [0] * (requests - state.stand_ins)
        if requests
        else [],
    }


def _delivery(state, elapsed):
    """Lambda publishes a metric when a function was invoked, and the function one line for a batch.

    So without an invocation there is no data at all: monitoring-metrics-types.html. A crash prints no line.
    IteratorAge is the age of the last record of the batch when it is sent to the function.
    """
    runs = state.traffic and state.stream_takes and state.batch is not Batch.NEVER_STARTED
    stuck = state.batch in {Batch.CRASHED, Batch.RETRIED}
    age_seconds = min(elapsed, GIVE_UP_MINUTES) * 60 if stuck else 1
    failed = state.batch is Batch.CRASHED or (
        state.batch in {Batch.RETRIED, Batch.PARTLY_RETRIED} and not state.reports
    )
    prints = runs and state.batch is not Batch.CRASHED
    retried = {Batch.RETRIED: REQUESTS, Batch.PARTLY_RETRIED: 3}.get(state.batch, 0)
    given_up = runs and stuck and elapsed >= GIVE_UP_MINUTES
    return {
        ("AWS/Lambda", "Invocations"): [1] if runs else [],
        ("AWS/Lambda", "Errors"): [int(failed)] if runs else [],
        ("AWS/Lambda", "IteratorAge"): [age_seconds * 1000] if runs else [],
        ("AWS/Lambda", "DestinationDeliveryFailures"): [1] if given_up and not state.stores_given_up else [],
        ("PersonalizeApi", "Retried"): [retried] if prints else [],
        ("PersonalizeApi", "OldestEventAge"): [age_seconds] if prints else [],
        ("PersonalizeApi", "SpoiledRows"): [state.spoiled_rows] if prints else [],
        # A queue that nobody has used for six hours has no data (sqs-monitoring-using-cloudwatch.html).
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): [state.quarantined * elapsed]
        if state.quarantined and runs
        else [],
    }


def _firehose(state, elapsed):
    """Firehose publishes what it has read, how far it is behind, and the age of its oldest record.

    All come from reading or holding records (firehose/latest/dev/monitoring-with-cloudwatch-metrics.html).
    """
    reads = state.traffic and state.stream_takes and state.firehose_reads
    return {
        ("AWS/Firehose", "DataReadFromKinesisStream.Records"): [REQUESTS] if reads else [],
        ("AWS/Firehose", "KinesisMillisBehindLatest"): [elapsed * 60_000 * state.firehose_falls_behind]
        if state.firehose_reads
        else [],
        ("AWS/Firehose", "DeliveryToS3.DataFreshness"): [300 if state.firehose_writes else 300 + elapsed * 60]
        if reads
        else [],
    }
