"""The archive bucket as redrive uses it: objects are listed, read and deleted by their key.

Whoever may write to the queue or to the bucket chooses the keys. So a key counts only in the form that
delivery and Lambda give it, and an object is read only up to a size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ops.errors import InputError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_OBJECT_BYTES = 32 * 1024 * 1024
"""Of what is read into memory. A record has at most 10 MiB. A batch has 6 MB, and in the document that Lambda
writes, a JSON string, each of its quotes takes two bytes."""
_KEY = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)
"""No segment is empty, ``.`` or ``..``: an HTTP client may resolve those, and then reach another object."""


@dataclass(frozen=True)
class Bucket:
    """The bucket of one deployment."""

    s3: S3Client
    name: str

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        for page in pages:
            for found in page.get("Contents", []):
                yield found["Key"]

    def read(self, key: str) -> bytes:
        """Return the bytes of an object. Raises InputError for an object that cannot be read."""
        if not _KEY.fullmatch(key):
            raise InputError("the key of the object is not one that delivery or Lambda writes")
        try:
            response = self.s3.get_object(Bucket=self.name, Key=key)
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            if code in {"NoSuchKey", "404"}:
                raise InputError("the object is gone") from error
            raise InputError(f"the object could not be read ({code})") from error
        with closing(response["Body"]) as body:
            if response["ContentLength"] > MAX_OBJECT_BYTES:
                raise InputError(f"the object is larger than {MAX_OBJECT_BYTES} bytes")
            return body.read()

    def delete(self, key: str) -> None:
        """Delete an object. The bucket is versioned: it keeps the version for 30 days."""
        self.s3.delete_object(Bucket=self.name, Key=key)
