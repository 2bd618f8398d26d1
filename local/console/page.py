"""What the endpoints of one console have behind them: a deployed stage, or the local stack with its parts."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from chalicelib.errors import AwsError
from local.console.engine import EngineUnreachableError, call_engine
from local.console.pipeline import Pipeline
from local.console.sources import Sources
from local.coordinates import Stack
from local.personalize import CAMPAIGN_ARNS

if TYPE_CHECKING:
    from local.console.catalogue import Catalogue

ANY_ORIGIN = "*"
BAD_RECORD = b'{"SessionId":"another-producer","Event":{"itemId":"a-record-without-its-event-type"}}\n'
"""It breaks the contract: EventType is required. The newline keeps the archive readable."""


class PartUnreachableError(Exception):
    """A part of the local stack does not respond. The message says which."""


class LocalParts:
    """The parts of a running local stack that its console shows."""

    def __init__(self, stack: Stack, data: Path, sources: Sources) -> None:
        self._stack = stack
        self._data = data
        self._sources = sources

    @cached_property
    def catalogue(self) -> Catalogue:
        """The data folder, read at the first request."""
        from local.console.catalogue import Catalogue  # noqa: PLC0415 - its parser is slow to load

        return Catalogue(self._data)

    def prepare(self) -> None:
        """Read the data folder before somebody asks for it."""
        _ = self.catalogue

    def settings(self) -> dict[str, Any]:
        """Return the members of ``/api/config`` that only a local stack has."""
        campaigns = [*CAMPAIGN_ARNS]
        return {"apiKey": self._stack.apiKey, "campaigns": campaigns, **self.catalogue.settings()}

    def items(self, ids: Iterable[str]) -> dict[str, Any]:
        """Return the items with these ids, or the first ones."""
        return self.catalogue.some(ids)

    def pipeline(self, cursor: str) -> dict[str, Any]:
        """Read what is new, and return what has changed after the cursor."""
        self._sources.read()
        return self._sources.changes(cursor)

    def faults(self, method: str, body: bytes | None) -> tuple[int, Any]:
        """Pass a request on to the engine's faults. Raises PartUnreachableError."""
        try:
            return call_engine(self._stack.personalizeUrl, method, "/_engine/faults", body)
        except EngineUnreachableError as error:
            raise PartUnreachableError(
                "The Personalize engine does not respond. 'make run' starts it again when it has ended."
            ) from error

    def put_bad_record(self) -> dict[str, str]:
        """Put a broken record into the stream, and return the id under which it goes to the quarantine.

        Raises PartUnreachableError.
        """
        try:
            place = self._sources.put_record(BAD_RECORD, "another-producer")
        except AwsError as error:
            raise PartUnreachableError("The emulator's stream does not respond.") from error
        return {
            "id": f"{place['shardId']}:{place['sequenceNumber']}",
            **place,
            "record": BAD_RECORD.decode().strip(),
        }


@dataclass(frozen=True)
class Page:
    """What one console shows. ``allowed_origins`` are those of the API, ``*`` for every page."""

    stage: str
    api_url: str
    allowed_origins: tuple[str, ...] = (ANY_ORIGIN,)
    local: LocalParts | None = None

    def config(self, origin: str) -> dict[str, Any]:
        """Return ``/api/config`` for the page at an origin. A deployed stage's key is the user's to type."""
        nothing: dict[str, Any] = {
            "apiKey": None,
            "campaigns": [],
            "filters": [],
            "users": [],
            "eventTypes": [],
            "metadataColumns": [],
        }
        return {
            "stage": self.stage,
            "isLocal": self.local is not None,
            "apiUrl": self.api_url,
            **(self.local.settings() if self.local else nothing),
            "notice": self._notice(origin),
        }

    def _notice(self, origin: str) -> str | None:
        """Return what to do when the API's CORS settings keep this page out."""
        if ANY_ORIGIN in self.allowed_origins or origin in self.allowed_origins:
            return None
        return (
            f"The API may not take calls of this page: ALLOWED_ORIGIN is {','.join(self.allowed_origins)}. "
            f"Add {origin} to it in .chalice/config.json and deploy again."
        )


def local_page(stack: Stack, session: boto3.Session, data: Path, allowed_origins: tuple[str, ...]) -> Page:
    """Return the page of a local stack, whose events are followed from now on.

    Raises AwsError and EngineUnreachableError when a part does not respond.
    """
    now = datetime.now(timezone.utc)
    sources = Sources(stack, session, Pipeline(secrets.token_hex(4), now), now)
    sources.begin()
    return Page("local", stack.apiUrl, allowed_origins, LocalParts(stack, data, sources))
