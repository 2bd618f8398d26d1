"""What several integration tests do to the system from outside: call its API, run its commands."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]


def post(url, body, *, key, content_type="application/json"):
    """Call the API over HTTP; the answer as (status, parsed body, headers). ``body``: JSON or bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": content_type} | ({"x-api-key": key} if key else {})
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


def run_command(*arguments, endpoint_url, project=ROOT):
    """Run ``python -m ops`` as an operator would, pointed at an emulator."""
    return subprocess.run(
        [sys.executable, "-m", "ops", *arguments],
        cwd=project,
        env=os.environ | {"AWS_ENDPOINT_URL": endpoint_url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
