"""The objects of the bucket, with all their versions: judged, and written anew without a person's events."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from gzip import BadGzipFile
from tempfile import TemporaryFile
from typing import IO, Any

from botocore.exceptions import ClientError

from ops.archive.content import open_content
from ops.bucket import MAX_OBJECT_BYTES
from ops.errors import AwsError
from ops.forget.editing import Form, Part
from ops.forget.person import Person

_CHANGED = {"PreconditionFailed", "ConditionalRequestConflict"}
_GONE = {"NoSuchKey", "NoSuchVersion", "404"}
_OUT_OF_REACH = "InvalidObjectState"
"""S3's code for an object in Glacier."""
_BROKEN = (EOFError, BadGzipFile, zlib.error)
"""What a compressed object raises that was cut off or damaged."""
_KEPT_HEADERS = ("ContentType", "ContentEncoding", "Metadata", "StorageClass")


@dataclass(frozen=True)
class ObjectVersion:
    """A version of an object. ``is_latest``: a reader of the key gets it. Then its id may be unknown.

    ``is_marker``: it says that the object is deleted, and has no content.
    """

    key: str
    version_id: str | None
    is_latest: bool
    storage_class: str = "STANDARD"
    is_marker: bool = False


@dataclass(frozen=True)
class Judged:
    """What of a version is the person's: how many pieces, and the sessions that they show."""

    removed: int = 0
    kept_bytes: int = 0
    sessions: frozenset[str] = frozenset()
    is_unreadable: bool = False


@dataclass(frozen=True)
class Objects:
    """The bucket of one deployment. Each method makes its calls at once, in order."""

    s3: Any
    bucket: str

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """Yield the versions under a prefix, delete markers too."""
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix):
            for name in ("Versions", "DeleteMarkers"):
                for found in page.get(name, []):
                    yield ObjectVersion(
                        found["Key"],
                        found["VersionId"],
                        found["IsLatest"],
                        found.get("StorageClass", "STANDARD"),
                        name == "DeleteMarkers",
                    )

    def judge(self, version: ObjectVersion, form: Form, person: Person) -> Judged:
        """Return what of a version is the person's. One that is gone by now has nothing."""
        try:
            with self._open(version.key, form, version.version_id) as (lines, response):
                if not form.is_lines and response["ContentLength"] > MAX_OBJECT_BYTES:
                    return Judged(is_unreadable=True)
                return _judged(form.edit(version.key, lines, person))
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            if code in _GONE or code == _OUT_OF_REACH:
                return Judged(is_unreadable=code == _OUT_OF_REACH)
            raise
        except _BROKEN:
            return Judged(is_unreadable=True)

    def rewrite(self, key: str, form: Form, person: Person) -> Judged:
        """Write an object anew without the person's pieces, then delete its older versions.

        Return what was found in it. An object of which nothing is left is deleted, and a broken one stays as
        it is. Raises AwsError when somebody else has written the object meanwhile.
        """
        with TemporaryFile() as draft:
            try:
                with self._open(key, form) as (lines, response):
                    judged = _write(form.edit(key, lines, person), draft, is_gzip=bool(response["IsGzip"]))
            except _BROKEN:
                return Judged(is_unreadable=True)
            if not judged.removed:
                return judged
            # Listed before: a version that somebody else writes later is theirs.
            older = [each for each in self.versions(key) if each.key == key]
            read = response.get("VersionId", "null")
            if not any(each.version_id == read and each.is_latest for each in older):
                raise _changed()
            kept = None
            if judged.kept_bytes:
                draft.seek(0)
                kept = self._put(key, draft, response)
        for each in older:
            if each.version_id != kept:
                self.delete_version(each)
        return judged

    def delete_version(self, version: ObjectVersion) -> None:
        """Delete one version by its id."""
        self.s3.delete_object(Bucket=self.bucket, Key=version.key, VersionId=version.version_id)

    def read(self, version: ObjectVersion, max_bytes: int) -> bytes:
        """Return the first bytes of a version."""
        response = self.s3.get_object(Bucket=self.bucket, Key=version.key, VersionId=version.version_id)
        with closing(response["Body"]) as body:
            return bytes(body.read(max_bytes))

    def _put(self, key: str, content: IO[bytes], response: Mapping[str, Any]) -> str:
        headers = {name: response[name] for name in _KEPT_HEADERS if response.get(name)}
        try:
            put = self.s3.put_object(
                Bucket=self.bucket, Key=key, Body=content, IfMatch=response["ETag"], **headers
            )
        except ClientError as error:
            if error.response["Error"].get("Code") in _CHANGED:
                raise _changed() from error
            raise
        # Without versions there is one, which is called null.
        return str(put.get("VersionId", "null"))

    @contextmanager
    def _open(
        self, key: str, form: Form, version_id: str | None = None
    ) -> Iterator[tuple[Iterable[bytes], dict[str, Any]]]:
        """Open an object: its lines without compression, and S3's response, with whether it is compressed."""
        which = {"VersionId": version_id} if version_id else {}
        response = self.s3.get_object(Bucket=self.bucket, Key=key, **which)
        with closing(response["Body"]) as body:
            # A record of another producer may begin as compressed data does.
            lines, is_gzip = open_content(body) if form.is_lines else (body, False)
            yield lines, {**response, "IsGzip": is_gzip}


def _changed() -> AwsError:
    return AwsError("An object was written by somebody else meanwhile. Run it again.")


def _judged(parts: Iterable[Part], write: Callable[[bytes], object] = len) -> Judged:
    removed = kept_bytes = 0
    sessions: set[str] = set()
    is_unreadable = False
    for part in parts:
        write(part.kept)
        removed += part.removed
        kept_bytes += len(part.kept)
        sessions |= part.sessions
        is_unreadable = is_unreadable or part.is_unreadable
    return Judged(removed, kept_bytes, frozenset(sessions), is_unreadable)


def _write(parts: Iterable[Part], draft: IO[bytes], *, is_gzip: bool) -> Judged:
    if not is_gzip:
        return _judged(parts, draft.write)
    with gzip.GzipFile(fileobj=draft, mode="wb", mtime=0) as packed:
        return _judged(parts, packed.write)
