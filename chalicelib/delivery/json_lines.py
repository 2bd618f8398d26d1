"""Lines of JSON: a record that holds one event on each of several lines (Fluent Bit, Vector). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from json import JSONDecoder

_BLANKS = b" \t\r"
"""What JSON allows around a value, without the newline."""
_MAX_TRIES = 1000
"""Lines that look like objects and are none, before the data counts as one broken event. Each costs ten times
what a good one does."""
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# For the shape alone: what a number is worth, or whether Python can hold it, is judged elsewhere.
_decode = JSONDecoder(parse_int=len, parse_float=len, parse_constant=len).decode
_NO_JSON = object()


def lines_of(data: bytes) -> Iterable[bytes]:
    """Return the lines that are not blank when the data is lines of JSON, else the data as it is.

    It is lines of JSON when the whole is not one JSON value and a line by itself is an object. So an object
    that is printed over several lines is one event, also where it is broken.
    """
    return _lines(data) if may_be_lines(data) and _is_lines_of_json(data) else (data,)


def may_be_lines(data: bytes) -> bool:
    """Return whether a newline divides the data. One at the end, as most events have it, does not."""
    return -1 < data.find(b"\n") < len(data) - 1


def _is_lines_of_json(data: bytes) -> bool:
    """Parse as little as possible: the whole only when a line looks like an object."""
    candidates = islice(filter(_looks_like_object, _lines(data)), _MAX_TRIES)
    first = next(candidates, None)
    if first is None or _value(data) is not _NO_JSON:
        return False
    return any(isinstance(_value(line), dict) for line in chain((first,), candidates))


def _lines(data: bytes) -> Iterator[bytes]:
    """Yield the lines that are not blank, one at a time: a record may hold a million newlines."""
    return (match.group().rstrip(_BLANKS) for match in _LINE.finditer(data))


def _looks_like_object(line: bytes) -> bool:
    return line.endswith(b"}") and line.removeprefix(_BYTE_ORDER_MARK).startswith(b"{")


def _value(text: bytes) -> object:
    """Return the JSON value of a text, or _NO_JSON. Numbers are not what they say."""
    try:
        return _decode(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return _NO_JSON
