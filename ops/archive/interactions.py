"""The columns of Personalize's import file of interactions, their schema, and the query of the rows. Pure.

docs.aws.amazon.com/personalize/latest/dg/custom-datasets-and-schemas.html has the required and the reserved
columns, and how-it-works-dataset-schema.html the types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.archive.days import Days
from ops.archive.engine import BoundQuery
from ops.archive.statements import read_statement
from ops.errors import InputError
from ops.put.schema import Field, Schema
from ops.terminal import printable_line

_WHOLE, _DECIMAL = "^[+-]{0,1}[0-9]+$", "^[+-]{0,1}[0-9]+([.][0-9]+|)([eE][+-]{0,1}[0-9]+|)$"
_MAX_FLOAT = 3.4e38
SQL_TYPES = {
    "string": "varchar",
    "int": "integer",
    "long": "bigint",
    "float": "double",
    "double": "double",
    "boolean": "boolean",
}
"""Types of a property in the schema, and what Athena casts a value to. What cannot be cast becomes empty."""
_PATTERNS = {"integer": _WHOLE, "bigint": _WHOLE, "double": _DECIMAL, "boolean": "^(true|false)$"}
"""What is cast. Athena and DuckDB would each take more, and not the same."""
_BEFORE = (
    Field("USER_ID", "string", is_nullable=False),
    Field("ITEM_ID", "string", is_nullable=False),
    Field("TIMESTAMP", "long", is_nullable=False),
    Field("EVENT_TYPE", "string", is_nullable=False),
    Field("EVENT_VALUE", "float", is_nullable=True),
)
_AFTER = (
    Field("RECOMMENDATION_ID", "string", is_nullable=True),
    Field("IMPRESSION", "string", is_nullable=True),
)
_OWN = {field.name: field for field in (*_BEFORE, *_AFTER)}
_BROKEN = "regexp_like({}, '[\\t\\r\\n]')"
_REQUIRED = ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE")
_EXPRESSIONS = {
    "USER_ID": "owner",
    "ITEM_ID": "itemid",
    "TIMESTAMP": "CAST(floor(happened) AS bigint)",
    "EVENT_TYPE": "eventtype",
    # NaN is not in the range.
    "EVENT_VALUE": f"CASE WHEN eventvalue BETWEEN -{_MAX_FLOAT} AND {_MAX_FLOAT} THEN eventvalue END",
    "RECOMMENDATION_ID": f"CASE WHEN NOT {_BROKEN.format('recommendationid')} THEN recommendationid END",
    # An id with a vertical bar would be two.
    "IMPRESSION": (
        f"CASE WHEN NOT {_BROKEN.format('impression')}"
        " AND length(impression) - length(replace(impression, '|', '')) = impression_length - 1"
        " THEN impression END"
    ),
}
_PROPERTY = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,62})(?::([a-z]+))?")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
EXPORTED = "exported"
_ROWS = """
SELECT /* columns */
FROM judged
WHERE left_out IS NULL
ORDER BY judged.happened, judged.arrived, judged.eventid
"""
_COUNTS = """
SELECT
  coalesce(left_out, 'exported') AS what,
  count(*) AS events,
  count_if(eventid IS NULL) AS without_id,
  count_if(userid IS NULL) AS without_user
