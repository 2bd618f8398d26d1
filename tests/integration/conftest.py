"""What several files start: ``make run`` on free ports."""

import socket

import pytest

from tests.support.local_run import Terminal


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
    with socket.socket() as one, socket.socket() as two:
        for probe in (one, two):
            probe.bind(("127.0.0.1", 0))
        return [
            "--port", str(one.getsockname()[1]), "--engine-port", str(two.getsockname()[1])
        ]  # fmt: skip
