"""Where a person is in one deployment: the same search makes the plan and, at the end, the proof."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from ops.forget.archive import FIRST_DAY, ArchiveSearch
from ops.forget.editing import FORMS, form_of
from ops.forget.objects import Judged, Objects, ObjectVersion
from ops.forget.person import Person
from ops.forget.queue import Quarantine

_ASKED = re.compile(r"events/dt=([0-9]{4}-[0-9]{2}-[0-9]{2})/[^_.][^/]*", re.ASCII)
"""Keys that the tables show. Athena passes over names that begin with a dot or an underscore."""
_NOT_ASKED_CLASSES = {"GLACIER", "DEEP_ARCHIVE"}


@dataclass(frozen=True)
class Findings:
    """What was found of a person.

    ``events`` has how many events of the person each object holds, by key, ``old_versions`` are replaced or
    deleted versions that hold some, ``messages`` counts those of the quarantine. ``unreadable_keys`` are
    objects that cannot be judged. ``sessions`` are those that were seen to be the person's. ``scanned_bytes``
    has what each query has scanned.
    """

    events: Counter[str] = field(default_factory=Counter)
    old_versions: tuple[ObjectVersion, ...] = ()
    messages: int = 0
    unreadable_keys: frozenset[str] = frozenset()
    sessions: frozenset[str] = frozenset()
    scanned_bytes: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.events or self.old_versions or self.messages)

    def keys(self, prefix: str) -> list[str]:
        """Return the keys under a prefix, sorted."""
        return sorted(key for key in self.events if key.startswith(prefix))

    def lines(self) -> list[str]:
        """Return what was found in sentences."""
        lines = [
            f"{prefix}: {sum(self.events[key] for key in keys):,} events, in objects: {len(keys):,}"
            for prefix in FORMS
            if (keys := self.keys(prefix))
        ]
        if self.old_versions:
            count = len(self.old_versions)
            lines.append(f"replaced or deleted versions of objects, with all that they hold: {count:,}")
        if self.messages:
            lines.append(f"messages of the quarantine: {self.messages:,}")
        return lines


@dataclass(frozen=True)
class Search:
    """The places of one deployment. ``show`` shows progress."""

    archive: ArchiveSearch
    objects: Objects
    quarantine: Quarantine
    show: Callable[[str], None] = lambda line: None

    def find(self, person: Person) -> tuple[Person, Findings]:
        """Return the person with every session that any place shows, and what there is of the person."""
        scanned_bytes: tuple[int, ...] = ()
        while True:
            found = self.look(person)
            scanned_bytes += found.scanned_bytes
            if found.sessions <= person.sessions:
                return person, replace(found, scanned_bytes=scanned_bytes)
            person = person.knowing(found.sessions)

    def look(self, person: Person) -> Findings:
        """Return what there is of a person in the sessions that are known."""
        self.show("The archive is asked")
        found = self.archive.of_user(person.user_id) + self.archive.of_sessions(person.sessions)
        events, old_versions, unreadable_keys = Counter(found.lines), list[ObjectVersion](), set[str]()
        sessions = set(found.sessions)
        for version in (*map(_latest, sorted(found.odd_keys)), *self._not_asked()):
            judged = self._judge(version, person)
            sessions |= judged.sessions
            if judged.is_unreadable:
                unreadable_keys.add(version.key)
            if not version.is_latest:
                old_versions += [version] if judged.removed else []
            else:
                # Of an object with odd lines, the queries have counted the others only.
                events[version.key] = judged.removed
        self.show("The quarantine is read")
        messages, of_messages = self.quarantine.judge(person)
        return Findings(
            +events,
            tuple(old_versions),
            messages,
            frozenset(unreadable_keys),
            frozenset(sessions | of_messages),
            found.scanned_bytes,
        )

    def _not_asked(self) -> Iterator[ObjectVersion]:
        """Yield what no query sees: replaced versions of the archive, and all of the other prefixes."""
        for prefix in FORMS:
            for number, version in enumerate(self.objects.versions(prefix), start=1):
                if not (version.is_marker or _is_asked(version)):
                    self.show(f"{prefix}: object {number:,}")
                    yield version

    def _judge(self, version: ObjectVersion, person: Person) -> Judged:
        return self.objects.judge(version, form_of(version.key), person)


def _is_asked(version: ObjectVersion) -> bool:
    """Return whether a query of the archive sees a version."""
    found = _ASKED.fullmatch(version.key)
    return (
        found is not None
        and found[1] >= FIRST_DAY.isoformat()
        and version.is_latest
        and version.storage_class not in _NOT_ASKED_CLASSES
    )


def _latest(key: str) -> ObjectVersion:
    return ObjectVersion(key, None, is_latest=True)
