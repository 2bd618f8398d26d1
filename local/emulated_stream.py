"""Keeps the emulator's place in a stream right, and its streams short. It runs in the emulator's process.

MiniStack 1.5.33 keeps the place of an event source as an index into the records of a shard
(``lambda_svc._kinesis_positions``). It drops expired records from the head of that list and does not move the
index (``kinesis._expire_records``). So what is accepted after a retention period is never delivered, in
silence. It also saves the records and the index in two files, of which one may be older after a crash.

Here, no record of a stream with an event source expires by time. Delivered records are dropped once there are
enough of them, and every place is moved with them. The places are saved in the file of the records.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

KEPT_RECORDS = 500
"""Delivered records of a shard that its readers still find. Twice as many at most."""
_PLACES = "places"
_HOUR_SECONDS = 3600

Places = dict[str, int]
"""Of one event source: the number of records before the next one to deliver, for each shard."""


class EmulatedStream:
    """The streams of MiniStack. ``install()`` puts the methods in the place of MiniStack's functions."""

    def __init__(self, kinesis: ModuleType, functions: ModuleType) -> None:
        self._kinesis = kinesis
        self._functions = functions
        self._restored: list[tuple[dict[str, Any], dict[str, Places] | None]] = []
        # Held while records are dropped, and while places and records are copied: they fit each other.
        self._fitting = threading.Lock()

    def install(self, delivered: Callable[[], None] = lambda: None) -> None:
        """Replace the functions that read, expire, save and load streams.

        ``delivered`` is called after each delivery.
        """
        kinesis: Any = self._kinesis
        functions: Any = self._functions
        poll, expire = functions._poll_kinesis, kinesis._expire_records
        get_state, load_state = kinesis.get_state, kinesis.load_persisted_state

        def poll_and_drop() -> bool:
            self._take_restored_places()
            processed = bool(poll())
            if processed:
                self._drop_delivered()
                delivered()
            return processed

        def expire_without_source(stream: dict[str, Any]) -> None:
            if not self._places_of(stream):
                expire(stream)

        def state_with_places() -> dict[str, Any]:
            with self._fitting:
                # Before the records: a place that is behind delivers a record again, which ids make harmless.
                places = {arn: self._copied_places(stream) for arn, stream in self._streams()}
                state: dict[str, Any] = get_state()
            for stream in state["streams"]._data.values():
                stream[_PLACES] = places.get(stream["StreamARN"], {})
            return state

        def load_with_places(state: dict[str, Any]) -> None:
            load_state(state)
            self._restored = [(stream, stream.pop(_PLACES, None)) for _, stream in self._streams()]

        functions._poll_kinesis = poll_and_drop
        kinesis._expire_records = expire_without_source
        kinesis.get_state = state_with_places
        kinesis.load_persisted_state = load_with_places

    def _streams(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for stream in list(self._kinesis._streams._data.values()):
            yield stream["StreamARN"], stream

    def _places_of(self, stream: Mapping[str, Any]) -> dict[str, Places]:
        """Return the live places of the stream's event sources, by the id of the event source."""
        positions = self._functions._kinesis_positions._data
        return {
            source["UUID"]: positions[key]
            for key, source in list(self._functions._esms._data.items())
            if source.get("EventSourceArn") == stream["StreamARN"] and key in positions
        }

    def _copied_places(self, stream: Mapping[str, Any]) -> dict[str, Places]:
        return {source: dict(places) for source, places in self._places_of(stream).items()}

    def _take_restored_places(self) -> None:
        """Set the places of a loaded state. The first poll does it: then everything is loaded."""
        restored, self._restored = self._restored, []
        for stream, saved in restored:
            lengths = {shard_id: len(shard["records"]) for shard_id, shard in stream["shards"].items()}
            for source, places in self._places_of(stream).items():
                if saved is not None:
                    places.update(saved_places(saved.get(source, {}), lengths))
                else:
                    places.update(trusted_places(places, lengths, may_have_expired=_may_have_expired(stream)))

    def _drop_delivered(self) -> None:
        """Drop what all event sources of a stream have delivered. The thread of the poll owns the places."""
        with self._fitting:
            for arn, stream in self._streams():
                sources = list(self._places_of(stream).values())
                for shard_id, shard in stream["shards"].items():
                    number = droppable([places.get(shard_id, 0) for places in sources])
                    if number:
                        # In place: requests append to this list.
                        del shard["records"][:number]
                        for places in sources:
                            places[shard_id] -= number
                        self._move_iterators(arn, shard_id, number)

    def _move_iterators(self, arn: str, shard_id: str, number: int) -> None:
        for iterator in list(self._kinesis._shard_iterators._data.values()):
            if (iterator.get("stream_arn"), iterator["shard_id"]) == (arn, shard_id):
                iterator["position"] = max(0, iterator["position"] - number)


def saved_places(saved: Mapping[str, int], lengths: Mapping[str, int]) -> Places:
    """Return the places of a saved state. A place that was not saved is the start of its shard.

    A place behind the end comes from a delivery between the copies of both. Then all are delivered.
    """
    return {shard_id: min(saved.get(shard_id, 0), length) for shard_id, length in lengths.items()}


def trusted_places(
    places: Mapping[str, int], lengths: Mapping[str, int], *, may_have_expired: bool
) -> Places:
    """Return the places of a state that MiniStack alone has saved.

    Where records may have expired, an index says nothing. Everything in the shard is then delivered again:
    what was delivered before is a duplicate, and its id says so.
    """
    return {
        shard_id: 0 if may_have_expired or places.get(shard_id, 0) > length else places.get(shard_id, 0)
        for shard_id, length in lengths.items()
    }


def droppable(places: list[int]) -> int:
    """Return how many records of a shard may be dropped from its head; none without an event source."""
    excess = min(places, default=0) - KEPT_RECORDS
    return excess if excess >= KEPT_RECORDS else 0


def _may_have_expired(stream: Mapping[str, Any]) -> bool:
    age_seconds: float = time.time() - stream["CreationTimestamp"]
    return bool(age_seconds > stream["RetentionPeriodHours"] * _HOUR_SECONDS)
