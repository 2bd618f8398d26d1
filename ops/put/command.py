"""The command: what a file is, where it goes, and what is printed of it."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from ops import local_stage
from ops.errors import InputError, readable_aws_errors
from ops.locate import locate
from ops.packaging.bundle import ROOT
from ops.progress import Progress, bar, duration
from ops.put.csv_file import CsvFile
from ops.put.dataset import Dataset, campaign_of, check_arn, find_dataset, read_schema
from ops.put.kinds import Kind, kind_of
from ops.put.position import Position, PositionFile
from ops.put.rejected_rows import RejectedRow, RejectedRows
from ops.put.schema import Schema, check_names, parse_schema, schema_of_header
from ops.put.sender import Sender
from ops.put.upload import Upload
from ops.sessions import open_session
from ops.stage import Stage
from ops.target import Target
from ops.terminal import print_line

_ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)
"""Each try of a call counts against the quota, so the sender makes and paces them."""


@dataclass(frozen=True)
class Options:
    """What the person at the terminal asked for."""

    dataset: str | None = None
    schema: Path | None = None
    dry_run: bool = False
    strict: bool = False
    restart: bool = False


def run_put(path: Path, target: Target, options: Options) -> bool:
    """Put the rows of a file. Returns whether every row went, or of a dry run whether every row would go."""
    file = CsvFile(path)
    kind = kind_of(file.header)
    check_names(file.header)
    find = _local if target.stage_name == local_stage.STAGE else _deployed
    with readable_aws_errors():
        session, dataset = find(target, kind, options)
        client: Any = session.client("personalize-events", config=_ONCE)
    schema = dataset.schema or schema_of_header(file.header, kind)
    upload = Upload(file, kind, schema.columns(file.header))
    print_line(f"{path} has {kind.plural}. They go to {dataset.arn}.")
    for line in _remarks(dataset, schema.left_empty(file.header)):
        print_line(line)
    return put(upload, dataset.arn, client, options)


def put(upload: Upload, dataset_arn: str, client: Any, options: Options) -> bool:
    """Check every row, then put those that are fine. Returns whether every row went."""
    progress = Progress(time.monotonic)
    rows, failed = upload.check(lambda so_far: progress.show(f"{so_far:,} rows checked"))
    progress.end()
    print_line("\n".join([f"Rows: {rows:,}. Fine: {rows - len(failed):,}.", *failed.lines()]))
    if options.dry_run or (options.strict and failed):
        print_line("Nothing was put.")
        return not failed
    kept = PositionFile.of(upload.file.path, dataset_arn, client.meta.endpoint_url)
    if options.restart:
        kept.remove()
    start = kept.read(upload.file.content_hash())
    if start.rows:
        print_line(f"An earlier run came to row {start.rows:,}. This one goes on (--restart begins anew).")
    watch = _Watch(progress, rows - len(failed), start.put)
    sender = Sender(
        client, upload.kind, dataset_arn, time.monotonic, time.sleep, random.random, progress.show
    )
    try:
        with readable_aws_errors():
            end = upload.send(sender, kept, start, watch.show)
    finally:
        watch.end()
    print_line(_summary(end, rows, len(failed)))
    return end.put == rows


class _Watch:
    """Shows how far a run has come and how long it will take, and at its end what was refused."""

    def __init__(self, progress: Progress, total: int, put_before: int) -> None:
        self._progress, self._total, self._before = progress, total, put_before
        self._refused = RejectedRows()
        self._started = time.monotonic()

    def show(self, position: Position, rejected_rows: Sequence[RejectedRow]) -> None:
        for rejected_row in rejected_rows:
            self._refused.add(rejected_row)
        done = position.put + position.refused
        seconds = time.monotonic() - self._started
        speed = (position.put - self._before) / seconds if seconds else 0.0
        left = f", {duration((self._total - done) / speed)} left" if speed else ""
        counts = f"{position.put:,} put, {position.refused:,} refused"
        self._progress.show(f"{bar(done, self._total)}  {counts}, {speed:.0f} a second{left}")

    def end(self) -> None:
        self._progress.end()
        for line in self._refused.lines():
            print_line(line)


def _remarks(dataset: Dataset, left_empty: Sequence[str]) -> list[str]:
    """Return what a person should know before rows are put."""
    remarks = []
    if dataset.schema is None:
        remarks.append(
            "The local engine has no schema: only ids and sizes are checked. Give one with --schema FILE."
        )
    if left_empty:
        remarks.append(
            f"The file has no column {', '.join(left_empty)}. A row replaces a whole record, which then has "
            "no value there."
        )
    return remarks


def _summary(end: Position, rows: int, failed: int) -> str:
    if end.put == rows:
        return f"Every row was put: {rows:,}."
    return (
        f"{end.put:,} of {rows:,} rows were put; {failed:,} failed the check, {end.refused:,} were refused. "
        "Correct those, and put them in a file of their own or the whole file again."
    )


def _deployed(target: Target, kind: Kind, options: Options) -> tuple[boto3.Session, Dataset]:
    """Return a session and the dataset of a stage. With --dataset and --schema no control plane is asked."""
    stage = Stage(ROOT, target.stage_name)
    session = open_session(stage, profile=target.profile, region=target.region)
    personalize: Any = session.client("personalize")
    arn = options.dataset
    if arn is None:
        deployment = locate(stage, session, target.stack_name)
        campaign_arn = campaign_of(deployment.parameters, stage.variables(), kind)
        arn = find_dataset(personalize, campaign_arn, kind)
    check_arn(arn, kind, session.region_name)
    return session, Dataset(arn, _given_schema(options, kind) or read_schema(personalize, arn, kind))


def _local(target: Target, kind: Kind, options: Options) -> tuple[boto3.Session, Dataset]:
    """Return a session with the engine of ``make run``, and its dataset. It has one of each kind."""
    if target.stack_name or target.profile or target.region or options.dataset:
        raise InputError(
            "STAGE=local takes no --profile, --region, --stack-name or --dataset: it is on this machine."
        )
    coordinates = local_stage.read_coordinates(ROOT)
    arn = local_stage.dataset_arn(coordinates, kind.dataset_type)
    session = local_stage.LocalSession(coordinates.personalize_url)
    return session, Dataset(arn, _given_schema(options, kind))


def _given_schema(options: Options, kind: Kind) -> Schema | None:
    return parse_schema(options.schema.read_bytes(), kind) if options.schema else None
