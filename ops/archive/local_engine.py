"""The same queries on DuckDB, over the archive of ``make run``. Athena's SQL is translated by sqlglot.

The views stand for the two Glue tables of pipeline.yaml and read a line as Athena's OpenX reader does
(github.com/trinodb/trino, lib/trino-hive-formats, openxjson/README.md): a line that is no JSON object is a
row of nulls, and of joined objects the first one counts. Not as there: of a key that a line has twice the
first one counts here, and a line that is a list is a row of nulls.
"""

from __future__ import annotations

import codecs
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import boto3
import duckdb
import sqlglot
from sqlglot import expressions

from ops.archive.content import open_content
from ops.archive.days import Days
from ops.archive.engine import BoundQuery, Column, Result
from ops.errors import InputError, readable_aws_errors
from ops.locate import Deployment

MEMORY = "384MB"
"""Of DuckDB. What needs more goes to the temporary folder."""
THREADS = 2
ROWS_AT_ONCE = 10_000
PREFIX = "events/"
_FOLDER = "personalize-api-archive-"
"""The beginning of the name of a folder with copies. The number of its process follows."""
_MAX_LINE_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 1 << 20
_PARTITION = f"{PREFIX}dt="
_UNREADABLE = dict.fromkeys((0, 1), "\N{REPLACEMENT CHARACTER}")
"""What DuckDB would take for the end of a text or of a field."""

_COLUMNS = {
    "userid": "UserId",
    "sessionid": "SessionId",
    "eventtype": "EventType",
    "event": "Event",
    "action": "Action",
    "eventid": "EventId",
    "sentat": "SentAt",
    "receivedat": "ReceivedAt",
    "recommendationid": "RecommendationId",
    "eventattributionsource": "EventAttributionSource",
    "experiment": "Experiment",
}
"""Columns of text of the table ``events`` and the members of a record, as pipeline.yaml maps them."""

_VIEWS = """
CREATE VIEW event_lines AS
SELECT coalesce(lines.line, '') AS line, objects.dt,
       objects.object AS "$path", objects.modified AS "$file_modified_time"
FROM read_csv(getvariable('files'), columns = {{'line': 'VARCHAR'}}, delim = E'\\x01', quote = '',
              escape = '', header = false, auto_detect = false, strict_mode = false, new_line = '\\n',
              filename = 'file', max_line_size = {max_line_bytes}) AS lines
JOIN objects ON objects.file = lines.file;

CREATE MACRO first_object(line) AS
CASE WHEN json_valid(line) THEN line
     WHEN json_valid(regexp_extract(line, '^(.*?[}}])[ \t\r]*[{{]', 1))
     THEN regexp_extract(line, '^(.*?[}}])[ \t\r]*[{{]', 1) END;

CREATE MACRO json_scalar(document, path) AS
CASE WHEN json_valid(document) AND json_type(document, path) NOT IN ('OBJECT', 'ARRAY')
     THEN json_extract_string(document, path) END;

CREATE MACRO texts(list) AS
CASE json_type(list) WHEN 'ARRAY' THEN CAST(list AS VARCHAR[]) WHEN 'NULL' THEN NULL ELSE [list ->> '$'] END;

CREATE VIEW events AS
SELECT {columns}, dt, "$path", "$file_modified_time"
FROM (
  SELECT dt, "$path", "$file_modified_time", document, json_extract_string(document, [{paths}]) AS fields
  FROM (
    SELECT dt, "$path", "$file_modified_time",
           CASE WHEN json_type(first_object(line)) = 'OBJECT' THEN first_object(line) END AS document
    FROM event_lines
  )
);
"""


@dataclass(frozen=True)
class ArchivedObject:
    """An object of the archive. ``open`` opens its content, which is not compressed."""

    key: str
    size_bytes: int
    modified: datetime
    open: Callable[[], AbstractContextManager[BinaryIO]]

    @property
    def day(self) -> str:
        """The partition that the object is in."""
        return self.key.removeprefix(_PARTITION).partition("/")[0]


@dataclass(frozen=True)
class Copy:
    """An object of the archive, and its file on this machine. ``address`` is what Athena calls the object."""

    source: ArchivedObject
    file: Path
    address: str

    def write(self) -> None:
        """Write the content as UTF-8, whatever its bytes are. A line stays a line."""
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        with self.source.open() as content, self.file.open("w", encoding="utf-8", newline="") as file:
            while chunk := content.read(_CHUNK_BYTES):
                file.write(decode(chunk).translate(_UNREADABLE))
            file.write(decode(b"", final=True))


