"""``chalice local`` beside ``make run``, in a clean clone, as a developer uses both."""

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.packaging.bundle import BUILD
from tests.support import calls
from tests.support.program import Program

ROOT = Path(__file__).parents[2]
REQUESTS = 100


@contextmanager
def started(command, folder, environment):
    program = Program(command, folder, environment)
    try:
        yield program
    finally:
        program.stop()


def free_ports(count):
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture
def environment(tmp_path):
    """The environment of a developer who has set nothing, so that Python writes bytecode."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("MAKE")
    }
    return inherited | {"XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def clone(tmp_path, environment):
    """The files of version control, and a .venv as the Makefile makes it, without downloads by pip."""
    folder = tmp_path / "clone"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    shutil.copytree(BUILD / "wheels", folder / "build" / "wheels")
    subprocess.run(
        ["make", ".venv/.bytecode", f"PYTHON={sys.executable}"],
        cwd=folder, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    (site_packages,) = (folder / ".venv").glob("lib/python*/site-packages")
    (site_packages / "installed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    chalice = folder / ".venv" / "bin" / "chalice"
    chalice.write_text(
        f"#!{folder}/.venv/bin/python\nimport sys\nfrom chalice.cli import main\nsys.exit(main())\n"
    )
    chalice.chmod(0o755)
    (folder / ".venv" / ".installed").touch()
    return folder


def test_requests_cause_no_restart_and_a_change_of_the_code_causes_one(
    clone, environment, tmp_path, eventually
):
    port, engine_port, console_port, local_port = free_ports(4)
    config = clone / ".chalice" / "config.json"
    text = config.read_text()
    config.write_text(text.replace(":4566", f":{port}").replace(":4567", f":{engine_port}"))
    run = ["make", "run", f"PORT={port}", f"ENGINE_PORT={engine_port}", f"CONSOLE_PORT={console_port}"]
    local = [".venv/bin/chalice", "local", "--stage", "local", "--port", str(local_port)]
    with started(run, clone, environment) as stack:
        eventually(lambda: stack.says("as they happen"), 120)
        with started(local, clone, environment) as server:
            eventually(lambda: server.says("Serving on"), 60)

            def post(route, body):
                return calls.post(f"http://127.0.0.1:{local_port}/{route}", body, key=None)[0]

            def send_requests(number):
                session = f"s{number}"
                event = {"SessionId": session, "EventType": "read", "Event": {"itemId": "emma"}}
                assert post("history", event) == 202
                assert post("recommendations", {"userId": session}) == 200

            for number in range(REQUESTS // 2):
                send_requests(number)
            eventually(lambda: sum(int(n) for n in _delivered(stack)) >= REQUESTS // 2, 60)
            assert server.says("Serving on") == 1

            os.utime(clone / "app.py")
            eventually(lambda: server.says("Serving on") == 2, 30)
            for number in range(REQUESTS // 2):
                send_requests(number)
            assert server.says("Serving on") == 2
        coordinates = json.loads((clone / ".local" / "stack.json").read_text())
        assert coordinates["apiUrl"].startswith(f"http://127.0.0.1:{port}/")
    assert not (clone / ".local" / "stack.json").exists()
    assert [path for path in clone.rglob("__pycache__") if ".venv" not in path.parts] == []
    assert [*(tmp_path / "state").rglob("app.cpython-*.pyc")] != []


def test_make_clean_removes_the_state_outside_the_project(clone, environment, tmp_path):
    assert [*(tmp_path / "state" / "personalize-api").iterdir()]
    subprocess.run(
        ["make", "clean", f"PYTHON={sys.executable}"],
        cwd=clone, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    assert [*(tmp_path / "state" / "personalize-api").iterdir()] == []
    assert not (clone / ".venv").exists()


def _delivered(stack):
    """Yield the number of events of each delivery that the stack has shown."""
    for line in stack.lines:
        words = line.split()
        if "delivery" in words and "delivered" in words:
            yield words[words.index("delivered") - 1]
