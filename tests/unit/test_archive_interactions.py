"""The columns of the import file, the properties in them, and its schema."""

import json

import pytest
import sqlglot

from ops.archive.days import Days
from ops.archive.interactions import ImportFile, parse_properties
from ops.errors import InputError
from ops.put.kinds import INTERACTIONS
from ops.put.schema import parse_schema
from tests.unit.test_archive_queries import DAYS

COLUMNS = ["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE", "RECOMMENDATION_ID", "IMPRESSION"]


def test_without_properties_the_file_has_the_columns_that_personalize_reserves():
    assert ImportFile.of([]).header == COLUMNS


@pytest.mark.parametrize(
    ("text", "column", "keys"),
    [
        ("CONTEXT", "CONTEXT", ("CONTEXT", "context")),
        ("watchSeconds:int", "WATCH_SECONDS", ("watchSeconds", "WATCH_SECONDS")),
        ("WATCH_SECONDS:int", "WATCH_SECONDS", ("WATCH_SECONDS", "watchSeconds")),
        ("page2Url", "PAGE2_URL", ("page2Url", "PAGE2_URL")),
    ],
)
def test_a_property_becomes_the_column_that_personalize_would_fill_from_it(text, column, keys):
    [found] = parse_properties(text)
    assert (found.field.name, tuple(found.keys)) == (column, keys)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("two words", "PROPERTIES has 'two words'"),
        ("x:text", "a type of string, int, long, float, double, boolean"),
        ("a'b", "PROPERTIES has"),
        ("9lives", "PROPERTIES has"),
        ("itemId", "the column ITEM_ID is there already"),
        ("eventValue", "the column EVENT_VALUE is there already"),
        ("watchSeconds,WATCH_SECONDS", "has a column twice"),
    ],
)
def test_a_property_that_cannot_be_a_column_is_named(text, said):
    with pytest.raises(InputError, match=said):
        ImportFile.of(parse_properties(text))


def test_the_schema_is_that_of_the_columns_and_personalize_reads_it():
    file = ImportFile.of(parse_properties("CONTEXT, seconds:int"))
    fields = json.loads(file.avro())["fields"]
    assert [field["name"] for field in fields] == [*COLUMNS[:5], "CONTEXT", "SECONDS", *COLUMNS[5:]]
    types = {field["name"]: field["type"] for field in fields}
    assert types["TIMESTAMP"] == "long"
    assert types["EVENT_VALUE"] == ["null", "float"]
    assert types["SECONDS"] == ["null", "int"]
    assert fields[5] == {"name": "CONTEXT", "type": ["null", "string"], "categorical": True}
    assert ImportFile.for_dataset(parse_schema(file.avro(), INTERACTIONS), []).header == file.header


@pytest.mark.parametrize("properties", ["", "CONTEXT", "a,b:int,c:boolean,d:double"])
def test_both_queries_are_sql_that_athena_reads(properties):
    file = ImportFile.of(parse_properties(properties))
    for query in (file.rows_query(DAYS), file.counts_query(DAYS)):
        [statement] = sqlglot.parse(query.sql, read="athena")
        assert statement.key == "select"
        assert query.values == ["2026-01-01", "2026-01-31"]
    assert isinstance(query.days, Days)
