"""``chalicelib/version.py`` is the one place of the version; the changelog and the contract agree with it."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from chalicelib.version import VERSION

ROOT = Path(__file__).parents[2]
CATEGORIES = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
SECTIONS = re.findall(
    r"^## (.+)\n((?:(?!## ).*\n?)*)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
)


def test_the_newest_version_of_the_changelog_is_the_version():
    assert SECTIONS[0][0] == "[Unreleased]"
    assert SECTIONS[1][0].startswith(f"[{VERSION}] - ")


def test_the_contract_has_the_version():
    contract = json.loads((ROOT / "chalicelib" / "contract" / "openapi.json").read_text("utf-8"))
    assert contract["info"]["version"] == VERSION


@pytest.mark.parametrize("heading", [heading for heading, _ in SECTIONS[1:]])
def test_a_version_has_a_number_and_a_date(heading):
    found = re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d{2}-\d{2})", heading)
    assert found
    assert date.fromisoformat(found[1])


def test_the_newest_version_is_first():
    headings = [heading for heading, _ in SECTIONS[1:]]
    numbers = [tuple(map(int, heading[1:].split("]")[0].split("."))) for heading in headings]
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize(("heading", "text"), SECTIONS, ids=[heading for heading, _ in SECTIONS])
def test_every_entry_is_in_a_category_of_keep_a_changelog(heading, text):
    parts = re.split(r"^### (.+)\n", text, flags=re.MULTILINE)
    names = parts[1::2]
    assert parts[0].strip() == ""
    assert names == [name for name in CATEGORIES if name in names]
    assert all(entries.strip().startswith("- ") for entries in parts[2::2])
