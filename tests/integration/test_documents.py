"""The examples of the documents, executed as they are written."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)(?: (.+?))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
API = BLOCK.findall((DOCS / "api.md").read_text("utf-8"))
REQUESTS = [
    (route, body, API[index + 1 : index + 2])
    for index, (_, route, body) in enumerate(API)
    if route.startswith("POST ")
]
PROGRAMS = [
    (language, program)
    for language, _, program in BLOCK.findall((DOCS / "clients.md").read_text("utf-8"))
    if "stack.json" not in program and language != "html"  # run in a browser by tests/browser/test_client.py
]


def test_there_is_an_example_of_every_route():
    routes = {route.removeprefix("POST /").partition("?")[0] for route, _, _ in REQUESTS}
    assert routes == {"recommendations", "ranking", "action-recommendations", "history", "events"}


@pytest.mark.parametrize(("route", "body", "following"), REQUESTS, ids=lambda value: str(value)[:60])
def test_a_request_of_the_documentation_works(post, route, body, following):
    status, response, _ = post(route.removeprefix("POST /"), json.loads(body))
    assert status in (200, 202), response
    for _, documented, example in following:
        if documented == str(status):
            assert set(json.loads(example)) == set(response)


@pytest.mark.parametrize(("language", "program"), PROGRAMS, ids=lambda value: str(value)[:40])
def test_a_program_of_the_documentation_runs(stack, language, program):
    command = {
        "sh": [shutil.which("sh"), "-euc", program],
        "python": [sys.executable, "-c", program],
        "js": [shutil.which("node"), "--input-type=module", "-e", program],
    }[language]
    if command[0] is None:
        sentence = f"There is no program for {language}. Install Node.js 20."
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    ended = subprocess.run(
        command,
        env=os.environ | {"URL": stack.stack.apiUrl, "KEY": stack.stack.apiKey},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()
    assert not ended.stdout.startswith('{"Code"')
