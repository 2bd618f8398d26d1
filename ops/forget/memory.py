"""What a run keeps for the next one about a person: the sessions, which the archive does not show any more.

It is written before anything is removed, for its owner only, and goes when nothing of the person can come any
more. ``make clean`` leaves it alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

from ops.errors import InputError
from ops.kept_files import KeptFile, kept_path, locked
from ops.packaging.bundle import ROOT

SUFFIX = "-forget"
"""Of the folder beside the state of the local stack."""


class JobState(Enum):
    """What is known of a data deletion job."""

    AT_WORK = "at work"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class StartedJob:
    """A data deletion job of Personalize, its dataset group, and the key of the file that it reads."""

    arn: str
    dataset_group_arn: str
    key: str
    started_at: datetime
    state: JobState = JobState.AT_WORK


@dataclass(frozen=True)
class Memory:
    """``sessions`` are the person's. Until ``until``, the stream may still hold events of the person."""

    sessions: frozenset[str] = frozenset()
    until: datetime | None = None
    jobs: Sequence[StartedJob] = field(default=())

    def newest_job(self, dataset_group_arn: str) -> StartedJob | None:
        """Return the job of a dataset group that was started last."""
        jobs = [job for job in self.jobs if job.dataset_group_arn == dataset_group_arn]
        return max(jobs, key=lambda job: job.started_at, default=None)

    @property
    def newest_jobs(self) -> Sequence[StartedJob]:
        """The last job of each dataset group."""
        groups = sorted({job.dataset_group_arn for job in self.jobs})
        return [job for group in groups if (job := self.newest_job(group))]


@dataclass(frozen=True)
class MemoryFile(KeptFile):
    """The file about one person in one deployment. ``lock`` is that of the deployment."""

    lock: Path

    @classmethod
    def of(
        cls,
        user_id: str,
        *deployment: str,
        environ: Mapping[str, str] = os.environ,
        project: Path = ROOT,
    ) -> MemoryFile:
        """Return the one of a person. ``deployment`` says which one. Raises InputError."""
        return cls(
            kept_path(SUFFIX, "person", user_id, *deployment, environ=environ, project=project),
            kept_path(SUFFIX, "deployment", *deployment, environ=environ, project=project),
        )

    def locked(self) -> AbstractContextManager[None]:
        """Keep other runs in the deployment away: two would write the same objects. Raises InputError."""
        return locked(self.lock, "Another run forgets a person in this deployment. Wait for its end.")

    def read(self) -> Memory:
        """Return what an earlier run has kept. Raises InputError for a file that cannot be read."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            until = datetime.fromisoformat(found["until"]) if found["until"] else None
            return Memory(frozenset(found["sessions"]), until, [*map(_job, found["jobs"])])
        except FileNotFoundError:
            return Memory()
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"{self.path} cannot be read. It has the sessions of the person from an earlier run. Restore "
                "it, or delete it: events without a user id may then stay."
            ) from error

    def write(self, memory: Memory) -> None:
        """Keep what the next run needs."""
        self.keep(
            {
                "sessions": sorted(memory.sessions),
                "until": memory.until.isoformat() if memory.until else None,
                "jobs": [
                    {**asdict(job), "started_at": job.started_at.isoformat(), "state": job.state.value}
                    for job in memory.jobs
                ],
            }
        )


def _job(row: Mapping[str, str]) -> StartedJob:
    started_at = datetime.fromisoformat(row["started_at"])
    return StartedJob(**{**row, "started_at": started_at, "state": JobState(row["state"])})  # type: ignore[arg-type]
