"""``make run`` while its programs are killed: what it prints, what goes on, and what is kept."""

import json
import os
import signal
import urllib.request

from tests.support import calls
from tests.support.local_run import children, listening, ready


def kill(pids):
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def engine_of(terminal):
    return terminal.children("local.personalize")


def emulator_of(terminal):
    return terminal.children("local.guarded_emulator")


def call(terminal, route, body):
    stack = terminal.stack
    return calls.post(f"{stack['apiUrl']}/{route}", body, key=stack["apiKey"])


def recommends(terminal):
    return call(terminal, "recommendations", {"userId": "ann"})[0] == 200


def send(terminal, event_id):
    event = {"UserId": "ann", "SessionId": "s", "EventType": "read", "Event": {"itemId": "dracula"}}
    assert call(terminal, "history", event | {"EventId": event_id})[0] == 202


def engine_events(terminal):
    with urllib.request.urlopen(terminal.stack["personalizeUrl"] + "/_engine/events", timeout=10) as response:
        return [event["eventId"] for event in json.load(response)["events"]]


def set_faults(terminal, **faults):
    request = urllib.request.Request(
        terminal.stack["personalizeUrl"] + "/_engine/faults", json.dumps(faults).encode(), method="PUT"
    )
    urllib.request.urlopen(request, timeout=10).close()


def test_programs_that_are_killed_cost_nothing_that_was_saved(run, ports, eventually):
    first = run(*ports)
    eventually(lambda: ready(first), 120)
    send(first, "before")
    eventually(lambda: engine_events(first) == ["before"], 60)

    (emulator,) = emulator_of(first)
    kill(children(emulator, "_worker.py"))
    eventually(lambda: recommends(first), 60)
    send(first, "after-the-workers")
    eventually(lambda: engine_events(first) == ["before", "after-the-workers"], 60)

    kill(engine_of(first))
    send(first, "without-engine")
    eventually(lambda: "ready again" in first.text, 60)
    assert "The Personalize engine has ended (killed by SIGKILL" in first.text
    eventually(lambda: recommends(first), 60)
    known = ["before", "after-the-workers", "without-engine"]
    eventually(lambda: engine_events(first) == known, 60)

    set_faults(first, errorRate=1, operations=["PutEvents"])
    send(first, "saved")
    state = first.home / "emulator" / "state" / "kinesis.json"
    sent = json.loads(state.read_text())["payload"]["streams"] if state.exists() else None
    eventually(lambda: state.exists() and json.loads(state.read_text())["payload"]["streams"] != sent, 60)
    stack = first.stack
    kill(emulator_of(first))
    assert first.end() == 1
    (sentence,) = [line for line in first.lines if "MiniStack" in line and "has ended" in line]
    assert "killed by SIGKILL" in sentence
    assert "not delivered yet are lost" in sentence
    assert "Traceback" not in first.text
    assert not (first.home / "stack.json").exists()
    assert not any(listening(stack[url]) for url in ("awsEndpointUrl", "personalizeUrl", "consoleUrl"))

    second = run(*ports)
    eventually(lambda: ready(second), 120)
    assert second.stack["apiKey"] == stack["apiKey"]
    eventually(lambda: engine_events(second) == [*known, "saved"], 60)

    set_faults(second, errorRate=1, operations=["PutEvents"])
    send(second, "just-accepted")
    kill([second.process.pid])
    third = run(*ports)  # at once: the programs of the second one are still ending
    eventually(lambda: ready(third), 120)
    eventually(lambda: engine_events(third) == [*known, "saved", "just-accepted"], 60)
    assert third.interrupt() == 0
    assert second.end() == -signal.SIGKILL


def test_an_engine_that_ends_after_each_start_ends_the_run_with_a_sentence(run, ports, eventually):
    terminal = run(*ports)
    eventually(lambda: ready(terminal), 120)
    (database,) = terminal.home.glob("events-*.sqlite")
    kill(engine_of(terminal))
    database.write_bytes(b"not a database" * 1000)
    database.with_name(database.name + "-wal").unlink()
    eventually(lambda: terminal.process.poll() is not None, 120)
    assert terminal.end() == 1
    assert "times in a row" in terminal.text
    assert f"rm {database}" in terminal.text
    assert "Traceback" not in terminal.text

    again = run(*ports)
    assert again.end() == 1
    assert f"rm {database}" in again.text
    assert "Traceback" not in again.text


def test_kept_is_said_only_when_the_state_was_saved(run, ports, eventually):
    terminal = run(*ports)
    eventually(lambda: ready(terminal), 120)
    # As on a full disk, nothing can be written there any more.
    folder = terminal.home / "emulator" / "state"
    folder.rename(folder.with_name("moved"))
    folder.write_text("a file")
    (account,) = (terminal.home / "emulator" / "s3").iterdir()
    (account / terminal.stack["bucket"]).write_text("a file")
    send(terminal, "any")
    eventually(lambda: engine_events(terminal) == ["any"], 60)
    output = terminal.home / "emulator" / "ministack.log"
    eventually(lambda: "Failed to persist" in output.read_text(), 60)
    spool = terminal.home / "emulator" / "archive-spool"
    spool.rename(spool.with_name("moved-spool"))
    spool.write_text("a file")
    send(terminal, "other")
    eventually(lambda: engine_events(terminal) == ["any", "other"], 60)
    assert terminal.interrupt() == 1
    assert "The state of the emulator could not be saved" in terminal.text
    assert "Objects of the archive could not be written (2, the last: " in terminal.text
    assert "kept in" not in terminal.text
    assert "Traceback" not in terminal.text
