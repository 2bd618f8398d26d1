"""Requests made from openapi.json, valid and invalid: every answer is one that openapi.json documents."""

import subprocess
import sys
from pathlib import Path

from chalicelib import contract

OPENAPI = Path(contract.__file__).parent / "openapi.json"
PROMISES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


def test_every_answer_is_documented(stack):
    ran = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *("run", OPENAPI, "--url", stack.stack.apiUrl),
            *("--header", f"x-api-key: {stack.stack.apiKey}"),
            *("--checks", ",".join(PROMISES)),
            *("--max-examples", "15", "--seed", "1", "--no-color"),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
