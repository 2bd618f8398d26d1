"""The command that forgets a person: it finds, shows a plan, removes, and proves by the same search."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, cast

from ops import local_stage
from ops.archive.import_job import PREFIX as EXPORTS
from ops.archive.opening import open_engine
from ops.archive.show import cost_line
from ops.bucket import Bucket
from ops.cloudformation.artifacts import delete_versions_of
from ops.command_lines import make_line
from ops.errors import DeclinedError, InputError, readable_aws_errors
from ops.forget.archive import ArchiveSearch
from ops.forget.editing import form_of
from ops.forget.memory import JobState, Memory, MemoryFile, StartedJob
from ops.forget.objects import Objects, ObjectVersion
from ops.forget.person import Person
from ops.forget.personalize import FILES, DeletionJobs, Job, forget_in_engine, users_file
from ops.forget.queue import Quarantine
from ops.forget.report import Plan, about_personalize, proof, rights, what_comes
from ops.forget.search import Findings, Search
from ops.given_ids import check_id
from ops.progress import Progress
from ops.target import Reached, Target
from ops.terminal import Terminal

COPIES = ("query-results/", EXPORTS)
"""Prefixes with copies of events: they go whole."""


@dataclass(frozen=True)
class Forgetting:
    """One run. ``engine_url`` is that of the local engine; None on AWS."""

    search: Search
    deletion_jobs: DeletionJobs
    memory_file: MemoryFile
    retention: timedelta
    terminal: Terminal
    engine_url: str | None
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)

    def run(self, user_id: str, jobs: Sequence[Job], again: str) -> bool:
        """Forget a person. Return whether nothing is left. ``again`` is the command line of this run."""
        self._report(*rights(jobs))
        earlier = self.memory_file.read()
        # Asked first: this run holds messages itself.
        hidden_messages = self.search.quarantine.hidden()
        known_jobs, sentences = self.deletion_jobs.look_after(earlier.jobs)
        person, found = self.search.find(Person(user_id, earlier.sessions))
        until = earlier.until if earlier.until and not found else self.now() + self.retention
        memory = Memory(person.sessions, until, known_jobs)
        wanted = [job for job in jobs if self._is_wanted(job, memory)]
        self._report(*sentences, cost_line(*found.scanned_bytes, is_local=self._is_local))
        copies = len(self._copies(user_id, memory))
        if not self.terminal.confirm(
            [*Plan(found, len(person.sessions), copies, wanted, self._is_local).lines()]
        ):
            raise DeclinedError
        # Before anything goes: without the sessions, the next run could not tell what is the person's.
        self.memory_file.write(memory)
        broken = self._remove(person, found)
        left = self.search.look(person)
        left = replace(left, unreadable_keys=left.unreadable_keys | broken)
        for key in self._copies(user_id, memory):
            delete_versions_of(self.search.objects.s3, self.search.objects.bucket, key)
        self._report(cost_line(*left.scanned_bytes, is_local=self._is_local), *proof(left, hidden_messages))
        memory = self._forget_in_personalize(person, wanted, memory)
        self._report(*about_personalize(memory, self.now(), is_local=self._is_local))
        is_proved = not (left or left.unreadable_keys or hidden_messages) and not any(
            job.state is JobState.FAILED for job in memory.newest_jobs
        )
        if is_proved and not found and self._is_over(memory):
            self.memory_file.remove()
            self._report(
                "Nothing of the person can come any more. The sessions are not kept here any more, too."
            )
        else:
            self._report(*what_comes(until, self.now(), again))
        return is_proved

    def _is_wanted(self, job: Job, memory: Memory) -> bool:
        """Return whether a job has to start: the first one, another one for a failed one, and a last one.

        The last one is for the events that came to Personalize after the first.
        """
        newest = memory.newest_job(job.dataset_group_arn)
        if newest is None or newest.state is JobState.FAILED:
            return True
        return newest.state is JobState.DONE and not self._is_last(newest, memory) and self._is_late(memory)

    def _is_over(self, memory: Memory) -> bool:
        """Return whether nothing of the person can come any more, and the last jobs are done."""
        return self._is_late(memory) and all(
            job.state is JobState.DONE and self._is_last(job, memory) for job in memory.newest_jobs
        )

    def _is_late(self, memory: Memory) -> bool:
        return memory.until is not None and self.now() >= memory.until

    def _is_last(self, job: StartedJob, memory: Memory) -> bool:
        return memory.until is not None and job.started_at >= memory.until

    def _report(self, *lines: str) -> None:
        if lines:
            self.terminal.report("\n".join(lines))

    @property
    def _is_local(self) -> bool:
        return self.engine_url is not None

    def _remove(self, person: Person, found: Findings) -> frozenset[str]:
        """Remove what was found. Return the keys of objects that could not be read."""
        show, broken = self.search.show, set[str]()
        if found.messages:
            show("The quarantine is cleaned")
            self.search.quarantine.clean(person)
        for number, key in enumerate(sorted(found.events), start=1):
            show(f"Object {number:,} of {len(found.events):,} is written anew")
            if self.search.objects.rewrite(key, form_of(key), person).is_unreadable:
                broken.add(key)
        for number, version in enumerate(found.old_versions, start=1):
            show(f"Old version {number:,} of {len(found.old_versions):,} is deleted")
            self.search.objects.delete_version(version)
        return frozenset(broken)

    def _forget_in_personalize(self, person: Person, wanted: Sequence[Job], memory: Memory) -> Memory:
        """Remove a person from Personalize. Return what is to be kept, with the jobs that have begun."""
        if self.engine_url is not None:
            count = forget_in_engine(self.engine_url, person)
            self._report(f"The local engine has forgotten {count:,} records.")
        for number, job in enumerate(wanted, start=1):
            prepared = self.deletion_jobs.prepare(job, number, self.now())
            # Before it starts: the next run looks after the job, and after its file.
            self.memory_file.write(replace(memory, jobs=[*memory.jobs, prepared]))
            started = self.deletion_jobs.start(prepared, job.role_arn, person.user_id)
            memory = replace(memory, jobs=[*memory.jobs, started])
            self.memory_file.write(memory)
            self._report(f"The job {started.arn} has begun. It goes on without this program.")
        return memory

    def _copies(self, user_id: str, memory: Memory) -> list[str]:
        """Return the keys of copies, but for the files that data deletion jobs may still read."""
        versions = (version for prefix in COPIES for version in self.search.objects.versions(prefix))
        return sorted({version.key for version in versions if self._is_copy(version, user_id, memory)})

    def _is_copy(self, version: ObjectVersion, user_id: str, memory: Memory) -> bool:
        """Return whether a version may go: of files for jobs, those of this person whose job has ended."""
        if not version.key.startswith(FILES):
            return True
        if any(job.key == version.key and job.state is JobState.AT_WORK for job in memory.jobs):
            return False
        content = users_file(user_id)
        return version.is_marker or self.search.objects.read(version, len(content) + 1) == content


def run_forget(user_id: str, target: Target, jobs: Sequence[Job], terminal: Terminal) -> bool:
    """Forget a person in a stage. ``jobs`` are the data deletion jobs that were asked for.

    Return whether nothing is left.
    """
    check_id(user_id, "USER is the user id that clients send")
    if jobs and target.stage_name == local_stage.STAGE:
        raise InputError("STAGE=local has no dataset group: the local engine forgets at once.")
    reached = target.open()
    deployment = reached.deployment
    for job in jobs:
        job.check(deployment.region)
    progress = Progress(time.monotonic)

    def report(line: str) -> None:
        progress.end()
        terminal.report(line)

    def confirm(plan: Sequence[str]) -> bool:
        progress.end()
        return terminal.confirm(plan)

    bucket = deployment.output("EventsBucket")
    memory_file = MemoryFile.of(user_id, deployment.region, *deployment.stacks, bucket)
    words = [word for job in jobs for word in ("--dataset-group", job.dataset_group_arn, job.role_arn)]
    again = make_line("forget", *words, USER=user_id, STAGE=target.stage_name)
    with readable_aws_errors(), memory_file.locked():
        calm = replace(terminal, report=report, confirm=confirm)
        forgetting = open_forgetting(reached, memory_file, calm, progress.show)
        try:
            return forgetting.run(user_id, jobs, again)
        finally:
            progress.end()


def open_forgetting(
    reached: Reached, memory_file: MemoryFile, terminal: Terminal, show: Callable[[str], None]
) -> Forgetting:
    """Return what one run needs, with clients for it."""
    make: Any = cast(Any, reached.session).client
    output = reached.deployment.output
    name, s3 = output("EventsBucket"), make("s3")
    today = datetime.now(timezone.utc).date()
    archive = ArchiveSearch(open_engine(reached.deployment, reached.session), name, today)
    bucket, wait_seconds = Bucket(s3, name), 0 if reached.is_local else 1
    quarantine = Quarantine(make("sqs"), output("QuarantineQueueUrl"), bucket, wait_seconds)
    found = make("kinesis").describe_stream_summary(StreamName=output("EventStreamName"))
    retention = timedelta(hours=found["StreamDescriptionSummary"]["RetentionPeriodHours"])
    engine_url = None
    if reached.is_local:
        engine_url = local_stage.read_coordinates(reached.stage.project_dir).personalize_url
    return Forgetting(
        Search(archive, Objects(s3, name), quarantine, show),
        DeletionJobs(make("personalize"), s3, name),
        memory_file,
        retention,
        terminal,
        engine_url,
    )
