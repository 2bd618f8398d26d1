"""The running system while Personalize fails: what clients see, and what has arrived afterwards."""

import uuid

import pytest

from tests.support.factories import request

DOCUMENTED = {200, 202, 429, 502, 503}


@pytest.fixture
def faults(stack):
    """``faults(**settings)`` switches faults of the engine on. The fixture switches them off at the end."""
    yield stack.engine.set_faults
    stack.engine.set_faults()


def received(stack, run):
    found, after = [], 0
    while page := stack.engine.control("GET", f"/_engine/events?after={after}")["events"]:
        found += [entry["eventId"] for entry in page if entry["eventId"].startswith(run)]
        after = page[-1]["seq"]
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {"throttleRate": 0.5, "errorRate": 0.2, "resetRate": 0.1},
        {"throttleRate": 1.0},
        {"errorRate": 1.0, "errorStatus": 500},
        {"resetRate": 1.0},
        {"lostAnswerRate": 0.5},
        {"accessDenied": True},
    ],
    ids="-".join,
)
def test_clients_see_documented_statuses_and_afterwards_everything_has_arrived_once(
    stack, post, faults, eventually, settings
):
    run = uuid.uuid4().hex[:8]
    faults(seed=1, **settings)
    sent = []
    for number in range(12):
        event = request(UserId=run, SessionId=f"{run}-{number % 3}", EventId=f"{run}-{number}")
        status, body, headers = post("history", event)
        assert (status, body) == (202, {"EventId": f"{run}-{number}"})
        sent.append(f"{run}-{number}")
        status, body, headers = post("recommendations", {"userId": run, "numResults": 3})
        assert status in DOCUMENTED
        assert ("Retry-After" in headers) == (status in (429, 503))
        assert ("Code" in body) == (status != 200)
    faults()
    arrived = eventually(lambda: len(found := received(stack, run)) >= len(sent) and found, seconds=60.0)
    assert sorted(arrived) == sorted(sent)
    for session in range(3):
        numbers = [int(name.split("-")[1]) for name in arrived if int(name.split("-")[1]) % 3 == session]
        assert numbers == sorted(numbers)