FROM judged
GROUP BY 1
ORDER BY 1
"""


@dataclass(frozen=True)
class Property:
    """A property of events that becomes a column. ``keys`` are the spellings that events may have."""

    field: Field
    keys: Sequence[str]

    @classmethod
    def of(cls, text: str) -> Property:
        """Return the property that a person named: ``watchSeconds:int``. Raises InputError.

        Its column is WATCH_SECONDS: Personalize takes the camel case of a column for the name of a property.
        """
        found = _PROPERTY.fullmatch(text)
        kind = (found and found[2]) or "string"
        if not found or kind not in SQL_TYPES:
            shown = printable_line(text, max_characters=80)
            raise InputError(
                f"PROPERTIES has {shown!r}. Write NAME or NAME:TYPE, with commas between them: a name of "
                f"letters, digits and underscores, and a type of {', '.join(SQL_TYPES)}."
            )
        column = _HUMP.sub("_", found[1]).upper()
        if column in _OWN:
            raise InputError(
                f"PROPERTIES has {found[1]}: the column {column} is there already. Leave it out."
            )
        return cls.in_column(Field(column, kind, is_nullable=True, is_categorical=kind == "string"), found[1])

    @classmethod
    def in_column(cls, field: Field, *spellings: str) -> Property:
        """Return the property of a column. ``spellings`` are more keys that events may have."""
        return cls(field, tuple(dict.fromkeys((*spellings, field.property_name, field.name))))

    @property
    def expression(self) -> str:
        """The SQL of the value. A line end in a text becomes a space: a row of the file is a line."""
        texts = [f"json_extract_scalar(event, '$.{key}')" for key in self.keys]
        text = f"coalesce({', '.join(texts)})" if len(texts) > 1 else texts[0]
        if self.field.type == "string":
            return f"replace(replace({text}, chr(13), ' '), chr(10), ' ')"
        kind = SQL_TYPES[self.field.type]
        condition, value = f"regexp_like({text}, '{_PATTERNS[kind]}')", f"try_cast({text} AS {kind})"
        if kind == "double":
            condition += f" AND abs({value}) <= {_MAX_FLOAT if self.field.type == 'float' else 1.7e308}"
        return f"CASE WHEN {condition} THEN {value} END"


@dataclass(frozen=True)
class ImportFile:
    """The columns of one export, in their order."""

    columns: Sequence[Field]
    properties: Sequence[Property] = ()

    @classmethod
    def of(cls, properties: Sequence[Property]) -> ImportFile:
        """Return the file with every column, for a dataset that does not exist yet."""
        names = [each.field.name for each in properties]
        if len(set(names)) < len(names):
            raise InputError(f"PROPERTIES has a column twice: {', '.join(names)}.")
        return cls((*_BEFORE, *(each.field for each in properties), *_AFTER), properties)

    @classmethod
    def for_dataset(cls, schema: Schema, properties: Sequence[Property]) -> ImportFile:
        """Return the file with the columns of a dataset. Raises InputError when that cannot be.

        Its schema decides: a column of ours that it does not have is left out, and its other columns are
        filled from properties, with its types.
        """
        needed = [field.name for field in schema.fields.values() if not field.is_nullable]
        unsure = [name for name in needed if name not in _REQUIRED]
        if unsure:
            raise InputError(
                f"The dataset requires {', '.join(unsure)}, which not every event has. Use a dataset "
                "whose schema allows null there: the file schema.json of an export is one."
            )
        schema.columns([*needed, *(each.field.name for each in properties)])
        spellings = {each.field.name: each.keys for each in properties}
        others = [
            Property.in_column(field, *spellings.get(field.name, ()))
            for field in schema.fields.values()
            if field.name not in _OWN
        ]
        before, after = (
            [field for field in part if field.name in schema.fields] for part in (_BEFORE, _AFTER)
        )
        return cls((*before, *(each.field for each in others), *after), others)

    @property
    def header(self) -> list[str]:
        """The names of the columns."""
        return [field.name for field in self.columns]

    def rows_query(self, days: Days) -> BoundQuery:
        """Return the query of the rows, oldest event first.

        TIMESTAMP is in seconds, so the order within a second is that of the rows.
        """
        of_properties = {each.field.name: f"property_{n}" for n, each in enumerate(self.properties)}
        expressions = _EXPRESSIONS | of_properties
        selected = ", ".join(f'{expressions[name]} AS "{name}"' for name in self.header)
        return self._query(days, _ROWS.replace("/* columns */", selected))

    def counts_query(self, days: Days) -> BoundQuery:
        """Return the query that counts rows by why they are left out, also those without an id or a user."""
        return self._query(days, _COUNTS)

    def avro(self) -> str:
        """Return the schema as CreateSchema takes it."""
        schema = {
            "type": "record",
            "name": "Interactions",
            "namespace": "com.amazonaws.personalize.schema",
            "fields": [_avro_field(field) for field in self.columns],
            "version": "1.0",
        }
        return json.dumps(schema, indent=2) + "\n"

    def _query(self, days: Days, ending: str) -> BoundQuery:
        properties = "".join(f",\n    {p.expression} AS property_{n}" for n, p in enumerate(self.properties))
        sql = (
            read_statement(Path(__file__).with_suffix(".sql")).replace("/* properties */", properties)
            + ending
        )
        return BoundQuery(sql, [days.first.isoformat(), days.last.isoformat()], days)


def parse_properties(text: str) -> list[Property]:
    """Return the properties of a list such as ``CONTEXT,watchSeconds:int``. Raises InputError."""
    return [Property.of(name.strip()) for name in text.split(",") if name.strip()]


def _avro_field(field: Field) -> Mapping[str, object]:
    kind: object = ["null", field.type] if field.is_nullable else field.type
    return {"name": field.name, "type": kind} | ({"categorical": True} if field.is_categorical else {})
