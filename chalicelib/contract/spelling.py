"""Field names that are right but for case, underscores and hyphens. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from chalicelib.contract.sentences import short
from chalicelib.errors import InvalidRequestError

MAX_NAMES = 8
"""Names that a message tells at once: all of one event, and not those of five hundred."""


def refuse_misspelt(definition: Mapping[str, Any], value: object, path: str = "") -> None:
    """Refuse a name that means a field of the schema which is absent, at any level. InvalidRequestError.

    ``path`` is that of ``value``.
    """
    found = [*islice(_misspelt(definition, value, path), MAX_NAMES)]
    if found:
        names = ", ".join(f"{short(wrong)!r}" for wrong, _ in found)
        meant = " and ".join(right for _, right in found)
        raise InvalidRequestError(
            f"{found[0][1]} is missing; there is {names}. Did you mean {meant}? "
            "Names of fields are case-sensitive.",
            field=found[0][1],
        )


def is_misspelt(name: str, value: Mapping[str, object]) -> bool:
    """Return whether an object has another spelling of a name that it lacks."""
    return name not in value and any(_plain(other) == _plain(name) for other in value)


def _misspelt(definition: Mapping[str, Any], value: object, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path of what is there and of what is meant, for every field of an object, then below."""
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _misspelt(definition.get("items", {}), each, f"{path}[{index}]")
    named = definition.get("properties")
    if not isinstance(value, dict) or not named:
        return
    prefix = f"{path}." if path else ""
    if not value.keys() <= named.keys():
        unknown = [name for name in value if name not in named]
        absent = {_plain(name): name for name in named if name not in value}
        for name in unknown:
            right = absent.pop(_plain(name), None)
            if right is not None:
                yield prefix + name, prefix + right
    for name, child in value.items():
        if isinstance(child, (dict, list)) and name in named:
            yield from _misspelt(named[name], child, prefix + name)


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
