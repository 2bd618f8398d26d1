"""The sentences of the console: each in both languages, none missing and none left over."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "console"
ENTRY = re.compile(r'^  (\w+): \[("(?:[^"\\]|\\.)*"),\s*("(?:[^"\\]|\\.)*")\],$', re.MULTILINE)
DERIVED = ("source_", "part_", "do_", "state_", "ex_", "fault_", "about_", "target_")
"""Names that are put together: t(`part_${name}`)."""


@pytest.fixture(scope="module")
def texts():
    source = (FOLDER / "i18n.js").read_text(encoding="utf-8")
    found = {name: (english, spanish) for name, english, spanish in ENTRY.findall(source)}
    assert len(found) == len(re.findall(r"^  \w+: \[", source, re.MULTILINE))
    return found


@pytest.fixture(scope="module")
def page():
    paths = [*FOLDER.glob("*.js"), FOLDER / "index.html"]
    return "".join(path.read_text(encoding="utf-8") for path in paths if path.name != "i18n.js")


def test_both_languages_name_the_same_values(texts):
    for english, spanish in texts.values():
        values = [sorted(set(re.findall(r"\{(\w+)\}", sentence))) for sentence in (english, spanish)]
        assert values[0] == values[1], english


def test_every_sentence_that_the_page_asks_for_is_there(texts, page):
    asked = {*re.findall(r'\bt\("(\w+)"', page), *re.findall(r'data-(?:text|label)="(\w+)"', page)}
    assert asked - {*texts} == set()


def test_no_sentence_is_left_over(texts, page):
    words = {*re.findall(r"\w+", page)}
    assert {name for name in texts if name not in words and not name.startswith(DERIVED)} == set()


def test_nothing_is_parsed_as_html_or_styled_inline(page):
    for forbidden in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        " style=",
        "eval(",
    ):
        assert forbidden not in page
