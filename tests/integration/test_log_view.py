"""The lines of ``make run``, read from the real emulator while functions log."""

import json
import threading
from urllib.request import urlopen

import pytest

from local.function_log import PATH
from local.log_view import EXPECTED_ERROR, show_log_lines

READ = {"UserId": "ann", "SessionId": "s", "EventType": "read", "Event": {"itemId": "dracula"}}


@pytest.fixture
def shown(stack):
    """The lines that the view has shown. It begins with those since the emulator's start."""
    lines, stop = [], threading.Event()
    view = threading.Thread(target=show_log_lines, args=(stack.stack.awsEndpointUrl, lines.append, stop))
    view.start()
    yield lines
    stop.set()
    view.join()


def logged(stack):
    """Return everything that the functions have logged."""
    with urlopen(f"{stack.stack.awsEndpointUrl}{PATH}") as response:
        return [text for _, text in json.load(response)["lines"]]


def statuses(lines, route):
    return [line.split()[1] for line in lines if f" {route} " in line]


def test_every_line_is_shown_once_in_the_order_in_which_it_was_logged(stack, post, shown, eventually):
    sent = [post("recommendations", {"userId": "ann", "numResults": n})[0] for n in [1, 0, 2, 0, 0, 3] * 4]
    assert sent == [200, 400, 200, 400, 400, 200] * 4
    entries = [json.loads(text) for text in logged(stack) if '"message":"Recommendations"' in text]
    expected = [str(entry["status"]) for entry in entries]
    assert expected[-len(sent) :] == [str(status) for status in sent]

    def is_shown():
        """Log and view keep the newest lines: after thousands, each may begin later than the other."""
        found = statuses(shown, "/recommendations")
        both = min(len(found), len(expected))
        return both >= len(sent) and found[-both:] == expected[-both:]

    eventually(is_shown)


def test_a_delivery_that_will_be_repeated_is_shown_without_its_traceback(stack, post, shown, eventually):
    stack.engine.set_faults(accessDenied=True, operations=["PutEvents"])
    try:
        assert post("history", READ)[0] == 202
        eventually(lambda: any(" retried " in line for line in shown), 60)
    finally:
        stack.engine.set_faults()
    retries = len(shown)
    eventually(lambda: any(" delivered " in line for line in shown[retries:]), 60)
    assert any(EXPECTED_ERROR in text for text in logged(stack))
    assert not [line for line in shown if "Traceback" in line or EXPECTED_ERROR in line or 'File "' in line]


def test_the_output_of_the_emulator_does_not_grow_with_every_delivery(stack, post, shown, eventually):
    output = stack.emulator.output

    def deliver():
        earlier = len(shown)
        assert post("history", READ)[0] == 202
        eventually(lambda: any(" delivered " in line for line in shown[earlier:]))

    deliver()  # a worker of each function has started
    size = output.stat().st_size
    for _ in range(3):
        deliver()
    assert output.stat().st_size == size
