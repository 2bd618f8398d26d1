"""Dependencies point one way: a folder imports only those that DIRECTIONS names. No import is a cycle."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIRECTIONS = {
    "app": {"chalicelib"},
    "chalicelib": set(),
    "ops": {"chalicelib"},
    "local": {"ops", "chalicelib"},
    "simulation": {"local", "chalicelib", "app"},
    "bench": {"app", "chalicelib", "ops", "local", "simulation"},
}
"""simulation and bench run the application itself, in processes of their own."""


def modules():
    yield "app", ROOT / "app.py"
    for folder in DIRECTIONS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


MODULES = dict(modules())


def imports(name):
    """Our modules that a module imports, also inside functions and for types."""
    tree = ast.parse(MODULES[name].read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def test_the_application_and_every_folder_were_found():
    assert {name.partition(".")[0] for name in MODULES} == set(DIRECTIONS)


@pytest.mark.parametrize("folder", DIRECTIONS)
def test_a_folder_imports_only_what_it_may(folder):
    backwards = {
        (name, found)
        for name in MODULES
        if name.partition(".")[0] == folder
        for found in imports(name)
        if found.partition(".")[0] not in DIRECTIONS[folder] | {folder}
    }
    assert backwards == set()


def test_only_the_application_knows_chalice():
    knowing = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for module in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        if (module or "").partition(".")[0] == "chalice"
    }
    assert knowing == {"app"}


def test_no_module_imports_itself_by_way_of_others():
    graph = {name: {*imports(name)} - {name} for name in MODULES}
    # A package's own parts are imported by it; that is its content and no cycle.
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        path.append(name)
        for found in sorted(graph[name]):
            if cycle := visit(found):
                return cycle
        path.pop()
        done.add(name)
        return None

    assert [cycle for name in sorted(graph) if (cycle := visit(name))] == []


def test_every_folder_says_what_it_is_for():
    folders = {path.parent for path in MODULES.values()} - {ROOT}
    for folder in folders:
        text = (folder / "__init__.py").read_text("utf-8")
        assert ast.get_docstring(ast.parse(text)), folder
