"""Reader of filters.json in a folder of import files: a list of filters with the members of CreateFilter.

    [{"name": "of-a-genre", "filterExpression": "INCLUDE ItemID WHERE Items.GENRES IN ($GENRE)"}]

https://docs.aws.amazon.com/personalize/latest/dg/API_CreateFilter.html. Any content either loads or raises
ImportFileError: one sentence that names the file, the filter, the column and what is expected there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.personalize.errors import ImportFileError
from local.personalize.filters.parser import FilterSyntaxError, parse
from local.personalize.filters.tree import Filter

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}")
_MEMBERS = ("name", "filterExpression")
_IGNORED_MEMBERS = ("datasetGroupArn", "tags")
_EXAMPLE = '[{"name": "...", "filterExpression": "..."}]'


def read_filters(path: Path) -> dict[str, Filter]:
    """Return the filters by name, none without a file. Raises ImportFileError for the first problem."""
    if not path.exists():
        return {}
    found: dict[str, Filter] = {}
    for number, entry in enumerate(_entries(path), start=1):
        name, expression = _members(path, number, entry)
        if name in found:
            raise ImportFileError(path, f"the name {name} is there twice", "rename one of the filters")
        try:
            found[name] = parse(expression)
        except FilterSyntaxError as error:
            problem = f"the filter {name} is wrong at column {error.column}: {error.problem}"
            raise ImportFileError(path, problem, "correct its filterExpression") from error
    return found


def _entries(path: Path) -> list[Any]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ImportFileError(path, "is not encoded in UTF-8", "save it as UTF-8") from error
    except OSError as error:
        raise ImportFileError(path, f"cannot be read ({error.strerror})", "make it readable") from error
    except json.JSONDecodeError as error:
        problem = f"is not JSON: wrong at column {error.colno}"
        raise ImportFileError(path, problem, f"write it like {_EXAMPLE}", error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise ImportFileError(path, "is not JSON", f"write it like {_EXAMPLE}") from error
    if not isinstance(entries, list):
        raise ImportFileError(path, "is not a list of filters", f"write it like {_EXAMPLE}")
    return entries


def _members(path: Path, number: int, entry: Any) -> tuple[str, str]:
    """Return name and expression of an entry."""
    where = f"the filter number {number}"
    if not isinstance(entry, Mapping):
        raise ImportFileError(path, f"{where} is not an object", f"write it like {_EXAMPLE}")
    for key in entry:
        if key not in (*_MEMBERS, *_IGNORED_MEMBERS):
            problem = f"{where} has the unknown member {key[:60]!a}"
            raise ImportFileError(path, problem, f"the members are {' and '.join(_MEMBERS)}")
    name, expression = (entry.get(member) for member in _MEMBERS)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        problem = f"{where} has no valid name"
        raise ImportFileError(path, problem, "give it 1 to 63 letters, digits, hyphens or underscores")
    if not isinstance(expression, str) or not expression:
        raise ImportFileError(path, f"the filter {name} has no filterExpression", f"write it like {_EXAMPLE}")
    return name, expression
