"""The only place that makes clients of AWS services.

The time-outs are chosen against two clocks. API Gateway gives up on the API function after 29 s, and a caller
long before that. ``deliver_events`` has the timeout of .chalice/config.json and keeps ten seconds of it for
quarantine and response. ``standard`` is botocore's retry mode with jittered backoff and a retry quota, so
that a service in trouble is not hammered. It retries throttling, 5xx, connection loss and time-outs. Calls of
personalize-runtime have a deadline instead: ``transport``.

The clients are those of boto3, made by the botocore below it. Importing boto3 loads its resources and its S3
transfer manager, which nothing here uses, and that is a tenth of a cold start (docs/performance.md).
"""

from __future__ import annotations

import random
from functools import cached_property
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

    from chalicelib.transport import Transport

USER_AGENT = f"personalize-api Botocore/{__version__}"
SERVICES = ("kinesis", "personalize-events", "personalize-runtime", "s3", "sqs")


class Clients:
    """One client per service, each made when it is first used and kept.

    ``delivery_concurrency`` is the number of calls to personalize-events at a time. With fewer connections,
    urllib3 opens and drops them. ``page_concurrency`` is the same of personalize-runtime.
    """

    def __init__(self, *, delivery_concurrency: int, page_concurrency: int = 1) -> None:
        self._delivery_concurrency = delivery_concurrency
        self._page_concurrency = page_concurrency

    @cached_property
    def personalize_runtime(self) -> PersonalizeRuntimeClient:
        """A page waits for this one, so each of its calls has a deadline, which ``transport`` keeps."""
        client = self._client("personalize-runtime", connect_seconds=1, read_seconds=3, attempts=1)
        self.transport.attach(client)
        return cast("PersonalizeRuntimeClient", client)

    @cached_property
    def transport(self) -> Transport:
        """What sends the calls of ``personalize_runtime``."""
        from chalicelib.transport import Transport  # noqa: PLC0415 - the delivery does without

        return Transport(
            chance=random.random,
            connections=self._page_concurrency,
            ca_bundle=self._session.get_config_variable("ca_bundle"),
        )

    @cached_property
    def kinesis(self) -> KinesisClient:
        """Two tries of at most 1 + 3 s. ``stream`` itself retries what the stream did not take."""
        return cast("KinesisClient", self._client("kinesis", connect_seconds=1, read_seconds=3, attempts=2))

    @cached_property
    def personalize_events(self) -> PersonalizeEventsClient:
        """Four tries of at most 1 + 3 s. ``delivery.send`` tries again, with longer pauses."""
        client = self._client(
            "personalize-events",
            connect_seconds=1,
            read_seconds=3,
            attempts=4,
            connections=self._delivery_concurrency,
        )
        return cast("PersonalizeEventsClient", client)

    @cached_property
    def sqs(self) -> SQSClient:
        """Used in the reserved seconds at the end of an invocation: two tries of at most 1 + 1 s."""
        return cast("SQSClient", self._client("sqs", connect_seconds=1, read_seconds=1, attempts=2))

    @cached_property
    def s3(self) -> S3Client:
        """Only for records too large for the queue, up to 1 MiB (10 MiB at most)."""
        return cast("S3Client", self._client("s3", connect_seconds=1, read_seconds=2, attempts=2))

    @cached_property
    def _session(self) -> Session:
        session = Session()
        session.register_component("data_loader", _Loader())
        return session

    def _client(
        self,
        service: str,
        *,
        connect_seconds: float,
        read_seconds: float,
        attempts: int,
        connections: int = 10,
    ) -> BaseClient:
        config = Config(
            connect_timeout=connect_seconds,
            read_timeout=read_seconds,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=connections,
            # botocore puts its own together anew for every call, twice, out of some twenty parts: system,
            # Python, retry mode. AWS's statistics do without them here.
            user_agent=USER_AGENT,
            # The contract has proved every field already. The tests validate every call that they see, so
            # what the contract lets through fits the services' own models.
            parameter_validation=False,
        )
        return self._session.create_client(service, config=config)


class _Loader(Loader):
    """botocore's own models without its search for services: 900 looks into folders, a tenth of a cold start.

    A data path of the environment is not searched either.
    """

    def list_available_services(self, type_name: str) -> list[str]:
        return [*SERVICES]
