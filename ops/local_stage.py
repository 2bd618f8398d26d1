"""The stage ``local``: what ``make run`` started on this machine, as ``.local/stack.json`` tells it.

Its session reads no profile, no file and no variable of the developer's own AWS configuration.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from ops.errors import InputError, NotDeployedError

STAGE = "local"
STACK_NAME = "personalize-api-local"
REGION = "us-east-1"
_COORDINATES = (".local", "stack.json")
# Logical name: (key of the configuration file, environment variable, default, conversion).
_NOTHING_OF_THE_DEVELOPER = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
    "ca_bundle": (None, None, None, None),
}


@dataclass(frozen=True)
class Coordinates:
    """Where the running local stack is. ``api_url`` has no slash at its end."""

    aws_endpoint_url: str
    api_url: str
    bucket: str
    stream_name: str
    quarantine_queue_url: str
    personalize_url: str
    campaign_arn: str
    api_key: str = field(repr=False)


class LocalSession(boto3.Session):
    """A session whose clients talk to one address, that of the emulator or of the engine, and to no other."""

    def __init__(self, endpoint_url: str) -> None:
        core: Any = botocore.session.Session(session_vars=_NOTHING_OF_THE_DEVELOPER)
        # No proxy stands between two programs of this machine.
        core.set_default_client_config(Config(proxies={}))
        super().__init__("test", "test", region_name=REGION, botocore_session=core)
        self.endpoint_url = endpoint_url

    def client(self, *arguments: Any, **options: Any) -> Any:
        """Return a client of that address."""
        make: Any = super().client
        return make(*arguments, **{**options, "endpoint_url": self.endpoint_url})


def read_coordinates(project_dir: Path) -> Coordinates:
    """Return what ``make run`` wrote. Raises NotDeployedError when it is not running."""
    try:
        found = json.loads(project_dir.joinpath(*_COORDINATES).read_text(encoding="utf-8"))
        return Coordinates(
            found["awsEndpointUrl"],
            found["apiUrl"],
            found["bucket"],
            found["streamName"],
            found["quarantineQueueUrl"],
            found["personalizeUrl"],
            found["campaignArn"],
            found["apiKey"],
        )
    except FileNotFoundError as error:
        raise NotDeployedError(
            "The local stack is not running: there is no .local/stack.json. Start it with 'make run' in "
            "another terminal."
        ) from error
    except (ValueError, KeyError) as error:
        raise NotDeployedError(
            ".local/stack.json does not have what 'make run' writes. Stop 'make run' and start it again."
        ) from error


def dataset_arn(coordinates: Coordinates, dataset_type: str) -> str:
    """Return the ARN of a dataset of the engine. Its dataset group has the name of its first campaign."""
    return f"{coordinates.campaign_arn.replace(':campaign/', ':dataset/')}/{dataset_type}"


def refuse_local(stage: str) -> None:
    """Raise InputError for the stage ``local``, which no command of ops makes or removes."""
    if stage == STAGE:
        raise InputError(
            "The stage local is for 'chalice local' and is made by 'make run', which also stops it. Name "
            "another stage, for example STAGE=dev."
        )
