"""The links of the documents lead somewhere, and the check would notice one that does not."""

import pytest

from tests.support.links import anchors, broken_links, documents, links


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Removing", "removing"),
        ("One stack: `make deploy-stack`", "one-stack-make-deploy-stack"),
        ("On the developer's machine", "on-the-developers-machine"),
        ("¿Qué cuesta? Añadir_más", "qué-cuesta-añadir_más"),
        ("GET /openapi.json, GET /health", "get-openapijson-get-health"),
        ("A — B", "a--b"),
        ("[Unreleased](https://example.com)", "unreleased"),
        ("[0.1.0] - 2026-11-25", "010---2026-11-25"),
    ],
)
def test_a_heading_is_reached_by_the_anchor_that_github_makes_of_it(heading, anchor):
    assert anchors(f"# Title\n\n## {heading}\n") == {"title", anchor}


def test_headings_of_equal_text_are_numbered():
    assert anchors("# Same\n\n## Same\n\nSame\n----\n") == {"same", "same-1", "same-2"}


def test_what_is_in_code_is_neither_a_heading_nor_a_link():
    text = "```\n# No heading\n[no](link.md)\n```\n\n`[no](link.md)`\n\n    # No heading\n"
    assert (anchors(text), [*links(text)]) == (set(), [])


def test_links_are_found_in_tables_lists_and_references_and_so_are_images():
    text = "| a |\n|---|\n| [x](one.md) |\n\n- [two]\n- ![three](three.png)\n\n[two]: two.md\n"
    assert [*links(text)] == ["one.md", "two.md", "three.png"]


@pytest.fixture
def document(tmp_path):
    """``document(text)`` writes a document beside ``other.md``, which has the heading "There"."""

    def write(text):
        (tmp_path / "other.md").write_text("# There\n")
        path = tmp_path / "one.md"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    "target", ["other.md", "other.md#there", "#here", ".", "https://example.com/#x", "mailto:a@example.com"]
)
def test_a_link_that_leads_somewhere_is_not_reported(document, target):
    assert broken_links(document(f"# Here\n\n[link]({target})\n")) == []


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("gone.md", "gone.md is no file. Correct the link or add the file."),
        ("other.md#here", "other.md#here is no heading. Correct the link or the heading."),
        ("#there", "#there is no heading. Correct the link or the heading."),
    ],
)
def test_a_link_that_leads_nowhere_is_reported_with_its_document(document, target, problem):
    path = document(f"# Here\n\n[link]({target})\n")
    assert broken_links(path) == [f"{path}: {problem}"]


def test_the_documents_of_every_folder_are_checked():
    names = {path.name for path in documents()}
    assert {"README.md", "README.es.md", "CHANGELOG.md", "CONTRIBUTING.md", "deploy.md"} <= names
    assert not any(".venv" in path.parts for path in documents())


def test_no_link_of_the_documents_is_broken():
    assert [sentence for document in documents() for sentence in broken_links(document)] == []
