"""Ids that a person types for a command: text that anything of a deployment may have as an id."""

from __future__ import annotations

from ops.errors import InputError

MAX_CHARACTERS = 256
"""Of an id (openapi.json)."""


def check_id(text: str, sentence: str) -> None:
    """Raise InputError for what is no id. ``sentence`` says what is expected: ``USER is a user id``."""
    if not text.strip() or len(text) > MAX_CHARACTERS:
        raise InputError(f"{sentence}: 1 to {MAX_CHARACTERS} characters.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{sentence.partition(' ')[0]} is not text in UTF-8.") from error
