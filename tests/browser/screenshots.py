"""Makes the pictures of docs/images from the console of a local stack: ``make screenshots``.

    python -m tests.browser.screenshots

It starts a stack of its own on free ports, and needs Debian's chromium.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from local.stack import Running, running_stack
from tests.browser.conftest import NAMES

FOLDER = Path(__file__).parents[2] / "docs" / "images"
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
WAIT_MS = 20_000


def main() -> int:
    """Make all pictures and return the exit status."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        print("No Chromium is on the PATH. Install one: apt-get install chromium.", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as home,
        running_stack(Path(home), report=print) as running,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path)
        _shop(browser, running)
        _pipeline(browser, running)
        _debugger(browser, running)
        _phone(browser, running)
        browser.close()
    return 0


@contextmanager
def _opened(
    browser: Browser, running: Running, view: str, size: dict[str, int], scheme: str
) -> Iterator[Page]:
    look: Any = {"viewport": size, "color_scheme": scheme, "reduced_motion": "reduce"}
    context = browser.new_context(locale="en-GB", **look)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{running.stack.consoleUrl}/#{view}")
    page.wait_for_selector(f"#view-{view}:not([hidden])")
    yield page
    context.close()


def _save(page: Page, name: str) -> None:
    page.screenshot(path=FOLDER / f"{name}.png")
    print(f"Wrote docs/images/{name}.png")


def _shop(browser: Browser, running: Running) -> None:
    """A shelf after a click: what is new, and what moved up."""
    with _opened(browser, running, "shop", DESKTOP, "light") as page:
        page.wait_for_selector("[data-testid=card]")
        page.click("[data-testid=card] button[data-action=like] >> nth=1")
        page.wait_for_selector(".badge")
        _save(page, "shop")


def _pipeline(browser: Browser, running: Running) -> None:
    """Events that pass while Personalize throttles, and one in the quarantine."""
    with _opened(browser, running, "faults", DESKTOP, "dark") as page:
        page.click("#put-bad")
        running.engine.set_faults(operations=["PutEvents"], throttleRate=0.7, seed=1)
        page.click("#burst")
        page.goto(f"{running.stack.consoleUrl}/#pipeline")
        page.wait_for_selector("[data-testid=quarantined]")
        page.wait_for_function("() => Number(document.querySelector('#part-api').dataset.count) > 20")
        _save(page, "pipeline")
    running.engine.set_faults()


def _debugger(browser: Browser, running: Running) -> None:
    with _opened(browser, running, "debugger", DESKTOP, "light") as page:
        page.click("#example-misspelt")
        page.click("#judge")
        page.wait_for_selector("[data-testid=judged]")
        _save(page, "debugger")


def _phone(browser: Browser, running: Running) -> None:
    with _opened(browser, running, "shop", PHONE, "dark") as page:
        page.wait_for_selector("[data-testid=card]")
        _save(page, "phone")


if __name__ == "__main__":
    sys.exit(main())
