"""Packaging with each Python that Lambda and Chalice take, and for each architecture.

A version that is not on this machine is skipped by name, and the last line of a test run counts it. Each gets
an environment of its own in build/, with what packaging needs, made the first time (which needs the network).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ops.packaging import bundle, merge
from ops.packaging.bundle import package

ROOT = Path(__file__).parents[2]
SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14")
TOOLS = ("chalice==1.34.0", "boto3==1.43.106", "PyYAML")
FILES = ("app.py", "requirements.txt", ".chalice", "chalicelib", "resources", "ops")

PACKAGE = """
import sys
from pathlib import Path
from ops.packaging.bundle import package
made = package("prod", project_dir=Path(sys.argv[1]), build_dir=Path(sys.argv[2]))
print(made.template_path, made.zip_path, sep="\\n")
"""
# The zip by itself; boto3 comes with the Lambda runtime, here from the environment.
START = """
import sys
sys.path.insert(0, sys.argv[1])
import app
context = type("Context", (), {"aws_request_id": "r", "get_remaining_time_in_millis": lambda self: 60_000})()
print(app.app.app_name, app.deliver_events({"Records": []}, context))
"""


def interpreter(version):
    """A Python of this version on this machine: on the PATH, or one that pyenv has installed."""
    known = [shutil.which(f"python{version}")]
    known += map(str, sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python")))
    for candidate in filter(None, [*known, sys.executable]):
        asked = subprocess.run(
            [candidate, "-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        if asked.stdout.strip() == version:
            return candidate
    pytest.skip(f"There is no Python {version} on this machine")


def run(command, **environment):
    ran = subprocess.run(
        [str(part) for part in command],
        env=os.environ | environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(params=SUPPORTED)
def python(request):
    """(version, interpreter) of an environment that can package."""
    version = request.param
    found = interpreter(version)
    home = bundle.BUILD / "pythons" / version
    wanted = "".join(TOOLS).encode() + (ROOT / "requirements.txt").read_bytes()
    stamp = home / hashlib.sha256(wanted).hexdigest()[:12]
    if not stamp.exists():
        shutil.rmtree(home, ignore_errors=True)
        run([found, "-m", "venv", home])
        pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, *TOOLS, "-c", ROOT / "constraints.txt"])
        # The application's own packages too, because Chalice imports app.py.
        run([*pip, "--require-hashes", "-r", ROOT / "requirements.txt"])
        stamp.touch()
    return version, home / "bin" / "python"


@pytest.fixture
def build(packaged, tmp_path):
    """A build folder that has the downloaded packages."""
    shutil.copytree(bundle.BUILD / "wheels", tmp_path / "build" / "wheels")
    return tmp_path / "build"


def functions(template_path):
    resources = merge.load(Path(template_path).read_text())["Resources"]
    return [
        resource["Properties"]
        for resource in resources.values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]


def test_every_python_packages_for_the_runtime_of_its_version(python, packaged, build, tmp_path):
    version, program = python
    printed = run([program, "-c", PACKAGE, ROOT, build], PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1")
    template, archive = printed.splitlines()
    assert {function["Runtime"] for function in functions(template)} == {f"python{version}"}
    assert Path(archive).read_bytes() == packaged.zip_path.read_bytes()
    shutil.unpack_archive(archive, tmp_path / "unpacked")
    started = run([program, "-W", "error", "-c", START, tmp_path / "unpacked"])
    assert started.splitlines()[-1] == "personalize-api {'batchItemFailures': []}"


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_the_same_zip_goes_to_either_architecture(architecture, packaged, build, tmp_path):
    for name in FILES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, tmp_path / name)
    config = json.loads((ROOT / ".chalice" / "config.json").read_text())
    config["lambda_architecture"] = architecture
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(config))
    made = package("prod", project_dir=tmp_path, build_dir=build)
    assert [function["Architectures"] for function in functions(made.template_path)] == [[architecture]] * 2
    assert made.zip_path.read_bytes() == packaged.zip_path.read_bytes()
