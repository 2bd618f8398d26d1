"""The only place that names boto3.client. A client is made at its first use and kept for the sandbox's life.

Every number below is chosen against two clocks: API Gateway gives up on the API function after 29 s, and a
caller long before that; deliver_events has the timeout of .chalice/config.json and keeps five seconds of it
in reserve. 'standard' is botocore's retry mode with jittered backoff and a retry quota, so that a service in
trouble is not hammered; it retries throttling, 5xx, connection loss and time-outs.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_personalize_events import PersonalizeEventsClient
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

PUT_EVENTS_CONCURRENCY = 16
"""Sessions delivered at once by one invocation: at 20 ms a call, 800 calls/s of Personalize's 1000."""


@cache
def personalize_runtime() -> PersonalizeRuntimeClient:
    """A page waits for this one: two tries of at most 1 + 3 s leave time to say 503 ourselves."""
    return boto3.client("personalize-runtime", config=_config(connect=1, read=3, attempts=2))


@cache
def kinesis() -> KinesisClient:
    """Two tries of at most 1 + 3 s; ingestion itself retries what the stream did not take."""
    return boto3.client("kinesis", config=_config(connect=1, read=3, attempts=2))


@cache
def personalize_events() -> PersonalizeEventsClient:
    """Four tries: one failed call of a large batch makes Lambda send much of the batch again.

    The pool holds a connection for every concurrent call; with fewer, urllib3 opens and drops them.
    """
    return boto3.client(
        "personalize-events", config=_config(connect=1, read=3, attempts=4, pool=PUT_EVENTS_CONCURRENCY)
    )


@cache
def sqs() -> SQSClient:
    """Quarantine runs in the reserve at the end of an invocation: two tries of at most 1 + 1 s."""
    return boto3.client("sqs", config=_config(connect=1, read=1, attempts=2))


@cache
def s3() -> S3Client:
    """Only for records too large for the queue, up to 1 MiB (10 MiB at most)."""
    return boto3.client("s3", config=_config(connect=1, read=2, attempts=2))


def _config(*, connect: float, read: float, attempts: int, pool: int = 10) -> Config:
    return Config(
        connect_timeout=connect,
        read_timeout=read,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=pool,
    )
