"""Checks the links between the documents: ``python -m tests.support.links``, a step of ``make lint``.

A relative link must lead to a file of the project, and its fragment to a heading of that file. Links to other
hosts are not followed: the check needs no network. Markdown is read by markdown-it-py, so that a link in code
is not taken for one.
"""

import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
NOT_OURS = {".git", ".venv", ".local", ".hypothesis", ".mypy_cache", ".ruff_cache", "build"}
_MARKDOWN = MarkdownIt("commonmark").enable("table")


def anchors(text: str) -> set[str]:
    """Return the fragments by which GitHub reaches the headings of a document."""
    seen: Counter[str] = Counter()
    found = set()
    tokens = _MARKDOWN.parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            anchor = _anchor("".join(token.content for token in inline.children or ()))
            found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
            seen[anchor] += 1
    return found


def _anchor(heading: str) -> str:
    """Return letters, marks, digits, ``_`` and ``-`` in small letters, and ``-`` for every space."""
    kept = (c for c in heading.strip().lower() if c in "-_ " or unicodedata.category(c)[0] in "LMN")
    return "".join(kept).replace(" ", "-")


def links(text: str) -> Iterator[str]:
    """Yield the target of every link and image of a document."""

    def walk(tokens: Iterable[Token]) -> Iterator[str]:
        for token in tokens:
            if target := token.attrs.get("href" if token.type == "link_open" else "src"):
                yield str(target)
            yield from walk(token.children or ())

    return walk(_MARKDOWN.parse(text))


def broken_links(document: Path) -> list[str]:
    """Return a sentence for every link of a document that leads nowhere."""
    broken = []
    for target in links(document.read_text("utf-8")):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        fragment = unquote(parts.fragment)
        path = (document.parent / unquote(parts.path)).resolve() if parts.path else document
        if not path.exists():
            broken.append(f"{document}: {target} is no file. Correct the link or add the file.")
        elif fragment and path.suffix == ".md" and fragment not in anchors(path.read_text("utf-8")):
            broken.append(f"{document}: {target} is no heading. Correct the link or the heading.")
    return broken


def documents(root: Path = ROOT) -> list[Path]:
    """Return the Markdown files of the project, without what tools have put beside them."""
    folders = (path for path in root.iterdir() if path.is_dir() and path.name not in NOT_OURS)
    return sorted([*root.glob("*.md"), *(path for folder in folders for path in folder.rglob("*.md"))])


def main() -> int:
    """Print what is broken. Return 1 when anything is."""
    found = documents()
    broken = [sentence for document in found for sentence in broken_links(document)]
    print("\n".join([*broken, f"{len(found)} documents, {len(broken)} broken links."]))
    return 1 if broken or not found else 0


if __name__ == "__main__":
    sys.exit(main())
