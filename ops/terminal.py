"""The person at the terminal: lines to print, a plan to agree to, questions to answer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
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


def print_line(line: str) -> None:
    """Print a line at once, also when stdout is a file or a pipe."""
    print(line, flush=True)


def _show_plan(plan: Sequence[str]) -> bool:
    print_line("\n".join(plan))
    return True


def _ask_about_plan(plan: Sequence[str]) -> bool:
    _show_plan(plan)
    if not sys.stdin.isatty():
        raise DeclinedError("Nothing was changed: --yes is needed where nobody can be asked.")
    try:
        return input("Carry it out? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False
