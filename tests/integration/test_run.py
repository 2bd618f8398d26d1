"""``make run`` as a person sees it at the terminal."""

import json
import os
import re
import signal
import socket
import subprocess

import pytest

from tests.support.local_run import listening, ready


def test_the_printed_lines_work_when_pasted_and_the_next_run_keeps_the_state(run, ports, eventually):
    first = run(*ports)
    eventually(lambda: ready(first), 90)
    lines = re.findall(r"^(?:sleep 2; )?curl .*\\\n.*$", first.text, re.MULTILINE)
    before, sent, after, filtered = (json.loads(_paste(line)) for line in lines)
    assert sent["Accepted"] == 3
    assert before["itemList"] != after["itemList"]
    assert filtered["itemList"] not in ([], after["itemList"])
    eventually(lambda: re.search(r"200  POST /recommendations", first.text))
    eventually(lambda: re.search(r"202  POST /history .* 3 accepted", first.text))
    eventually(lambda: re.search(r"---  delivery .* 3 delivered  in 1 call\n", first.text))
    stack = first.stack
    assert listening(stack["consoleUrl"])
    assert stack["consoleUrl"] in first.text

    second = run(*ports)
    assert second.end() == 1
    assert "already running" in second.text

    assert first.interrupt() == 0
    assert "Stopped." in first.text
    assert not (first.home / "stack.json").exists()
    assert not listening(stack["awsEndpointUrl"])
    assert not listening(stack["personalizeUrl"])
    assert not listening(stack["consoleUrl"])

    third = run(*ports)
    eventually(lambda: ready(third), 90)
    assert third.stack == stack
    assert json.loads(_paste(lines[0]))["itemList"] == after["itemList"]
    # 'make' and a service manager send more than one, and a person presses Ctrl-C again.
    for number in (signal.SIGTERM, signal.SIGINT) * 10:
        third.process.send_signal(number)
    assert third.end() == 0


@pytest.mark.parametrize("option", ["--port", "--engine-port", "--console-port"])
def test_a_taken_port_is_named(run, ports, option):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ports[ports.index(option) + 1] = port
        terminal = run(*ports)
        assert terminal.end() == 1
    assert port in terminal.text
    assert "Traceback" not in terminal.text


def test_an_interruption_while_starting_leaves_nothing_running(run, ports, eventually):
    terminal = run(*ports)
    eventually(lambda: "Starting MiniStack" in terminal.text, 60)
    assert terminal.interrupt() == 0
    assert "Traceback" not in terminal.text
    assert not any(listening(f"http://127.0.0.1:{ports[n]}") for n in (1, 3, 5))


def test_a_folder_without_interactions_is_explained(run, ports, tmp_path):
    terminal = run(*ports, "--data", str(tmp_path))
    assert terminal.end() == 1
    assert "interactions.csv" in terminal.text
    assert "Traceback" not in terminal.text


def _paste(line):
    return subprocess.run(
        line, shell=True, check=True, capture_output=True, text=True, timeout=30, env=dict(os.environ)
    ).stdout
