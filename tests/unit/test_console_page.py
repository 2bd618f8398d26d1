"""What the console's server serves: its files, and what it reads from a data folder."""

import json

import pytest

from local import catalogue
from local.console.catalogue import MAX_ITEMS, Catalogue, filter_of, item_of
from local.console.page import Page
from local.console.site import Site, security_headers


def test_files_are_served_by_name_and_nothing_else_is(tmp_path):
    folder = tmp_path / "console"
    (folder / "part").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    names = ("index.html", "client.js", "part/view.js", "README.md", ".hidden.js", ".hidden/a.js", "a.py")
    for name in names:
        (folder / name).write_text("any")
    (tmp_path / "secret.js").write_text("any")
    (folder / "link.js").symlink_to(tmp_path / "secret.js")
    assert {*Site(folder).files()} == {"/", "/index.html", "/client.js", "/part/view.js"}


def test_the_policy_allows_this_server_and_the_api_only():
    policy = security_headers("https://api.example")["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert "connect-src 'self' https://api.example" in policy
    assert "unsafe-inline" not in str(policy)
    assert "*" not in str(policy)


def test_an_item_has_the_columns_of_the_catalogue():
    found = Catalogue(catalogue.FOLDER)
    emma = found.items["emma"]
    assert (emma["title"], emma["author"], emma["year"]) == ("Emma", "Jane Austen", 1815)
    assert emma["genres"]
    assert found.some(["unknown"])["items"] == []
    assert found.some([])["total"] == len(found.items) == len(found.some([])["items"])
    assert [item["id"] for item in found.some(["emma", "unknown", "dracula", "emma"])["items"]] == [
        "emma",
        "dracula",
    ]


def test_an_item_of_other_data_has_what_there_is():
    row = {"ITEM_ID": "1", "Name": "A film", "Category": "a|b", "PRICE": "3", "EMPTY": ""}
    assert item_of(row) == {
        "id": "1",
        "title": "A film",
        "author": None,
        "genres": ["a", "b"],
        "year": None,
        "metadata": {"PRICE": "3"},
    }
    assert item_of({"ITEM_ID": "1", "TITLE": ""})["title"] == "1"


def test_a_folder_with_interactions_only_has_users_and_no_items(tmp_path):
    rows = "".join(f"u{number % 40},a,1,Watch\n" for number in range(100))
    (tmp_path / "interactions.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n" + rows)
    found = Catalogue(tmp_path)
    assert found.users[:3] == ["u0", "u1", "u2"]
    assert len(found.users) < 40
    assert found.settings()["eventTypes"] == ["Watch"]
    assert found.settings()["metadataColumns"] == []
    assert found.some(["any"]) == {"items": [], "total": 0}


def test_of_a_large_catalogue_the_first_items_are_returned(tmp_path):
    (tmp_path / "items.csv").write_text("ITEM_ID\n" + "\n".join(map(str, range(MAX_ITEMS + 5))))
    found = Catalogue(tmp_path)
    assert len(found.some([])["items"]) == MAX_ITEMS
    assert found.some([])["total"] == MAX_ITEMS + 5
    assert [item["id"] for item in found.some([str(MAX_ITEMS + 1)])["items"]] == [str(MAX_ITEMS + 1)]


@pytest.mark.parametrize(
    ("expression", "target", "parameters", "needs"),
    [
        (
            "INCLUDE ItemID WHERE Items.GENRES IN ($G)",
            "items",
            [("G", "GENRES", "text", True)],
            (False, False),
        ),
        ("EXCLUDE ItemID WHERE Items.YEAR < $Y", "items", [("Y", "YEAR", "number", False)], (False, False)),
        ("INCLUDE ItemID WHERE Items.AUTHOR IN CurrentItem.AUTHOR", "items", [], (True, False)),
        ('EXCLUDE ActionID WHERE Actions.KIND IN ("a")', "actions", [], (False, False)),
        (
            'EXCLUDE ItemID WHERE Items.GENRES IN ("a") IF CurrentUser.AGE < $AGE',
            "items",
            [("AGE", "AGE", "number", False)],
            (False, True),
        ),
    ],
)
def test_a_filter_says_what_a_request_has_to_have(expression, target, parameters, needs):
    found = filter_of("f", expression)
    assert (found["target"], (found["needsItem"], found["needsUser"])) == (target, needs)
    assert [tuple(parameter.values()) for parameter in found["parameters"]] == parameters


def test_filters_that_cannot_be_read_are_left_out(tmp_path):
    (tmp_path / "filters.json").write_text(json.dumps([{"name": "f", "filterExpression": "INCLUDE"}]))
    assert Catalogue(tmp_path).filters == []


def test_a_deployed_stage_has_no_key_and_says_when_its_api_keeps_the_page_out():
    page = Page("prod", "https://api.example/api", ("https://shop.example",))
    config = page.config("http://127.0.0.1:4569")
    assert (config["stage"], config["isLocal"], config["apiKey"]) == ("prod", False, None)
    assert "Add http://127.0.0.1:4569" in config["notice"]
    for allowed in ("*", "http://127.0.0.1:4569"):
        assert Page("prod", page.api_url, (allowed,)).config("http://127.0.0.1:4569")["notice"] is None
