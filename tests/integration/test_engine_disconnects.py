"""Clients of the engine that leave before the end of a request: no traceback, and the engine goes on."""

import json
import socket
import struct
from urllib.parse import urlsplit

import pytest

from local.personalize import CAMPAIGN_ARN, TRACKING_ID
from local.personalize.process import running_engine

EVENT = {"eventType": "view", "sentAt": 1770000000, "itemId": "dracula"}
CALLS = {
    "/recommendations": {"campaignArn": CAMPAIGN_ARN, "userId": "ann"},
    "/personalize-ranking": {"campaignArn": CAMPAIGN_ARN, "userId": "ann", "inputList": ["dracula"]},
    "/events": {"trackingId": TRACKING_ID, "sessionId": "s", "eventList": [EVENT]},
    "/_engine/faults": {"latencyMs": 0},
    "/no-such-path": {},
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    with running_engine(database=folder / "events.sqlite", output=folder / "engine.log") as running:
        yield running


def leave(engine, path, *, part, reset):
    """Send the first ``part`` of a request, then close the connection: with RST, or as usual with FIN."""
    body = json.dumps(CALLS[path]).encode()
    method = "PUT" if path.startswith("/_engine") else "POST"
    address = urlsplit(engine.url)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall((head + body)[: int(len(head) + part * len(body))])
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("part", [0, 0.5, 1], ids=["before the body", "in the body", "before the response"])
@pytest.mark.parametrize("path", CALLS)
def test_a_client_that_leaves_causes_no_traceback(engine, path, part, reset, eventually):
    leave(engine, path, part=part, reset=reset)
    assert engine.control("GET", "/_engine/health")["status"] == "ok"
    assert engine.output.read_text().count("\n") == 1, engine.output.read_text()


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("part", [0.5, 1], ids=["in the body", "before the response"])
@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"throttleRate": 1},
        {"errorRate": 1},
        {"accessDenied": True},
        {"resetRate": 1},
        {"lostAnswerRate": 1},
        {"invalidItemIds": ["dracula"]},
    ],
    ids=lambda fault: "-".join(fault) or "delay",
)
def test_a_client_that_leaves_during_a_fault_causes_no_traceback(engine, fault, part, reset, eventually):
    injected = sum(engine.control("GET", "/_engine/stats")["faults"].values())
    engine.set_faults(latencyMs=50, **fault)
    try:
        leave(engine, "/events", part=part, reset=reset)
        eventually(lambda: sum(engine.control("GET", "/_engine/stats")["faults"].values()) > injected)
    finally:
        engine.set_faults()
    assert engine.control("GET", "/_engine/health")["status"] == "ok"


def test_nothing_but_the_first_line_is_printed_to_the_end(tmp_path, eventually):
    """All of the above at once, until the engine has ended: nothing is left to be printed later."""
    log = tmp_path / "engine.log"
    with running_engine(database=tmp_path / "events.sqlite", output=log) as engine:
        for latency in (0, 200):
            engine.set_faults(latencyMs=latency)
            for path in CALLS:
                for part in (0, 0.5, 1):
                    leave(engine, path, part=part, reset=False)
                    leave(engine, path, part=part, reset=True)
    assert log.read_text().count("\n") == 1, log.read_text()
