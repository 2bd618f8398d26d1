"""Programs in JavaScript with the AWS SDK, which ``make test`` installs into build/node."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NODE_FOLDER = ROOT / "build" / "node"
MISSING = "There is no Node.js with the AWS SDK. Install node and npm, and run the tests with 'make test'."


def run_node(program, *arguments):
    """Run a program of tests/node and return the JSON that it prints. Skips the test where it cannot run."""
    node = shutil.which("node")
    if node is None or not (NODE_FOLDER / ".installed").exists():
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    ended = subprocess.run(
        [node, ROOT / "tests" / "node" / program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=os.environ | {"NODE_FOLDER": str(NODE_FOLDER)},
    )
    return json.loads(ended.stdout)
