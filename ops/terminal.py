"""The person at the terminal: lines to print, a plan to agree to, questions to answer.

Text from outside (an error of AWS, a message of a queue) may hold characters that control the terminal: that
move the cursor, change the title or hide what follows. ``print_line`` shows them as escapes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ops.errors import DeclinedError


@dataclass(frozen=True)
class Terminal:
    """What a command may do at the terminal.

    ``report`` prints a line. ``confirm`` shows a plan and returns whether to carry it out. ``ask`` returns
    the answer to a question; it is None where nobody can be asked.
    """

    report: Callable[[str], None]
    confirm: Callable[[Sequence[str]], bool]
    ask: Callable[[str], str] | None


def open_terminal(*, agreed: bool = False) -> Terminal:
    """Return the terminal of this process. ``agreed``: every plan is carried out without a question."""
    return Terminal(
        print_line, _show_plan if agreed else _ask_about_plan, input if sys.stdin.isatty() else None
    )


def print_line(text: str) -> None:
    """Print one or more lines at once, also when stdout is a file or a pipe.

    A character that the encoding of stdout does not have is shown as an escape too.
    """
    encoding = sys.stdout.encoding or "utf-8"
    print(printable(text).encode(encoding, "backslashreplace").decode(encoding), flush=True)


def printable(text: str) -> str:
    """Return lines of text, with each character that a terminal does not print as an escape.

    A line ends at a newline and nowhere else. Tabs stay.
    """
    return "".join(
        character if character in "\n\t" or character.isprintable() else _escaped(character)
        for character in text
    )


def printable_line(text: str, *, max_characters: int) -> str:
    """Return text of anybody's as one line: as ``printable``, newlines and tabs too, and cut to a length."""
    line = printable(text[:max_characters].replace("\n", "\\n").replace("\t", "\\t"))
    return (
        line
        if len(line) <= max_characters and len(text) <= max_characters
        else f"{line[: max_characters - 1]}…"
    )


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Print in the block for as long as somebody reads: 'head' has seen enough after some lines."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Else Python would fail once more, at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _show_plan(plan: Sequence[str]) -> bool:
    print_line("\n".join(plan))
    return True


def _ask_about_plan(plan: Sequence[str]) -> bool:
    _show_plan(plan)
    if not sys.stdin.isatty():
        raise DeclinedError("--yes is needed where nobody can be asked.")
    try:
        return input("Carry it out? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False
