"""The bucket that CloudFormation fetches code and large templates from: one per account and region."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError


@dataclass
class Store:
    """The bucket, and whose it has to be."""

    s3: Any
    account: str
    bucket: str

    @classmethod
    def open(cls, session: boto3.Session, endpoint_url: str | None) -> Store:
        """The bucket, made now if there is none. It stays private: S3's own default, said once more."""
        s3: Any = session.client("s3", endpoint_url=endpoint_url)
        sts: Any = session.client("sts", endpoint_url=endpoint_url)
        region = s3.meta.region_name
        account = sts.get_caller_identity()["Account"]
        store = cls(s3, account, f"personalize-api-deployments-{account}-{region}")
        try:
            s3.head_bucket(Bucket=store.bucket, ExpectedBucketOwner=account)
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"404", "NoSuchBucket"}:
                raise
            store._create(region)
        return store

    def _create(self, region: str) -> None:
        # us-east-1 is the one region that may not be named here.
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self.s3.create_bucket(Bucket=self.bucket, **where)
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
        """Upload under the hash of the content, unless it is there. Old ones stay: a roll-back needs them."""
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
        return f"{self.s3.meta.endpoint_url}/{bucket}/{key}"
