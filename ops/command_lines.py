"""Command lines to print, quoted for the shell: people paste them, and parts of them come from files."""

from __future__ import annotations

import shlex


def shell_line(*words: str) -> str:
    """Return a command and its arguments as one line, which the shell splits into the same words."""
    return shlex.join(words)


def make_line(target: str, *arguments: str, **variables: str) -> str:
    """Return ``make TARGET NAME=VALUE ... ARGS='...'``.

    ``arguments`` are those of the command behind the target. A ``$`` is doubled, because make expands it
    before the shell sees it.
    """
    if arguments:
        variables["ARGS"] = shlex.join(arguments)
    settings = (f"{name}={shlex.quote(value.replace('$', '$$'))}" for name, value in variables.items())
    return " ".join(["make", target, *settings])
