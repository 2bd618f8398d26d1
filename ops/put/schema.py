"""The schema of a dataset, and what it says about the columns and values of a file. Pure.

Personalize's schemas are flat Avro records whose fields are numbers, texts and booleans, or unions with null:
https://docs.aws.amazon.com/personalize/latest/dg/how-it-works-dataset-schema.html
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.errors import InputError
from ops.put.kinds import DatasetKind, Kind
from ops.terminal import printable_line

MAX_CATEGORY_CHARACTERS = 1000
"""Of one category of a categorical field. Several are joined by ``|``."""
_MIN_MILLISECONDS = 100_000_000_000
"""The year 5138 in seconds, 1973 in milliseconds."""
_TIMESTAMPS = ("CREATION_TIMESTAMP", "ACTION_EXPIRATION_TIMESTAMP")
_NUMBERS = ("int", "long", "float", "double")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_MAX_NUMBER_CHARACTERS = 400
"""The longest number that a double holds has 309 digits."""
_MAX_FLOAT = 3.4028235e38
_MAX_DOUBLE = 1.7976931348623157e308
_MAX_PRINTED_CHARACTERS = 300


def _whole(bits: int) -> Callable[[str], str | None]:
    limit = 2 ** (bits - 1)

    def check(text: str) -> str | None:
        if not _WHOLE.fullmatch(text):
            return "must be a whole number, such as 12."
        # int() takes quadratic time for a long text: only as many digits as a limit has are converted.
        digits = text.lstrip("+-").lstrip("0") or "0"
        number = int(digits[:20]) * (-1 if text[0] == "-" else 1)
        return None if -limit <= number < limit else f"must be from {-limit} to {limit - 1}."

    return check


def _decimal(most: float) -> Callable[[str], str | None]:
    def check(text: str) -> str | None:
        if len(text) > _MAX_NUMBER_CHARACTERS or not _DECIMAL.fullmatch(text):
            return "must be a number, such as 12.5, with a point and without separators of thousands."
        return None if abs(float(text)) <= most else f"must be at most {most:g} in size."

    return check


def _boolean(text: str) -> str | None:
    return None if text.lower() in {"true", "false"} else "must be true or false."


_CHECKS: Mapping[str, Callable[[str], str | None]] = {
    "int": _whole(32),
    "long": _whole(64),
    "float": _decimal(_MAX_FLOAT),
    "double": _decimal(_MAX_DOUBLE),
    "boolean": _boolean,
    "string": lambda text: None,
}


@dataclass(frozen=True)
class Field:
    """A column of the dataset: its type (``string``, ``long`` …) and whether it may be empty."""

    name: str
    type: str
    is_nullable: bool
    is_categorical: bool = False

    @property
    def property_name(self) -> str:
        """The name that PutItems and its like take: the camel case of the schema's (API_UBS_Item)."""
        first, *others = [part for part in self.name.split("_") if part] or [self.name]
        return first.lower() + "".join(part.capitalize() for part in others)

    def problem_of(self, text: str) -> str | None:
        """Return what is wrong with a value; None for a good one."""
        if not text:
            return (
                None if self.is_nullable else "is empty, and the schema of the dataset does not allow null."
            )
        if self.is_categorical and any(len(each) > MAX_CATEGORY_CHARACTERS for each in text.split("|")):
            return f"has a category of more than {MAX_CATEGORY_CHARACTERS} characters; join several with '|'."
        problem = _CHECKS[self.type](text)
        if problem or self.name not in _TIMESTAMPS or self.type not in _NUMBERS:
            return problem
        return "is in milliseconds; divide it by 1000." if float(text) >= _MIN_MILLISECONDS else None


@dataclass(frozen=True)
class Schema:
    """The fields of a dataset by name."""

    fields: Mapping[str, Field]

    def columns(self, header: Sequence[str]) -> tuple[Field, ...]:
        """Return the field of each column. Raises InputError for columns that the dataset would not take."""
        check_names(header)
        known = ", ".join(self.fields)
        unknown = [name for name in header if name not in self.fields]
        if unknown:
            raise InputError(f"The dataset has no column {_shown(unknown)}. Its schema has: {known}.")
        missing = [f.name for f in self.fields.values() if f.name not in header and not f.is_nullable]
        if missing:
            raise InputError(
                f"The file has no column {_shown(missing)}, which the schema of the dataset requires. The "
                f"schema has: {known}."
            )
        return tuple(self.fields[name] for name in header)

    def left_empty(self, header: Sequence[str]) -> list[str]:
        """Return the columns that the file does not have: a row replaces the record, and they become null."""
        return [name for name in self.fields if name not in header]


def check_names(header: Sequence[str]) -> None:
    """Raise InputError for columns that could not be told apart.

    Underscores and case do not tell two names apart: the properties of a call have neither.
    """
    if "" in header:
        raise InputError("A column has no name. Remove the comma too many in the first line, or name it.")
    counts = Counter(name.replace("_", "").casefold() for name in header)
    twice = [name for name in header if counts[name.replace("_", "").casefold()] > 1]
    if twice:
        raise InputError(f"Columns have one name, but for underscores and case: {_shown(twice)}. Remove one.")


def schema_of_header(header: Sequence[str], kind: Kind) -> Schema:
    """Return a schema that takes the columns of a file: any text, and empty but for the id."""
    return Schema({name: Field(name, "string", is_nullable=name != kind.id_column) for name in header})


def parse_schema(text: str | bytes, kind: DatasetKind) -> Schema:
    """Return the schema of a dataset from Avro's JSON. Raises InputError."""
    try:
        found = json.loads(text)
        fields = [_field(each) for each in found["fields"]]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise InputError("The schema is not an Avro record as CreateSchema takes it, in JSON.") from error
    schema = Schema({each.name: each for each in fields})
    if kind.id_column not in schema.fields:
        raise InputError(
            f"The schema has no column {kind.id_column}: it does not belong to a dataset of {kind.plural}."
        )
    return schema


def _field(members: Mapping[str, Any]) -> Field:
    union = members["type"] if isinstance(members["type"], list) else [members["type"]]
    types = [each["type"] if isinstance(each, dict) else each for each in union]
    of_values = [each for each in types if each != "null"]
    # What Personalize adds to its types one day is not judged here: it judges each row itself.
    known = of_values[0] if len(of_values) == 1 and of_values[0] in _CHECKS else "string"
    return Field(str(members["name"]), known, "null" in types, members.get("categorical") is True)


def _shown(names: Sequence[str]) -> str:
    return printable_line(", ".join(names), max_characters=_MAX_PRINTED_CHARACTERS)
