"""The bucket that CloudFormation fetches code and large templates from: one per account and region.

Who may write into the bucket could choose the code that is deployed. Therefore an upload is used again only
where S3's checksum of it is that of the content. A deployment names the version, which nobody can replace.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

import boto3
from botocore.exceptions import ClientError

from ops.errors import AwsError

_NOT_FOUND = {"404", "NoSuchBucket", "NoSuchKey"}


@dataclass(frozen=True)
class Upload:
    """One version of one object."""

    bucket: str
    key: str
    version: str


@dataclass(frozen=True)
class ArtifactBucket:
    """The bucket, and the account that has to own it."""

    s3: Any
    account: str
    bucket: str

    @classmethod
    def open(cls, session: boto3.Session, endpoint_url: str | None) -> ArtifactBucket:
        """Return the bucket, and create it when there is none. It is private and keeps every version."""
        artifacts = cls._of(session, endpoint_url)
        if not artifacts._exists():
            artifacts._create()
        # A bucket of an earlier version of this program has no versions yet.
        artifacts.s3.put_bucket_versioning(
            **artifacts._owned(), VersioningConfiguration={"Status": "Enabled"}
        )
        return artifacts

    @classmethod
    def find(cls, session: boto3.Session) -> ArtifactBucket | None:
        """Return the bucket; None when there is none. Reads only."""
        artifacts = cls._of(session, None)
        return artifacts if artifacts._exists() else None

    @classmethod
    def _of(cls, session: boto3.Session, endpoint_url: str | None) -> ArtifactBucket:
        s3: Any = session.client("s3", endpoint_url=endpoint_url)
        sts: Any = session.client("sts", endpoint_url=endpoint_url)
        account = sts.get_caller_identity()["Account"]
        return cls(s3, account, f"personalize-api-deployments-{account}-{s3.meta.region_name}")

    def put(self, content: bytes, prefix: str, suffix: str) -> Upload:
        """Upload the content under its hash, unless exactly this is there already.

        S3 has the SHA-256 only of what was uploaded with it, and checks it then ("Checking object integrity
        in Amazon S3"): an object that somebody else put there under the key does not have it. Older uploads
        stay: a roll-back needs them.
        """
        digest = hashlib.sha256(content)
        key = f"{prefix}{digest.hexdigest()}{suffix}"
        checksum = base64.b64encode(digest.digest()).decode()
        found = self._head(key)
        if found.get("ChecksumSHA256") != checksum or found.get("VersionId", "null") == "null":
            found = self.s3.put_object(Key=key, Body=content, ChecksumSHA256=checksum, **self._owned())
        return Upload(self.bucket, key, found["VersionId"])

    def url(self, upload: Upload) -> str:
        """Return the URL of an upload, as CloudFormation takes it ("Specify a template")."""
        version = urlencode({"versionId": upload.version})
        return f"{self.s3.meta.endpoint_url}/{upload.bucket}/{upload.key}?{version}"

    def count(self, stack_names: Iterable[str]) -> int:
        """Return how many versions of uploads there are of the stacks."""
        return sum(
            len(page) for name in stack_names for page in version_pages(self.s3, self.bucket, f"{name}/")
        )

    def delete(self, stack_names: Iterable[str]) -> None:
        """Delete every version of every upload of the stacks. The bucket stays: other stages use it."""
        for name in stack_names:
            delete_versions(self.s3, self.bucket, f"{name}/")

    def _owned(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "ExpectedBucketOwner": self.account}

    def _exists(self) -> bool:
        try:
            self.s3.head_bucket(**self._owned())
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_FOUND:
                return False
            raise
        return True

    def _head(self, key: str) -> dict[str, Any]:
        try:
            return cast(dict[str, Any], self.s3.head_object(Key=key, ChecksumMode="ENABLED", **self._owned()))
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_FOUND:
                return {}
            raise

    def _create(self) -> None:
        region = self.s3.meta.region_name
        # us-east-1 is the one region that CreateBucket does not take.
        location = (
            {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        )
        self.s3.create_bucket(Bucket=self.bucket, **location)
        self.s3.put_public_access_block(
            Bucket=self.bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )


def version_pages(s3: Any, bucket: str, prefix: str = "") -> Iterator[list[dict[str, str]]]:
    """Yield key and version of every version and delete marker under a prefix, a page of S3 at a time."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        found = (*page.get("Versions", []), *page.get("DeleteMarkers", []))
        yield [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in found]


def delete_versions(s3: Any, bucket: str, prefix: str = "") -> None:
    """Delete every version of every object under a prefix. Raises AwsError when S3 keeps one."""
    _delete(s3, bucket, version_pages(s3, bucket, prefix))


def delete_versions_of(s3: Any, bucket: str, key: str) -> None:
    """Delete every version of one object. Raises AwsError when S3 keeps one.

    S3 lists versions by prefix only, so those of other objects whose keys begin with this one are left out.
    """
    pages = version_pages(s3, bucket, key)
    _delete(s3, bucket, ([each for each in page if each["Key"] == key] for page in pages))


def _delete(s3: Any, bucket: str, pages: Iterable[list[dict[str, str]]]) -> None:
    """Delete versions. S3 reports what it does not delete in a response with the status 200."""
    kept: list[dict[str, str]] = []
    for versions in pages:
        if versions:
            response = s3.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
            kept += response.get("Errors", [])
    if kept:
        reasons = sorted({f"{each.get('Code', 'unknown')}: {each.get('Message', '')}" for each in kept})
        raise AwsError(f"S3 did not delete {len(kept)} versions in {bucket}. {'; '.join(reasons)}")
