"""What is no id: the text that programs write for a missing value, and text that shows nothing. Pure.

Personalize takes such ids. Then all visitors are one person, or the event is dropped in silence: it responds
200 to an event of the session ``null`` (github.com/aws/aws-sdk-js/issues/3371). docs/api.md has the list.
"""

from __future__ import annotations

import re
from unicodedata import category, normalize

MISSING_VALUES = (
    # What languages call it
    *("null", "undefined", "none", "undef", "nothing", "nullptr", "dbnull", "missing", "unset", "not set"),
    "false",
    # How they print it: Java, Kotlin, Swift, R, C
    *("optional.empty", "optionalint.empty", "optionallong.empty", "optionaldouble.empty", "optional(nil)"),
    *("kotlin.unit", "character(0)", "integer(0)", "-nan(ind)", "1.#qnan"),
    # Cells and exports that hold nothing
    *("n/a", "#n/a", "#null!", "#value!", "#ref!", "#name?", "#div/0!", "#num!", "\\n", "-"),
)
"""In lower case: they are compared without case."""
EXACT_MISSING_VALUES = ("nil", "NIL", "nan", "NaN", "NAN", "NaT", "NA")
"""Compared with case: people are called Nan, Nat and Nil."""
ID_NOUNS = ("user", "session", "visitor", "customer", "client", "guest", "anonymous", "device", "event")
"""A missing value behind one of them is missing too: ``user-undefined``."""

MAX_CHARACTERS = 256
"""A longer text is no missing value. It bounds the work, and the schema refuses it anyway."""
_VALUES = frozenset(MISSING_VALUES)
_EXACT = frozenset(EXACT_MISSING_VALUES)
_NOUNS = frozenset(ID_NOUNS)
# Most ids: no missing value has a digit but 0, and the places below have other characters.
_ORDINARY = re.compile(r"[A-Za-z0_-]*[1-9][A-Za-z0-9_-]*")
# What was to be replaced by a value: an object of JavaScript as text, verbs of printf, places of templates.
_PLACE = re.compile(
    r"\[object [A-Za-z]+\]|%![a-z]\([^()]*\)|%\([^()]*\)[a-z]|%(?:[0-9]\$)?l?[a-z@](?![A-Za-z])"
    r"|\{\{[^{}]*\}\}|\{%[^{}]*%\}|[$#%]\{[^{}]*\}|<[%?][^<>]*[%?]>|\[\[[^\[\]]*\]\]|%%[^%]*%%|\*\|[^|]*\|\*"
    r"|\{[0-9](?::[A-Za-z0-9]*)?\}"
)
_NAMED_PLACE = re.compile(
    r"[\[{<%$:](?:(?:user|session|visitor|customer|client|event)[-_. ]?(?:id|uuid|guid|key|name)?"
    r"|id|uid|uuid|guid)[\]}>%]?",
    re.IGNORECASE,
)
_ZEROS = re.compile(r"[0-]{16,}")
_SEPARATORS = re.compile(r"[-_:.|/,@+~&=# ]+")
_RUN_TOGETHER = re.compile(r"(?:null|undefined|none|nan|nil){2,}")
_QUOTES = " \"'`\\“”‘’«»„"
_AROUND = f"{_QUOTES}()[]{{}}<>"
_PREFIXES = ("urn:uuid:", "b'", 'b"', "u'", 'u"')
_INVISIBLE_CATEGORIES = ("Cc", "Cf", "Co", "Cs", "Zs", "Zl", "Zp")
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Letters, marks and symbols that show nothing."""


def is_identifier(text: str) -> bool:
    """Return whether a text can be the id of a person, a session or an event."""
    if _ORDINARY.fullmatch(text):
        return True
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
    if character in _INVISIBLE or category(character) in _INVISIBLE_CATEGORIES:
        return False
    point = ord(character)
    is_variation = 0xFE00 <= point <= 0xFE0F or 0xE0100 <= point <= 0xE01EF
    is_noncharacter = 0xFDD0 <= point <= 0xFDEF or point & 0xFFFE == 0xFFFE
    return not (is_variation or is_noncharacter)


def _is_missing(text: str) -> bool:
    if not (text.isascii() and text.isprintable()):
        visible = "".join(character for character in text if character == " " or _is_visible(character))
        text = normalize("NFKC", visible)[:MAX_CHARACTERS]
    text = _PLACE.sub(" null ", text).strip()
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    bare = text.strip(_AROUND)
    if not bare.strip("-") or _is_value(bare) or _is_value(text) or _is_value(text.strip(_QUOTES)):
        return True
    if _ZEROS.fullmatch(bare) or _NAMED_PLACE.fullmatch(text):
        return True
    # Several missing values put together, such as undefined-undefined and user-null.
    parts = [part for part in _SEPARATORS.split(bare) if part]
    missing = [part for part in parts if _is_value(part.strip(_AROUND))]
    others = {part.lower() for part in parts} - {part.lower() for part in missing}
    return "undefined" in map(str.lower, parts) or (bool(missing) and others <= _NOUNS)


def _is_value(text: str) -> bool:
    plain = text.lower()
    return plain in _VALUES or text in _EXACT or _RUN_TOGETHER.fullmatch(plain) is not None
