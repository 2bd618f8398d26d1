"""No view of the console has a serious or critical fault in the eyes of axe-core, light and dark."""

import os

import pytest

from tests.browser.conftest import browser  # noqa: F401 - a fixture
from tests.support.node import NODE_FOLDER

AXE = NODE_FOLDER / "node_modules" / "axe-core" / "axe.min.js"
VIEWS = ("shop", "pipeline", "debugger", "faults")
RUN = """
async () => {
    const {violations} = await axe.run(document, {resultTypes: ["violations"]});
    return violations
        .filter(({impact}) => impact === "serious" || impact === "critical")
        .map(({id, nodes}) => `${id}: ${nodes.slice(0, 3).map(({target}) => target.join(" ")).join(", ")}`);
}
"""


@pytest.fixture(scope="module")
def axe():
    if not AXE.exists():
        sentence = "There is no axe-core. Install node and npm, and run the tests with 'make test'."
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    return AXE.read_text("utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_no_serious_fault(browser, stack, axe, view, scheme):  # noqa: F811
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{stack.stack.consoleUrl}/#{view}")
    page.wait_for_selector("[data-testid=card]" if view == "shop" else f"#view-{view}:not([hidden])")
    # By the debugging protocol, which no Content-Security-Policy keeps out.
    page.evaluate(axe)
    assert page.evaluate(RUN) == []
    context.close()
