"""A route is whole: whatever openapi.json names has its route, key, module, right, heading and log name.

The test names what a new route lacks.
"""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from chalicelib import contract
from chalicelib.api import log_name
from local import log_view

ROOT = Path(__file__).parents[2]
OPENAPI = json.loads((Path(contract.__file__).parent / "openapi.json").read_text("utf-8"))
OPERATIONS = [
    (path, method.upper(), operation)
    for path, methods in OPENAPI["paths"].items()
    for method, operation in methods.items()
]


def missing(path, method, operation, parts):
    """Yield what there is not of an operation."""
    routes, policy, headings = parts
    if method not in routes.get(path, {}):
        yield "a route in app.py"
    elif ("security" in operation) != routes[path][method].api_key_required:
        yield "the same need of an API key in app.py and in openapi.json"
    name = operation["x-module"]
    try:
        module = import_module(f"chalicelib.api.{name}")
    except ImportError:
        yield f"the module chalicelib/api/{name}.py"
        return
    if not callable(getattr(module, "handle", None)):
        yield f"handle() in chalicelib/api/{name}.py"
    for action in getattr(module, "IAM_ACTIONS", ["IAM_ACTIONS in the module"]):
        if action not in policy:
            yield f"{action} in .chalice/policy-api-handler.json"
    if f"{method} {path}" not in headings:
        yield f"a heading with `{method} {path}` in docs/api.md"
    line = json.dumps({"message": log_name(name), "status": 200, f"{log_name(name)}Duration": [1.0]})
    if path not in (log_view.to_line(line) or "") and not operation.get("x-alias-of"):
        yield f"a line of the log view for {log_name(name)}"


@pytest.fixture
def parts():
    import app  # noqa: PLC0415 - it reads its settings at import, which tests/conftest.py provides first

    policy = json.loads((ROOT / ".chalice" / "policy-api-handler.json").read_text())
    actions = {
        action
        for statement in policy["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    api = (ROOT / "docs" / "api.md").read_text("utf-8")
    headings = " ".join(re.findall(r"(?m)^#+ .*$", api)).replace("`", "")
    return app.app.routes, actions, headings


@pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=[f"{method} {path}" for path, method, _ in OPERATIONS]
)
def test_a_route_lacks_nothing(parts, path, method, operation):
    assert [*missing(path, method, operation, parts)] == []


def test_every_route_of_the_application_is_in_the_contract(parts):
    routes, _, _ = parts
    found = {(path, method) for path, methods in routes.items() for method in methods}
    assert found == {(path, method) for path, method, _ in OPERATIONS}


def test_a_route_that_has_nothing_is_told_all_that_it_lacks(parts):
    told = [*missing("/new", "POST", {"x-module": "new"}, parts)]
    assert told == ["a route in app.py", "the module chalicelib/api/new.py"]
    told = [*missing("/new", "POST", {"x-module": "history"}, parts)]
    assert "a heading with `POST /new` in docs/api.md" in told
