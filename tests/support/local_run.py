"""``make run`` as a test starts it, and what a test asks about it."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.program import Program

ROOT = Path(__file__).parents[2]


class Terminal(Program):
    """``python -m local`` with a home of its own."""

    def __init__(self, home, *arguments, environment=None):
        super().__init__([sys.executable, "-m", "local", "--home", home, *arguments], ROOT, environment)
        self.home = home

    @property
    def stack(self):
        return json.loads((self.home / "stack.json").read_text())

    def children(self, words):
        """Return the ids of the programs that it has started, with ``words`` in their command line."""
        return children(self.process.pid, words)


def children(pid, words):
    """Return the ids of the programs that a program has started, with ``words`` in their command line."""
    command = ["ps", "-A", "-ww", "-o", "pid=,ppid=,command="]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return [int(row[0]) for row in rows if row[1] == str(pid) and len(row) > 2 and words in row[2]]


def ready(terminal):
    assert terminal.process.poll() is None, terminal.text
    return "as they happen" in terminal.text


def listening(url):
    with socket.socket() as probe:
        host, port = re.fullmatch(r"http://([\d.]+):(\d+)", url).groups()
        return probe.connect_ex((host, int(port))) == 0


@pytest.fixture
def run(tmp_path):
    """``run(*arguments)`` starts the program with a home of its own. The fixture stops what still runs."""
    started = []

    def start(*arguments, home=tmp_path / "home", environment=None):
        started.append(Terminal(home, *arguments, environment=environment))
        return started[-1]

    yield start
    for terminal in started:
        if terminal.process.poll() is None:
            terminal.interrupt()


@pytest.fixture
def ports():
    options = ("--port", "--engine-port", "--console-port")
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        for probe in (one, two, three):
            probe.bind(("127.0.0.1", 0))
        numbers = (str(probe.getsockname()[1]) for probe in (one, two, three))
        return [word for option in zip(options, numbers, strict=True) for word in option]
