"""No pattern takes more than linear time, whatever text it is held against.

Python's engine tries again from every place where a pattern could have matched otherwise. Two parts that
match the same characters make that quadratic, three make it cubic: a thousand characters then cost a second.
"""

import ast
import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.personalize.shapes import EVENTS, RUNTIME, linear_pattern, service_model
from ops.packaging import merge

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CODE = [
    ROOT / "app.py",
    *(f for top in ("chalicelib", "ops", "local", "simulation", "bench") for f in (ROOT / top).rglob("*.py")),
]
METHODS = ("compile", "match", "fullmatch", "search", "sub", "subn", "findall", "finditer", "split")

# Held against texts that fail late, in a process of its own: CPU seconds are counted, not those of the clock.
# Linear work on the longest text takes a millisecond.
PROGRAM = """
import json, re, resource, sys, time
resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
job = json.load(sys.stdin)
encode = str.encode if job["is_bytes"] else str
pattern = re.compile(encode(job["pattern"]))
for head, body, tail in job["texts"]:
    for length in (500, 700, 1_000, 5_000, 20_000):
        text = head + body * (length // len(body)) + tail
        started = time.process_time()
        result = getattr(pattern, job["method"])(*map(encode, job["before"]), encode(text))
        if job["method"] == "finditer":
            for _ in result:
                pass
        if time.process_time() - started > 0.5:
            sys.exit(f"{job['pattern']!r} is slow for {head!r}, {length} times {body!r}, {tail!r}")
"""
PIECES = ("a", "A", "0", " ", "-", ":", ".", "_", "/", "@", "%", "!", "é", "\n", "a:", "a.", "Error", "arn:a")
HEADS = (
    "", "a", "http://", "arn:aws:personalize:", "arn:aws", "a@", "/_aws/execute-api/a/", "/_aws/execute-api/",
    "2026-01-31T12:00:00.", "2026-01-31T12:00:00", "Personalize engine ready at http://",
    "import time: 1 | 1 |", "import time:", "kms", "userId", "Error",
)  # fmt: skip
TAILS = ("", "é", "\n\n", "\x00")
TEXTS = [*product(HEADS, PIECES, TAILS)]


def work(pattern, method):
    """What the process says that holds a pattern against all texts: nothing when it was linear."""
    job = {
        "pattern": pattern.decode() if isinstance(pattern, bytes) else pattern,
        "is_bytes": isinstance(pattern, bytes),
        "method": method,
        "before": [""] if method in ("sub", "subn") else [],
        "texts": TEXTS,
    }
    ended = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return "" if ended.returncode == 0 else ended.stderr or f"{pattern!r} used up its processor time"


def of_the_contract():
    """``pattern`` and ``patternProperties`` of every schema. fastjsonschema searches."""

    def walk(node):
        if isinstance(node, dict):
            if isinstance(node.get("pattern"), str):
                yield node["pattern"]
            yield from node.get("patternProperties", {})
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from walk(child)

    for path in sorted((ROOT / "chalicelib" / "contract").glob("*.json")):
        for pattern in walk(json.loads(path.read_text("utf-8"))):
            yield path.name, pattern.replace("$)", r"\Z)"), "search"


def of_the_templates():
    for path in sorted((ROOT / "resources").glob("*.yaml")):
        for parameter in merge.load(path.read_text("utf-8")).get("Parameters", {}).values():
            if "AllowedPattern" in parameter:
                yield path.name, parameter["AllowedPattern"], "fullmatch"


def of_the_services():
    for service in (RUNTIME, EVENTS):
        model = service_model(service)
        for name in model.shape_names:
            if pattern := model.shape_for(name).metadata.get("pattern"):
                yield f"{service} {name}", linear_pattern(pattern), "fullmatch"


def of_the_code():
    """Every call of re with a literal, and how the compiled ones are used in their module."""
    for path in CODE:
        tree = ast.parse(path.read_text("utf-8"))
        calls = [
            (node, ast.unparse(node.func.value), node.func.attr)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        ]
        uses = {(target, method) for _, target, method in calls}
        names = {
            id(node.value): ast.unparse(node.targets[0])
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
        }
        for call, target, called in calls:
            if target != "re" or called not in METHODS:
                continue
            pattern = call.args[0]
            if not isinstance(pattern, ast.Constant):
                yield path.name, None, ast.unparse(pattern)
                continue
            methods = [called]
            if called == "compile":
                name = names.get(id(call))
                methods = [m for n, m in uses if n == name and m in METHODS] or ["search", "fullmatch"]
            for method in methods:
                yield path.name, pattern.value, method


PATTERNS = sorted(
    {
        (origin, pattern, method)
        for found in (of_the_contract(), of_the_templates(), of_the_services(), of_the_code())
        for origin, pattern, method in found
        if pattern is not None
    },
    key=str,
)


def test_patterns_were_found_everywhere():
    origins = {origin for origin, _, _ in PATTERNS}
    assert {"event.schema.json", "pipeline.yaml", "errors.py", f"{EVENTS} EventAttributionSource"} <= origins


def test_what_is_no_literal_comes_from_the_templates_and_the_services():
    dynamic = {(origin, source) for origin, pattern, source in of_the_code() if pattern is None}
    assert dynamic == {("parameters.py", "pattern"), ("shapes.py", "linear_pattern(pattern)")}


@pytest.mark.parametrize(("origin", "pattern", "method"), PATTERNS, ids=lambda value: str(value)[:40])
def test_a_pattern_takes_linear_time(origin, pattern, method):
    assert work(pattern, method) == ""


@pytest.mark.parametrize("pattern", [r"^[ -~]*[!-~]+[ -~]*$", r"^[^@\s]+@[^@\s]+\.[^@\s]+$", r"a.*:.*:.+$"])
def test_a_pattern_that_does_not_is_found(pattern):
    assert work(pattern, "search")


@given(st.text(st.sampled_from(" !~aé\n\x1f\x7f"), max_size=8))
def test_the_attribution_source_takes_what_personalize_takes(text):
    schema = json.loads((ROOT / "chalicelib" / "contract" / "event.schema.json").read_text("utf-8"))
    ours = schema["properties"]["EventAttributionSource"]["pattern"].replace("$", r"\Z")
    theirs = service_model(EVENTS).shape_for("EventAttributionSource").metadata["pattern"].replace("$", r"\Z")
    assert bool(re.search(ours, text)) == bool(re.search(theirs, text))


@given(st.text(st.sampled_from("arn:personalize-1\n"), max_size=12))
def test_a_pattern_of_the_model_keeps_its_language(text):
    for service in (RUNTIME, EVENTS):
        model = service_model(service)
        for name in model.shape_names:
            if pattern := model.shape_for(name).metadata.get("pattern"):
                for value in (text, f"arn:aws:personalize:{text}"):
                    assert bool(re.fullmatch(linear_pattern(pattern), value)) == bool(
                        re.fullmatch(pattern, value)
                    )
