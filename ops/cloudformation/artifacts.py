"""The bucket that CloudFormation fetches code and large templates from: one per account and region."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError


@dataclass
class ArtifactBucket:
    """The bucket, and the account that has to own it."""

    s3: Any
    account: str
    bucket: str

    @classmethod
    def open(cls, session: boto3.Session, endpoint_url: str | None) -> ArtifactBucket:
        """Return the bucket, and create it when there is none. It is private."""
        s3: Any = session.client("s3", endpoint_url=endpoint_url)
        sts: Any = session.client("sts", endpoint_url=endpoint_url)
        region = s3.meta.region_name
        account = sts.get_caller_identity()["Account"]
        artifacts = cls(s3, account, f"personalize-api-deployments-{account}-{region}")
        try:
            s3.head_bucket(Bucket=artifacts.bucket, ExpectedBucketOwner=account)
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"404", "NoSuchBucket"}:
                raise
            artifacts._create(region)
        return artifacts

    def _create(self, region: str) -> None:
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

    def put(self, content: bytes, prefix: str, suffix: str) -> tuple[str, str]:
        """Upload the content under its hash, unless it is there, and return bucket and key.

        Older uploads stay: a roll-back needs them.
        """
        key = f"{prefix}{hashlib.sha256(content).hexdigest()}{suffix}"
        owner = {"Bucket": self.bucket, "ExpectedBucketOwner": self.account}
        try:
            self.s3.head_object(Key=key, **owner)
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"404", "NoSuchKey"}:
                raise
            self.s3.put_object(Key=key, Body=content, **owner)
        return self.bucket, key

    def url(self, bucket: str, key: str) -> str:
        """Return the URL of an upload, as CloudFormation takes it."""
        return f"{self.s3.meta.endpoint_url}/{bucket}/{key}"
