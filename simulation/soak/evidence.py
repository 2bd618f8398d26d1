"""What arrived: events that the engine was trained on, objects of the archive, messages of the quarantine.

Each source is read on from where the last reading ended.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulation.chaos.quarantine import QuarantineServices
from simulation.soak.traffic import MARK
from simulation.trained import trained_events


@dataclass
class Evidence:
    """Event ids, each with its mark, and the order of arrival at the engine, by session.

    ``archived_poison`` counts the archived records without a mark: only poison has none. ``quarantined`` has
    shard and sequence number of each record in the quarantine.
    """

    trained: dict[str, str | None] = field(default_factory=dict)
    sessions: dict[str, list[str | None]] = field(default_factory=dict)
    archived: dict[str, str] = field(default_factory=dict)
    archived_poison: int = 0
    quarantined: set[tuple[str, str]] = field(default_factory=set)
    _last: int = 0
    _read: set[Path] = field(default_factory=set)

    def read_trained(self, get: Callable[[str], Any]) -> None:
        """Add what the engine was trained on since. ``get`` returns the JSON of a control endpoint."""
        for event in trained_events(get, self._last):
            self._last = event["seq"]
            mark = _mark(event["properties"])
            self.trained[event["eventId"]] = mark
            self.sessions.setdefault(event["sessionId"], []).append(mark)

    def read_archive(self, folder: Path) -> None:
        """Add the objects that were archived since. The emulator writes a file for each, whole."""
        for path in _objects(folder):
            if path in self._read:
                continue
            self._read.add(path)
            # Another producer's record may have no newline, and no content either.
            for line in path.read_bytes().splitlines() or [b""]:
                record = _object(line)
                mark = _mark(record.get("Event"))
                if mark is None:
                    self.archived_poison += 1
                else:
                    self.archived[str(record["EventId"])] = mark

    def read_quarantine(self, quarantine: QuarantineServices) -> None:
        """Add the messages that were put into the quarantine since, and remove them there."""
        for message in quarantine.messages():
            self.quarantined.add((message["shardId"], message["sequenceNumber"]))


def _objects(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.endswith((".meta.json", ".tmp")):
            yield path


def _object(content: bytes) -> dict[str, Any]:
    try:
        read = json.loads(content)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _mark(properties: object) -> str | None:
    """Return the mark in properties: an object, or its JSON."""
    if isinstance(properties, str):
        properties = _object(properties.encode())
    mark = properties.get(MARK) if isinstance(properties, dict) else None
    return mark if isinstance(mark, str) else None
