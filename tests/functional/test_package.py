"""The zip that is deployed, by itself: nothing of the development environment may be needed to run it."""

import json
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import AWS, SETTINGS

# What the Lambda runtime brings along: boto3 and what boto3 needs.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
COMPILED = {".so", ".pyd", ".dylib", ".pyc"}

# Runs without site-packages (-S) and without the environment's paths (-I).
PROGRAM = """
import json, sys
package, runtime = sys.argv[1:]
sys.path[:0] = [package, runtime]
import app
context = type("Context", (), {"aws_request_id": "r", "get_remaining_time_in_millis": lambda self: 60_000})()
event = {
    "requestContext": {"httpMethod": "POST", "resourcePath": "/history", "requestId": "r"},
    "httpMethod": "POST", "path": "/history", "resource": "/history", "pathParameters": None,
    "headers": {"content-type": "application/json"}, "multiValueHeaders": {},
    "queryStringParameters": None, "multiValueQueryStringParameters": None, "stageVariables": None,
    "body": "{}", "isBase64Encoded": False,
}
answers = [app.app(event, context)["statusCode"], app.deliver_events({"Records": []}, context)]
foreign = sorted(
    name for name, module in sys.modules.items()
    if "site-packages" in (getattr(module, "__file__", None) or "")
)
print(json.dumps({"answers": answers, "foreign": foreign}))
"""


@pytest.fixture(scope="module")
def unpacked(packaged, tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    with zipfile.ZipFile(packaged.zip_path) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """boto3 and what it needs, and nothing else of this environment."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME:
        found = find_spec(name)
        path = Path(found.origin)
        source = path.parent if path.name == "__init__.py" else path
        (folder / source.name).symlink_to(source)
    return folder


def test_both_functions_start_and_answer_from_the_zip_alone(unpacked, runtime):
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, unpacked, runtime],
        check=False,
        env=SETTINGS | AWS,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout.splitlines()[-1])
    assert answer == {"answers": [400, {"batchItemFailures": []}], "foreign": []}


def test_the_zip_is_small_and_holds_no_compiled_file(packaged):
    assert packaged.zip_path.stat().st_size < 2_000_000
    with zipfile.ZipFile(packaged.zip_path) as archive:
        names = archive.namelist()
    assert [name for name in names if Path(name).suffix in COMPILED] == []
    assert not [name for name in names if name.startswith(("local/", "tests/", "resources/", "ops/", "boto"))]
