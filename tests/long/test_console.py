"""The console in a browser while the whole local stack is stopped and started again."""

import socket

from playwright.sync_api import expect

from local.stack import running_stack
from tests.browser.conftest import browser, page  # noqa: F401 - fixtures


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_200_events_through_the_end_and_the_return_of_the_stack_are_trained_on_once(page, tmp_path):  # noqa: F811
    ports = {name: free_port() for name in ("emulator_port", "engine_port", "console_port")}
    sent = page.locator("[data-testid=count-sent] dd")
    with running_stack(tmp_path, **ports) as running:
        page.goto(f"{running.stack.consoleUrl}/#faults")
        for number in range(1, 4):
            page.click("#burst")
            expect(sent).to_have_text(str(20 * number))
    for number in range(4, 11):  # nobody is there
        page.click("#burst")
        expect(sent).to_have_text(str(20 * number))
    with running_stack(tmp_path, **ports) as running:
        trained = page.locator("[data-testid=count-trained] dd")
        expect(trained).to_have_text("200", timeout=120_000)
        events = running.engine.control("GET", "/_engine/events?after=0")["events"]
        ids = [event["eventId"] for event in events]
        assert len(ids) == len({*ids}) == 200
