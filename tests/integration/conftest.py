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
    options = ("--port", "--engine-port", "--console-port")
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        for probe in (one, two, three):
            probe.bind(("127.0.0.1", 0))
        numbers = (str(probe.getsockname()[1]) for probe in (one, two, three))
        return [word for option in zip(options, numbers, strict=True) for word in option]
