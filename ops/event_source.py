"""Changes of the event source mapping, which Lambda carries out in its own time.

Lambda refuses UpdateEventSourceMapping with ResourceInUseException while it creates, updates, enables,
disables or deletes the mapping (API_UpdateEventSourceMapping). Chalice makes the same call seconds before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ops.command_lines import shell_line
from ops.errors import StackError

DEADLINE_SECONDS = 300.0
POLL_SECONDS = 2.0
_SETTLED = {"Enabled", "Disabled"}
_GOING = {"Deleting"}


@dataclass(frozen=True)
class EventSource:
    """One event source mapping, and the clock that its changes are waited for with."""

    functions: Any
    uuid: str
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic

    def configure(self, wanted: Mapping[str, Any]) -> bool:
        """Bring the settings into effect and wait until they are. Return whether a call was needed.

        ``wanted`` are members of UpdateEventSourceMapping. Raises StackError when the mapping does not become
        Enabled or Disabled within the deadline, before the change or after it.
        """
        deadline = self.now() + DEADLINE_SECONDS
        found = self._settled(deadline)
        if differing(found, wanted):
            self._update(wanted, deadline)
            self._settled(self.now() + DEADLINE_SECONDS)
            return True
        return False

    def _update(self, wanted: Mapping[str, Any], deadline: float) -> None:
        while True:
            try:
                self.functions.update_event_source_mapping(UUID=self.uuid, **wanted)
            except self.functions.exceptions.ResourceInUseException:
                # Somebody else has begun a change after the mapping was read.
                if self.now() >= deadline:
                    raise
                self.sleep(POLL_SECONDS)
                self._settled(deadline)
            else:
                return

    def _settled(self, deadline: float) -> dict[str, Any]:
        """Wait until no change is under way and return the mapping."""
        while True:
            found = cast(dict[str, Any], self.functions.get_event_source_mapping(UUID=self.uuid))
            if found["State"] in _SETTLED:
                return found
            if found["State"] in _GOING or self.now() >= deadline:
                raise self._unsettled(found["State"])
            self.sleep(POLL_SECONDS)

    def _unsettled(self, state: str) -> StackError:
        command = shell_line("aws", "lambda", "get-event-source-mapping", "--uuid", self.uuid)
        return StackError(
            f"The event source of the function that delivers events is {state} and does not become Enabled "
            f"or Disabled. Look at it ({command}), wait until it is, then run this again."
        )


def differing(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> set[str]:
    """Return the names of the settings that the mapping does not have yet. Pure.

    Lambda leaves out an empty list, and adds members that nobody set to a nested setting.
    """
    return {name for name, value in wanted.items() if not _covers(found.get(name), value)}


def _covers(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            _covers(found.get(name), value) for name, value in wanted.items()
        )
    return bool(found == wanted) or (wanted == [] and not found)
