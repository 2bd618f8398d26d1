"""Where a person is in one deployment: the same search makes the plan and, at the end, the proof."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ops.forget.archive import PREFIX, ArchiveSearch
from ops.forget.editing import EDITS, edit_of
from ops.forget.objects import Judged, Objects, ObjectVersion
from ops.forget.person import Person
from ops.forget.queue import Quarantine


@dataclass(frozen=True)
class Findings:
    """What was found of a person.

    ``events`` has how many events of the person each object holds, by key, ``old_versions`` are replaced or
    deleted versions that hold some, ``messages`` counts those of the quarantine. ``unreadable_keys`` are
    objects that cannot be judged. ``scanned_bytes`` has what each query has scanned.
    """

    events: Counter[str] = field(default_factory=Counter)
    old_versions: tuple[ObjectVersion, ...] = ()
    messages: int = 0
    unreadable_keys: frozenset[str] = frozenset()
    scanned_bytes: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.events or self.old_versions or self.messages)

    def keys(self, prefix: str) -> list[str]:
        """Return the keys under a prefix, sorted."""
        return sorted(key for key in self.events if key.startswith(prefix))

    def lines(self) -> list[str]:
        """Return what was found in sentences."""
        counts = {prefix: self.keys(prefix) for prefix in EDITS}
        return [
            *(
                f"{prefix}: {sum(self.events[key] for key in keys):,} events, in objects: {len(keys):,}"
                for prefix, keys in counts.items()
                if keys
            ),
            *(
                [f"replaced or deleted versions of objects: {len(self.old_versions):,}"]
                if self.old_versions
                else []
            ),
            *([f"messages of the quarantine: {self.messages:,}"] if self.messages else []),
        ]


@dataclass(frozen=True)
class Search:
    """The places of one deployment. ``show`` shows progress."""

    archive: ArchiveSearch
    objects: Objects
    quarantine: Quarantine
    show: Callable[[str], None] = lambda line: None

    def sessions(self, person: Person) -> tuple[Person, tuple[int, ...]]:
        """Return the person with every session that any place shows, and what each query has scanned."""
        self.show("The archive is asked for the sessions")
        found = self.archive.of_user(person.user_id)
        sessions = found.sessions
        for version in (*map(_latest, sorted(found.odd_keys)), *self._versions()):
            sessions |= self._judge(version, person).sessions
        self.show("The quarantine is read")
        sessions |= self.quarantine.judge(person)[1]
        return person.knowing(sessions), found.scanned_bytes

    def findings(self, person: Person) -> Findings:
        """Return what there is of a person whose sessions are known."""
        self.show("The archive is asked for the events")
        found = self.archive.of_user(person.user_id) + self.archive.of_sessions(person.sessions)
        events, old_versions, unreadable_keys = Counter(found.lines), list[ObjectVersion](), set[str]()
        for key in found.odd_keys:
            # The queries have counted the other lines of the object only.
            events[key] = self._judge(_latest(key), person).removed
        for version in self._versions():
            judged = self._judge(version, person)
            if judged.is_unreadable:
                unreadable_keys.add(version.key)
            if judged.removed and version.is_latest:
                events[version.key] = judged.removed
            elif judged.removed:
                old_versions.append(version)
        self.show("The quarantine is read")
        messages, _ = self.quarantine.judge(person)
        return Findings(
            +events, tuple(old_versions), messages, frozenset(unreadable_keys), found.scanned_bytes
        )

    def _versions(self) -> Iterator[ObjectVersion]:
        """Yield what no query sees: replaced versions of the archive, and all of the other prefixes."""
        for prefix in EDITS:
            for number, version in enumerate(self.objects.versions(prefix)):
                if prefix != PREFIX or not version.is_latest:
                    self.show(f"{prefix}: object {number + 1:,}")
                    yield version

    def _judge(self, version: ObjectVersion, person: Person) -> Judged:
        return self.objects.judge(version, edit_of(version.key), person)


def _latest(key: str) -> ObjectVersion:
    return ObjectVersion(key, None, is_latest=True)
