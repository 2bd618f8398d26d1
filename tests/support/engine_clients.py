"""The engine's two services as boto3 sees them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.personalize import REGION
from local.personalize.process import EngineProcess

NOT_FOUND, INVALID = ("ResourceNotFoundException", 404), ("InvalidInputException", 400)


class EngineClients:
    """Both clients of an engine, without retries."""

    def __init__(self, engine: EngineProcess) -> None:
        self.engine = engine
        session = boto3.Session("nobody", "nothing", region_name=REGION)
        config = Config(retries={"total_max_attempts": 1})
        self.runtime: Any = session.client("personalize-runtime", endpoint_url=engine.url, config=config)
        self.events: Any = session.client("personalize-events", endpoint_url=engine.url, config=config)

    def close(self) -> None:
        self.runtime.close()
        self.events.close()


def error_of(call: Callable[[], Any]) -> tuple[str, int]:
    """Return code and status of the error that a call gives."""
    with pytest.raises(ClientError) as raised:
        call()
    response = raised.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def write_filters(folder: Path, filters: Mapping[str, str]) -> None:
    """Write filters.json from expressions by name."""
    entries = [{"name": name, "filterExpression": expression} for name, expression in filters.items()]
    (folder / "filters.json").write_text(json.dumps(entries), encoding="utf-8")