@dataclass(frozen=True)
class LocalEngine:
    """DuckDB over the objects of an archive."""

    objects: Callable[[], Iterable[ArchivedObject]]
    bucket: str

    @classmethod
    def of(cls, deployment: Deployment, session: boto3.Session) -> LocalEngine:
        """Return the engine over the bucket of ``make run``."""
        s3: Any = cast(Any, session).client("s3")
        bucket = deployment.output("EventsBucket")
        return cls(lambda: _objects(s3, bucket), bucket)

    @contextmanager
    def run(self, query: BoundQuery) -> Iterator[Result]:
        """Run a query over copies of the objects of its days."""
        _remove_forsaken()
        with (
            readable_aws_errors(),
            _readable_errors(),
            tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-") as name,
        ):
            folder = Path(name)
            copies = [*self._copies(query.days, folder)]
            empty = folder / "empty"
            empty.touch()
            with closing(_connect(folder / "spilled")) as database:
                _create_views(database, copies, empty)
                cursor = database.execute(translated(query.sql), [*query.values])
                columns = [Column(name, str(kind).lower()) for name, kind, *_ in cursor.description or ()]
                yield Result(columns, _rows(cursor), sum(copy.source.size_bytes for copy in copies))

    def _copies(self, days: Days, folder: Path) -> Iterator[Copy]:
        for number, source in enumerate(self.objects()):
            if days.contains(source.day):
                copy = Copy(source, folder / f"{number}.txt", f"s3://{self.bucket}/{source.key}")
                copy.write()
                yield copy


def _remove_forsaken() -> None:
    """Remove the copies of runs of this user that were killed: they hold what may be forgotten by now."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        process = folder.name.removeprefix(_FOLDER).partition("-")[0]
        with suppress(OSError):
            if process.isdecimal() and folder.stat().st_uid == os.getuid() and not _is_running(int(process)):
                shutil.rmtree(folder)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _readable_errors() -> Iterator[None]:
    """Turn every error of DuckDB in the block into an InputError."""
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"DuckDB did not carry out the query: {reason} If it is about memory or disk, take "
            f"fewer days, or free some space in {tempfile.gettempdir()}."
        ) from error


def translated(sql: str) -> str:
    """Return the SQL of Athena as SQL of DuckDB."""
    return sqlglot.parse_one(sql, read="athena").transform(_as_in_athena).sql(dialect="duckdb")


def _as_in_athena(node: expressions.Expr) -> expressions.Expr:
    """Return the node with another function where DuckDB's own differs from Athena's.

    Of an object or a list, json_extract_scalar is null in Athena, and text in DuckDB. Without a match,
    regexp_extract is null in Athena, and an empty text in DuckDB.
    """
    if isinstance(node, expressions.JSONExtractScalar):
        path = expressions.Literal.string(node.expression.sql(dialect="duckdb").strip("'"))
        return expressions.func("json_scalar", node.this, path)
    if isinstance(node, expressions.RegexpExtract):
        return expressions.Nullif(this=node.copy(), expression=expressions.Literal.string(""))
    return node


def _connect(spilled: Path) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(
        config={
            "memory_limit": MEMORY,
            "threads": str(THREADS),
            "temp_directory": str(spilled),
            # The order of a result is that of ORDER BY only, as in Athena.
            "preserve_insertion_order": "false",
            # Nothing is fetched from the network, and no other file is read.
            "autoinstall_known_extensions": "false",
        }
    )
    database.execute("SET TimeZone = 'UTC'")
    return database


def _create_views(database: duckdb.DuckDBPyConnection, copies: Sequence[Copy], empty: Path) -> None:
    """Create the two tables. ``empty`` is a file without a line: DuckDB wants at least one file."""
    database.execute("CREATE TABLE objects (file VARCHAR, dt VARCHAR, object VARCHAR, modified TIMESTAMPTZ)")
    for copy in copies:
        row = [str(copy.file), copy.source.day, copy.address, copy.source.modified]
        database.execute("INSERT INTO objects VALUES (?, ?, ?, ?)", row)
    database.execute(
        "SET VARIABLE files = (SELECT list(file) FROM (SELECT file FROM objects UNION ALL SELECT ?))",
        [str(empty)],
    )
    columns = [
        *(f"fields[{number}] AS {name}" for number, name in enumerate(_COLUMNS, start=1)),
        "texts(json_extract(document, '$.Impression')) AS impression",
    ]
    paths = ", ".join(f"'$.{member}'" for member in _COLUMNS.values())
    database.execute(_VIEWS.format(columns=", ".join(columns), paths=paths, max_line_bytes=_MAX_LINE_BYTES))


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[Sequence[str]]:
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        for row in rows:
            yield ["" if value is None else _text(value) for value in row]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _objects(s3: Any, bucket: str) -> Iterator[ArchivedObject]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX):
        for found in page.get("Contents", []):
            key = found["Key"]
            yield ArchivedObject(key, found["Size"], found["LastModified"], _opener(s3, bucket, key))


def _opener(s3: Any, bucket: str, key: str) -> Callable[[], AbstractContextManager[BinaryIO]]:
    @contextmanager
    def opened() -> Iterator[BinaryIO]:
        with closing(s3.get_object(Bucket=bucket, Key=key)["Body"]) as body:
            yield open_content(body)[0]

    return opened
