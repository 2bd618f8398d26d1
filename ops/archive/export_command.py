"""``make export``: Personalize's import file from the archive, its schema, and the job that imports it."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, cast

import boto3

from ops import local_stage
from ops.archive.days import Days, to_days
from ops.archive.engine import QueryEngine
from ops.archive.import_job import ImportJob
from ops.archive.interactions import EXPORTED, ImportFile, parse_properties
from ops.archive.opening import open_engine
from ops.archive.show import cost_line
from ops.command_lines import make_line
from ops.errors import DeclinedError, InputError
from ops.locate import Deployment
from ops.private_files import make_private
from ops.progress import Progress
from ops.target import Target
from ops.terminal import Terminal

FILE = "interactions.csv"
SCHEMA = "schema.json"
ROWS_BETWEEN_PROGRESS = 10_000


@dataclass(frozen=True)
class Options:
    """What the person at the terminal asked for. ``import_to`` are the ARNs of a dataset and a role."""

    out: Path
    first: str | None
    last: str | None
    properties: str = ""
    import_to: tuple[str, str] | None = None
    replace: bool = False


@dataclass(frozen=True)
class Counts:
    """Rows of the archive by what became of them."""

    left_out: Mapping[str, int]
    exported: int
    without_id: int
    given_to_a_user: int
    scanned_bytes: int

    def lines(self, written: int) -> list[str]:
        """Return the report. ``written`` are the rows of the file."""
        lines = [
            f"{written:,} rows.",
            f"  {self.given_to_a_user:,} were of visitors who signed in later in the session, or had before",
            f"  {self.without_id:,} came without EventId (another producer's)",
            f"Left out: {sum(self.left_out.values()):,}.",
            *(f"  {count:,} {reason}" for reason, count in self.left_out.items()),
        ]
        if written != self.exported:
            lines.append(f"  ({self.exported:,} rows were counted first: events came in meanwhile.)")
        return lines


def run_export(target: Target, options: Options, terminal: Terminal) -> None:
    """Write the files, print what is in them, and import them when that was asked for."""
    days = to_days(options.first, options.last, datetime.now(timezone.utc).date())
    properties = parse_properties(options.properties)
    if (options.out / FILE).exists() and not options.replace:
        raise InputError(
            f"{options.out / FILE} is there already. Name another folder, or let it be replaced:\n"
            + make_line("export", "--replace", OUT=str(options.out), STAGE=target.stage_name)
        )
    if options.import_to and target.stage_name == local_stage.STAGE:
        raise InputError(
            "STAGE=local has no dataset import jobs. The local engine loads the files of a folder:\n"
            + make_line("run", DATA=str(options.out))
        )
    make_private(options.out)
    reached = target.open()
    deployment, session = reached.deployment, reached.session
    engine = open_engine(deployment, session)
    job = _job(options.import_to, deployment, session)
    file = ImportFile.of(properties)
    if job:
        job.check(deployment.region)
        file = ImportFile.for_dataset(job.schema(), properties)
        if not terminal.confirm(job.plan()):
            raise DeclinedError
    terminal.report(f"The archive of {target.stage_name}, {days}, as {', '.join(file.header)}.")
    terminal.report(cost_line(*export(engine, file, days, options.out, terminal), is_local=reached.is_local))
    if reached.is_local:
        terminal.report(f"The local engine loads it: {make_line('run', DATA=str(options.out))}")
    if job:
        _import(job, options.out / FILE, terminal)


def export(
    engine: QueryEngine, file: ImportFile, days: Days, out: Path, terminal: Terminal
) -> tuple[int, ...]:
    """Write interactions.csv and schema.json into a folder, and report what is in them.

    Return the bytes that each query has scanned.
    """
    counts = _count(engine, file, days)
    progress = Progress(time.monotonic)
    with engine.run(file.rows_query(days)) as result, _replaced(out / FILE) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(file.header)
        written = 0
        for row in result.rows:
            writer.writerow(row)
            written += 1
            if written % ROWS_BETWEEN_PROGRESS == 0:
                progress.show(f"{written:,} of {counts.exported:,} rows")
        scanned_bytes = counts.scanned_bytes, result.scanned_bytes
    progress.end()
    with _replaced(out / SCHEMA) as stream:
        stream.write(file.avro())
    terminal.report("\n".join([f"{out / FILE}, with {SCHEMA} beside it:", *counts.lines(written)]))
    return scanned_bytes


def _count(engine: QueryEngine, file: ImportFile, days: Days) -> Counts:
    with engine.run(file.counts_query(days)) as result:
        found = {what: tuple(map(int, numbers)) for what, *numbers in result.rows}
        exported, without_id, without_user = found.pop(EXPORTED, (0, 0, 0))
        left_out = {what: numbers[0] for what, numbers in found.items()}
        return Counts(left_out, exported, without_id, without_user, result.scanned_bytes)


@contextmanager
def _replaced(path: Path) -> Iterator[IO[Any]]:
    """Open a file that takes the place of another one when it is whole. It can be read by its owner only."""
    with NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}-", delete=False, encoding="utf-8", newline=""
    ) as stream:
        draft = Path(stream.name)
        try:
            yield stream
            stream.flush()
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def _job(
    import_to: tuple[str, str] | None, deployment: Deployment, session: boto3.Session
) -> ImportJob | None:
    if not import_to:
        return None
    make: Any = cast(Any, session).client
    return ImportJob(*import_to, deployment.output("EventsBucket"), make("personalize"), make("s3"))


def _import(job: ImportJob, file: Path, terminal: Terminal) -> None:
    arn = job.start(file, datetime.now(timezone.utc))
    terminal.report(f"The import job {arn} has begun. It goes on without this program.")
    progress = Progress(time.monotonic)
    try:
        job.follow(arn, progress.show)
    finally:
        progress.end()
    terminal.report(
        "The import is done. Train a solution version next: 'aws personalize create-solution-version'."
    )
