"""What a run has put into the account, kept for its owner only, so that the next run removes what is left.

A thing is written down before it is made and struck out after it was removed. So whatever ends a run, a thing
that is in the account is in the file. ``make clean`` leaves the file alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path

from ops.errors import InputError
from ops.kept_files import kept_path, locked
from ops.packaging.bundle import ROOT
from ops.private_files import remove_private, replace_private

SUFFIX = "-verify"
"""Of the folder beside the state of the local stack."""


class Kind(Enum):
    """Kinds of things, in the order in which they are removed."""

    EVENT_SOURCE = "event source"
    ALARM = "alarm"
    QUEUE = "queue"
    FUNCTION = "function"
    BAD_RECORD = "bad record"
    OBJECT = "object"
    TEST_USER = "test user"


@dataclass(frozen=True)
class Thing:
    """Something that a run has made or changed.

    ``id`` names it in AWS, ``mark`` is the run's. ``details`` is what removing needs.
    """

    kind: Kind
    id: str
    mark: str
    noted_at: str
    details: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind.value} {self.id}"


@dataclass(frozen=True)
class Ledger:
    """The file of one deployment."""

    path: Path

    @classmethod
    def of(cls, *where: str, environ: Mapping[str, str] = os.environ, project: Path = ROOT) -> Ledger:
        """Return the one of a deployment. ``where`` says which. Raises InputError."""
        return cls(kept_path(SUFFIX, *where, environ=environ, project=project))

    def locked(self) -> AbstractContextManager[None]:
        """Keep other runs away: they would remove what this one has made. Raises InputError."""
        return locked(self.path, "This deployment is being verified already. Wait for the end.")

    def things(self) -> list[Thing]:
        """Return what is written down, in the order in which it is removed. Raises InputError."""
        try:
            rows = json.loads(self.path.read_text(encoding="utf-8"))
            things = [Thing(**{**row, "kind": Kind(row["kind"])}) for row in rows]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"{self.path} cannot be read. It says what an earlier run has left in the account: look at "
                "it, then delete it."
            ) from error
        order = [*Kind]
        return sorted(things, key=lambda thing: order.index(thing.kind))

    def note(self, thing: Thing) -> None:
        """Write a thing down."""
        self._write([*self.things(), thing])

    def renew(self, kind: Kind, mark: str, noted_at: str) -> None:
        """Give the things of a kind that a run has noted a later time."""
        things = self.things()
        changed = [
            replace(each, noted_at=noted_at) if (each.kind, each.mark) == (kind, mark) else each
            for each in things
        ]
        if changed != things:
            self._write(changed)

    def strike(self, thing: Thing) -> None:
        """Strike a thing out. The file goes with the last one."""
        rest = [each for each in self.things() if each != thing]
        if rest:
            self._write(rest)
        else:
            remove_private(self.path)

    def _write(self, things: list[Thing]) -> None:
        text = json.dumps([{**asdict(each), "kind": each.kind.value} for each in things])
        replace_private(self.path, text)
