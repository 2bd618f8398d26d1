"""What is no id: the text that programs write for a missing value, and text that shows nothing. Pure.

Personalize takes such ids. Then all visitors are one person, or the event is dropped in silence: it responds
200 to an event of the session ``null`` (github.com/aws/aws-sdk-js/issues/3371). docs/api.md has the list.
"""

from __future__ import annotations

import re
from unicodedata import category

MISSING_VALUES = (
    # What languages call it
    *("null", "undefined", "none", "nil", "undef", "nothing", "nullptr", "dbnull", "false"),
    # How they print it: C, Objective-C, Go, pandas; optionals of Java and Swift
    *("(null)", "(nil)", "(none)", "<null>", "<nil>", "<none>", "<na>", "optional.empty", "optional(nil)"),
    # Numbers, times and cells that are none
    *("nan", "nat", "na", "n/a", "#n/a", "#null!", "#value!", "#ref!", "#name?", "-"),
    # Exports of databases; empty containers
    *("\\n", "{}", "[]", "()"),
    # A UUID that was never set
    *("00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000"),
)
"""In lower case. They are compared without case, and without blanks and quotes around them."""

MAX_CHARACTERS = 256
"""A longer text is no missing value. It bounds the work, and the schema refuses it anyway."""
_VALUES = frozenset(MISSING_VALUES)
# What was to be replaced by a value: an object of JavaScript as text, a verb of Go, places of templates.
_PLACE = re.compile(
    r"\[object [a-z]+\]|%![a-z]\([^()]*\)|%[a-z@]|%\([^()]*\)[a-z]|\{[a-z_.]*\}|\{[0-9]\}|<[a-z_. ]+>"
    r"|\{\{[^{}]*\}\}|[$#%]\{[^{}]*\}|<%[^<>]*%>"
)
# Most ids: no missing value has a digit but 0, and the places above have other characters.
_ORDINARY = re.compile(r"[A-Za-z0_-]*[1-9][A-Za-z0-9_-]*")
_SEPARATORS = re.compile(r"[-_:.|/, ]+")
_QUOTES = "\"'`"
_INVISIBLE_CATEGORIES = ("Cc", "Cf", "Zs", "Zl", "Zp")
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe0e\ufe0f")
"""Letters, marks and symbols that show nothing."""


def is_identifier(text: str) -> bool:
    """Return whether a text can be the id of a person, a session or an event."""
    if _ORDINARY.fullmatch(text):
        return True
    if text.isalnum() and text.isascii():
        return text.lower() not in _VALUES
    return len(text) > MAX_CHARACTERS or not (_is_blank(text) or _is_missing(text))


def problem_of(text: str) -> str:
    """Return what is wrong with a text that is no identifier."""
    if _is_blank(text):
        return "has no visible character. The client has probably sent an empty variable: send the id."
    return (
        f"is {text.strip()!r}, which is what a program writes for a missing value. The client has probably "
        "sent a variable that was never set: send the id."
    )


def _is_blank(text: str) -> bool:
    return not any(map(_is_visible, text))


def _is_visible(character: str) -> bool:
    return character not in _INVISIBLE and category(character) not in _INVISIBLE_CATEGORIES


def _is_missing(text: str) -> bool:
    if not (text.isascii() and text.isprintable()):
        text = "".join(character for character in text if character == " " or _is_visible(character))
    bare = text.strip().strip(_QUOTES).strip().lower()
    if not bare or bare in _VALUES or _PLACE.fullmatch(bare):
        return True
    # Several missing values put together, such as undefined-undefined.
    parts = [part for part in _SEPARATORS.split(bare) if part]
    return bool(parts) and _VALUES.issuperset(parts)
