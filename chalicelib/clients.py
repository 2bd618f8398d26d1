"""The only place that makes clients of AWS services, each at its first use and kept for the sandbox's life.

Every number below is chosen against two clocks: API Gateway gives up on the API function after 29 s, and a
caller long before that; deliver_events has the timeout of .chalice/config.json and keeps ten seconds of it
in reserve. 'standard' is botocore's retry mode with jittered backoff and a retry quota, so that a service in
trouble is not hammered; it retries throttling, 5xx, connection loss and time-outs.

The clients are those of boto3, made by the botocore below it: importing boto3 loads its resources and its S3
transfer manager, which nothing here uses, and that is a tenth of a cold start (docs/performance.md).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

from botocore import __version__
from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import Session

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_personalize_events import PersonalizeEventsClient
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

USER_AGENT = f"personalize-api Botocore/{__version__}"
PUT_EVENTS_CONCURRENCY = 16
"""Sessions delivered at once by one invocation: the knee of the curve in docs/performance.md. More of them
wait for the processor, which makes about a thousand calls a second, and 500 at 1024 MB."""


@cache
def personalize_runtime() -> PersonalizeRuntimeClient:
    """A page waits for this one: two tries of at most 1 + 3 s leave time to say 503 ourselves."""
    return cast("PersonalizeRuntimeClient", _client("personalize-runtime", connect=1, read=3, attempts=2))


@cache
def kinesis() -> KinesisClient:
    """Two tries of at most 1 + 3 s; ingestion itself retries what the stream did not take."""
    return cast("KinesisClient", _client("kinesis", connect=1, read=3, attempts=2))


@cache
def personalize_events() -> PersonalizeEventsClient:
    """Four tries: one failed call of a large batch makes Lambda send much of the batch again.

    The pool holds a connection for every concurrent call; with fewer, urllib3 opens and drops them.
    """
    return cast(
        "PersonalizeEventsClient",
        _client("personalize-events", connect=1, read=3, attempts=4, pool=PUT_EVENTS_CONCURRENCY),
    )


@cache
def sqs() -> SQSClient:
    """Quarantine runs in the reserve at the end of an invocation: two tries of at most 1 + 1 s."""
    return cast("SQSClient", _client("sqs", connect=1, read=1, attempts=2))


@cache
def s3() -> S3Client:
    """Only for records too large for the queue, up to 1 MiB (10 MiB at most)."""
    return cast("S3Client", _client("s3", connect=1, read=2, attempts=2))


def _client(service: str, *, connect: float, read: float, attempts: int, pool: int = 10) -> BaseClient:
    config = Config(
        connect_timeout=connect,
        read_timeout=read,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=pool,
        # botocore puts its own together anew for every call, twice, out of some twenty parts: system, Python,
        # retry mode. AWS's statistics do without them here.
        user_agent=USER_AGENT,
        # The contract has proved every field already. That what it lets through fits the services' own models
        # is held by the tests: they validate every call that they see.
        parameter_validation=False,
    )
    return _session().create_client(service, config=config)


@cache
def _session() -> Session:
    session = Session()
    session.register_component("data_loader", _Loader())
    return session


class _Loader(Loader):
    """botocore's own models without its search for what services there are: 900 looks into folders, a tenth
    of a cold start. A data path of the environment is not looked into either."""

    def list_available_services(self, type_name: str) -> list[str]:
        return ["kinesis", "personalize-events", "personalize-runtime", "s3", "sqs"]
