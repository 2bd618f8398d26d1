"""Settings of the functions, read once from the environment. docs/configuration.md is held to VARIABLES."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.errors import ConfigError

CAMPAIGN_ARN = "CAMPAIGN_ARN"
TRACKING_ID = "TRACKING_ID"
EVENT_STREAM_NAME = "EVENT_STREAM_NAME"
QUARANTINE_QUEUE_URL = "QUARANTINE_QUEUE_URL"
EVENTS_BUCKET_NAME = "EVENTS_BUCKET_NAME"
REPORT_BATCH_ITEM_FAILURES = "REPORT_BATCH_ITEM_FAILURES"
ALLOWED_ORIGIN = "ALLOWED_ORIGIN"
LOG_LEVEL = "LOG_LEVEL"
SERVICE_NAME = "SERVICE_NAME"

VARIABLES: Mapping[str, str] = {
    CAMPAIGN_ARN: "ARN of the Personalize campaign (or recommender) that answers /recommendations.",
    TRACKING_ID: "Id of the Personalize event tracker that events are put to.",
    EVENT_STREAM_NAME: "Name of the Kinesis data stream that holds accepted events.",
    QUARANTINE_QUEUE_URL: "URL of the SQS queue for records that can never be delivered.",
    EVENTS_BUCKET_NAME: "Archive bucket; keeps records too large for the queue. Without it they are retried.",
    REPORT_BATCH_ITEM_FAILURES: "'true' only where the event source mapping has ReportBatchItemFailures.",
    ALLOWED_ORIGIN: "Origin that browsers may call from; '*' (the default) for any.",
    LOG_LEVEL: "What libraries log: DEBUG, INFO (the default), WARNING or ERROR. Our own lines always show.",
    SERVICE_NAME: "Name that metrics and log lines are filed under; one per deployment of an account.",
}

_BOOLEANS = {"true": True, "false": False}
_LEVELS = {level: level for level in ("DEBUG", "INFO", "WARNING", "ERROR")}

T = TypeVar("T")


@dataclass(frozen=True)
class Config:
    """One field per variable of VARIABLES."""

    campaign_arn: str
    tracking_id: str
    event_stream_name: str
    quarantine_queue_url: str
    events_bucket_name: str | None
    report_batch_item_failures: bool
    allowed_origin: str
    log_level: str
    service_name: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Config:
        """Read the settings; ConfigError names the variable that is missing or malformed."""
        return cls(
            campaign_arn=_required(environ, CAMPAIGN_ARN),
            tracking_id=_required(environ, TRACKING_ID),
            event_stream_name=_required(environ, EVENT_STREAM_NAME),
            quarantine_queue_url=_required(environ, QUARANTINE_QUEUE_URL),
            events_bucket_name=environ.get(EVENTS_BUCKET_NAME) or None,
            report_batch_item_failures=_one_of(environ, REPORT_BATCH_ITEM_FAILURES, "false", _BOOLEANS),
            allowed_origin=environ.get(ALLOWED_ORIGIN) or "*",
            log_level=_one_of(environ, LOG_LEVEL, "INFO", _LEVELS),
            service_name=environ.get(SERVICE_NAME) or "personalize-api",
        )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"{name} is not set. {VARIABLES[name]}")
    return value


def _one_of(environ: Mapping[str, str], name: str, default: str, spellings: Mapping[str, T]) -> T:
    value = environ.get(name) or default
    if value not in spellings:
        raise ConfigError(f"{name} is {value!r}; it takes {' or '.join(spellings)}. {VARIABLES[name]}")
    return spellings[value]
