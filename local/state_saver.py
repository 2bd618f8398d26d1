"""Saves the emulator's state: from time to time, and at its end. It runs in the emulator's process.

MiniStack 1.5.33 saves at its end only, so a kill loses everything since the start, and it only logs what it
could not save. A save here writes temporary files, which take the places of the old ones when all of them are
whole. What a save costs bounds how often it is made.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

SAVE_SECONDS = 2.0
"""The shortest time between two saves."""
MAX_SHARE = 0.05
"""Of the time that may be spent on saving. A state that takes a second to save is saved every 20 seconds."""
TEMPORARY = ".json.tmp"
"""How the names of files that a save has not finished end."""
_ATTEMPTS = 5
_STREAMS = "kinesis"
_DEPLOYMENT = "cloudformation"
_LOG = "cloudwatch_logs"
"""Saved at the end only, apart from the others. It is long and grows with every invocation, so that a copy of
it may fail again and again. A log that ends early loses no event."""

States = Mapping[str, Callable[[], Any]]
"""The functions that return a copy of the state of each service; None: it has nothing to save."""


class StateSaver:
    """Saves states in ``folder`` as text made by ``encode(service, state)``.

    Until ``deployed()`` the saved deployment stays that of the run before: a stack that is half made takes no
    change. In the first run nothing is saved until then.
    """

    def __init__(self, folder: Path, encode: Callable[[str, Any], str], *, is_deployed: bool = True) -> None:
        self._folder = folder
        self._encode = encode
        self._is_deployed = is_deployed
        self._changed = False
        self._saving = threading.Lock()
        self._saved: dict[str, int] = {}
        self.failure: Exception | None = None
        """Why the last save failed; None when it succeeded."""

    def deployed(self) -> None:
        """Save the deployment from now on."""
        self._is_deployed = self._changed = True

    def changed(self) -> None:
        """Have the next round save: a request or a delivery may have changed something."""
        self._changed = True

    def save(self, states: States) -> None:
        """Save every service whose state differs from what was saved: all of them, or none.

        The streams are copied first and take their place last: what became of a record, such as a message in
        the quarantine, is on disk before the place that is behind the record. The log is saved after them:
        without it, nothing is lost that anybody has accepted.
        """
        with self._saving:
            self._changed = False
            self.failure = None
            if not self._is_deployed and not self._file(_DEPLOYMENT).exists():
                return
            self.failure = self._try({name: state for name, state in states.items() if name != _LOG})
            if self.failure is not None:
                self._changed = True
            if _LOG in states:
                self._try({_LOG: states[_LOG]})

    def keep_saving(self, states: Callable[[], States], save_seconds: float = SAVE_SECONDS) -> None:
        """Save from time to time, in the thread that calls this, for ever."""
        pause_seconds = save_seconds
        while True:
            time.sleep(pause_seconds)
            if self._changed:
                started = time.monotonic()
                self._save_what_changed(states)
                pause_seconds = max(save_seconds, (time.monotonic() - started) / MAX_SHARE)

    def _save_what_changed(self, states: Callable[[], States]) -> None:
        try:
            self.save({name: state for name, state in states().items() if name != _LOG})
        except Exception as error:  # noqa: BLE001 - no failure may end the thread that saves
            self.failure, self._changed = error, True
            _report_failure("the state", error)

    def _try(self, states: States) -> Exception | None:
        """Save all of the states, or none. Return why none."""
        try:
            self._write(
                {name: text for name, text in self._texts(states) if self._saved.get(name) != hash(text)}
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the state is not saved
            _report_failure("the log" if _LOG in states else "the state", error)
            return error
        return None

    def _texts(self, states: States) -> Iterator[tuple[str, str]]:
        """Return the services that have something to save, the streams last, and the text of their files."""
        names = [name for name in states if self._is_deployed or name != _DEPLOYMENT]
        streams = _copied(states[_STREAMS]) if _STREAMS in states else None
        for name in names:
            state = None if name == _STREAMS else _copied(states[name])
            if state is not None:
                yield name, self._encode(name, state)
        if streams is not None:
            yield _STREAMS, self._encode(_STREAMS, streams)

    def _write(self, texts: Mapping[str, str]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        temporaries = {name: self._file(name).with_suffix(TEMPORARY) for name in texts}
        try:
            for name, text in texts.items():
                temporaries[name].write_text(text, encoding="utf-8")
            for name, text in texts.items():
                temporaries[name].replace(self._file(name))
                self._saved[name] = hash(text)
        except OSError:
            for temporary in temporaries.values():
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
            raise

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _report_failure(what: str, error: Exception) -> None:
    print_if_possible(f"A save of {what} failed: {error!r}")


def print_if_possible(line: str) -> None:
    """Print a line, unless the disk is full: standard output is a file on the disk of the state."""
    with suppress(OSError):
        print(line, flush=True)


def encoder(version_of: Callable[[str], int], default: Callable[[Any], Any]) -> Callable[[str, Any], str]:
    """Return a function that makes the text of a state file, in MiniStack's format."""

    def encode(service: str, state: Any) -> str:
        return json.dumps({"__ministack_format__": version_of(service), "payload": state}, default=default)

    return encode


def _copied(state: Callable[[], Any]) -> Any:
    """Return a copy of a state. Requests go on meanwhile, and a dictionary that grows cannot be copied."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return state()
        except RuntimeError:
            continue
    return state()
