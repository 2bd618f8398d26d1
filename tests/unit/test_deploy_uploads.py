"""Nobody but the deployment chooses the code: what S3 is asked before an upload is used again."""

import base64
import hashlib
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops.cloudformation.artifacts import ArtifactBucket, Upload

CONTENT = b"the zip"
DIGEST = hashlib.sha256(CONTENT)
CHECKSUM = base64.b64encode(DIGEST.digest()).decode()
KEY = f"stack/{DIGEST.hexdigest()}.zip"
BUCKET = "personalize-api-deployments-111122223333-us-east-1"
OWNED = {"Bucket": BUCKET, "ExpectedBucketOwner": "111122223333"}
HEAD = {"Key": KEY, "ChecksumMode": "ENABLED", **OWNED}
PUT = {"Key": KEY, "Body": CONTENT, "ChecksumSHA256": CHECKSUM, **OWNED}


@pytest.fixture
def scripted():
    """The bucket and the script of its S3 client."""
    client: Any = boto3.client("s3", region_name="us-east-1")
    with Stubber(client) as stub:
        yield ArtifactBucket(client, "111122223333", BUCKET), stub
        stub.assert_no_pending_responses()


def test_what_is_not_there_is_uploaded_with_its_checksum(scripted):
    bucket, stub = scripted
    stub.add_client_error("head_object", "404", "Not Found", 404, None, HEAD)
    stub.add_response("put_object", {"VersionId": "v1"}, PUT)
    assert bucket.put(CONTENT, "stack/", ".zip") == Upload(BUCKET, KEY, "v1")


def test_the_same_content_is_not_uploaded_again(scripted):
    bucket, stub = scripted
    stub.add_response("head_object", {"ChecksumSHA256": CHECKSUM, "VersionId": "v1"}, HEAD)
    assert bucket.put(CONTENT, "stack/", ".zip").version == "v1"


@pytest.mark.parametrize(
    "found",
    [
        {"ChecksumSHA256": base64.b64encode(b"x" * 32).decode(), "VersionId": "evil"},
        {"ChecksumSHA256": f"{CHECKSUM}-2", "VersionId": "evil"},  # of an upload in parts
        {"ChecksumCRC32": "AAAAAA==", "VersionId": "evil"},
        {"VersionId": "of an earlier version of the program"},
        {"ChecksumSHA256": CHECKSUM},  # before the bucket had versions
        {"ChecksumSHA256": CHECKSUM, "VersionId": "null"},
    ],
)
def test_an_object_under_our_key_that_is_not_provably_ours_is_not_deployed(scripted, found):
    bucket, stub = scripted
    stub.add_response("head_object", found, HEAD)
    stub.add_response("put_object", {"VersionId": "ours"}, PUT)
    assert bucket.put(CONTENT, "stack/", ".zip").version == "ours"


def test_the_url_of_a_template_names_the_version(scripted):
    bucket, _ = scripted
    assert bucket.url(Upload("b", "k.json", "v/1")) == "https://s3.amazonaws.com/b/k.json?versionId=v%2F1"
