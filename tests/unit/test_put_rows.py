"""What `make put` makes of a file: the kind, the columns, and a record or a rejected row for each row."""

import csv
import io
import itertools
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import InputError
from ops.put.csv_file import CsvFile
from ops.put.kinds import KINDS, kind_of
from ops.put.records import Record, to_record
from ops.put.rejected_rows import MAX_REASONS, MAX_SHOWN, RejectedRow, RejectedRows
from ops.put.schema import Field, check_names, parse_schema, schema_of_header
from ops.put.sender import calls_of
from ops.put.upload import Upload

ITEMS, USERS, ACTIONS = KINDS
SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Items",
        "fields": [
            {"name": "ITEM_ID", "type": "string"},
            {"name": "TITLE", "type": ["null", "string"], "textual": True},
            {"name": "GENRE_L2", "type": ["string", "null"], "categorical": True},
            {"name": "PAGES", "type": "int"},
            {"name": "PRICE", "type": ["float", "null"]},
            {"name": "WEIGHT", "type": ["null", "double"]},
            {"name": "IN_PRINT", "type": ["null", "boolean"]},
            {"name": "CREATION_TIMESTAMP", "type": ["null", {"type": "long"}]},
        ],
    }
)
GOOD = {"ITEM_ID": "a", "PAGES": "12"}


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CsvFile(path)


def outcomes(path, content, schema=SCHEMA):
    file = written(path, content)
    kind = kind_of(file.header)
    found = parse_schema(schema, kind) if schema else schema_of_header(file.header, kind)
    return [*Upload(file, kind, found.columns(file.header)).outcomes()]


def outcome(path, **cells):
    text = io.StringIO()
    csv.writer(text).writerows([[*(GOOD | cells)], [*(GOOD | cells).values()]])
    (found,) = outcomes(path, text.getvalue())
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "anything.csv"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_the_id_column_says_what_the_rows_are(kind):
    assert kind_of(["NAME", kind.id_column]) is kind


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ([], "no column ITEM_ID, USER_ID or ACTION_ID.* It is: empty"),
        (["ITEM_ID;TITLE"], "with commas between them. It is: ITEM_ID;TITLE"),
        (["item_id", "TITLE"], "in capitals"),
        (["USER_ID", "ITEM_ID", "TIMESTAMP"], "ITEM_ID and USER_ID"),
        (["USER_ID", "ITEM_ID", "ACTION_ID"], "ITEM_ID, USER_ID and ACTION_ID"),
    ],
)
def test_a_file_with_none_or_several_is_refused_with_a_sentence(header, sentence):
    with pytest.raises(InputError, match=sentence):
        kind_of(header)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CREATION_TIMESTAMP", "creationTimestamp"),
        ("GENRES", "genres"),
        ("GENRE_L2", "genreL2"),
        ("CATEGORY_L1", "categoryL1"),
        ("NUMBER_OF_RATINGS", "numberOfRatings"),
        ("PRODUCT__DESCRIPTION_", "productDescription"),
        ("Value", "value"),
        ("_", "_"),
    ],
)
def test_a_property_has_the_camel_case_of_its_column(name, expected):
    assert Field(name, "string", is_nullable=True).property_name == expected


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_a_file_is_read_whichever_program_wrote_it(path, mark, end):
    rows = [b"PAGES,ITEM_ID,TITLE,GENRE_L2", b'12,"a","x, ""y""\nz",comedy|drama', b"", b"3,\xc3\xa9,,"]
    first, second = outcomes(path, mark + end.join(rows) + end)
    assert first == Record(0, 2, "a", '{"pages":"12","title":"x, \\"y\\"\\nz","genreL2":"comedy|drama"}')
    assert second == Record(1, 5, "é", '{"pages":"3"}'), "an empty value is left out"
    assert second.entry(ITEMS) == {"itemId": "é", "properties": '{"pages":"3"}'}


def test_a_record_with_empty_values_only_has_no_properties(path):
    (record,) = outcomes(path, "USER_ID,AGE\nann,\n", schema=None)
    assert record.entry(USERS) == {"userId": "ann"}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("PAGES", "-2147483648"),
        ("PAGES", "+0000000000000000000000000000000012"),
        ("PRICE", "1.5"),
        ("PRICE", "-.5e3"),
        ("PRICE", "7"),
        ("WEIGHT", "1e300"),
        ("IN_PRINT", "True"),
        ("CREATION_TIMESTAMP", "1700000000"),
        ("GENRE_L2", "|".join(["x" * 1000] * 5)),
        ("TITLE", "x" * 20_000),
        ("ITEM_ID", "x" * 256),
    ],
)
def test_a_value_of_the_type_goes(path, column, text):
    assert isinstance(outcome(path, **{column: text}), Record)


@pytest.mark.parametrize(
    ("column", "text", "sentence"),
    [
        ("PAGES", "", "is empty, and the schema of the dataset does not allow null"),
        ("PAGES", "12.0", "whole number"),
        ("PAGES", "1e3", "whole number"),
        ("PAGES", "١٢", "whole number"),
        ("PAGES", "2147483648", "from -2147483648 to 2147483647"),
        ("PAGES", "9" * 100_000, "from -2147483648"),
        ("CREATION_TIMESTAMP", "9223372036854775808", "from -9223372036854775808"),
        ("CREATION_TIMESTAMP", "1700000000000", "in milliseconds; divide it by 1000"),
        ("PRICE", "1,5", "must be a number"),
        ("PRICE", "nan", "must be a number"),
        ("PRICE", "inf", "must be a number"),
        ("PRICE", " 1", "must be a number"),
        ("PRICE", "1e39", "at most 3.40282e\\+38"),
        ("PRICE", "9" * 100_000, "must be a number"),
        ("WEIGHT", "1e309", "at most 1.79769e\\+308"),
        ("IN_PRINT", "yes", "true or false"),
        ("GENRE_L2", "a|" + "x" * 1001, "a category of more than 1000 characters"),
        ("ITEM_ID", "", "1 to 256 characters"),
        ("ITEM_ID", "x" * 257, "1 to 256 characters"),
    ],
)
def test_any_other_value_is_rejected_with_line_and_column(path, column, text, sentence):
    rejected_row = outcome(path, **{column: text})
    assert isinstance(rejected_row, RejectedRow)
    assert (rejected_row.line, rejected_row.column) == (2, column)
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError(str(rejected_row))


@pytest.mark.parametrize("column", ["PAGES", "PRICE", "WEIGHT", "IN_PRINT", "CREATION_TIMESTAMP"])
def test_no_rejection_repeats_a_value(path, column):
    rejected_row = outcome(path, **{column: "ann@example.com"})
    assert isinstance(rejected_row, RejectedRow)
    assert "ann" not in str(rejected_row)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_properties_have_a_limit_as_json(path, kind):
    room = kind.max_properties_characters - len('{"note":""}')
    text = f"{kind.id_column},NOTE\n" + "".join(
        f'a,"{value}"\n' for value in ("é" * room, "x" * (room + 1), "\\" * (room // 2 + 1))
    )
    fits, longer, escaped = outcomes(path, text, schema=None)
    assert len(fits.properties) == kind.max_properties_characters
    for rejected_row in (longer, escaped):
        assert f"of which Personalize takes {kind.max_properties_characters:,}" in str(rejected_row)


def test_a_row_that_cannot_be_read_does_not_hold_up_the_others(path):
    found = outcomes(path, b"ITEM_ID,PAGES\na\nb,1,2\nc,\xff\nd,4\n")
    assert [str(each) for each in found[:3]] == [
        "line 2: has 1 values where the first line has 2; quote those with commas.",
        "line 3: has 3 values where the first line has 2; quote those with commas.",
        "line 4: is not encoded in UTF-8; save the file as UTF-8.",
    ]
    assert found[3].record_id == "d"


@pytest.mark.parametrize(
    ("content", "line", "sentence"),
    [
        ('ITEM_ID,PAGES\na,1\nb,"2"x\nc,3\n', 3, "not well-formed CSV"),
        ('ITEM_ID,PAGES\na,1\nb,"2\nc,3\n', 3, "never closed"),
        ('ITEM_ID,PAGES\na,"' + "x\n" * 200_000, 2, "too long"),
        ("ITEM_ID,PAGES\n" + "x" * 2_000_000, 2, "too long"),
        ("ITEM_ID,PAGES\n" + "x,\n" * 9 + ",".join(["x"] * 600_000), 11, "too long"),
    ],
)
def test_where_the_csv_itself_breaks_the_whole_file_is_refused(path, content, line, sentence):
    with pytest.raises(InputError, match=rf"line {line}: .*{sentence}.* Nothing was put"):
        outcomes(path, content, schema=None)


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (["ITEM_ID", "PAGES", "AUTHOR"], r"has no column AUTHOR\. Its schema has: ITEM_ID, TITLE"),
        (["ITEM_ID", "pages"], "has no column pages"),
        (["ITEM_ID", "TITLE"], "has no column PAGES, which the schema"),
        (["ITEM_ID", "PAGES", "PAGES"], "one name.*PAGES, PAGES"),
        (["ITEM_ID", "PAGES", ""], "A column has no name"),
    ],
)
def test_columns_are_held_to_the_schema(header, sentence):
    with pytest.raises(InputError, match=sentence):
        parse_schema(SCHEMA, ITEMS).columns(header)


def test_columns_that_would_be_one_property_are_refused():
    check_names(["ITEM_ID", "GENRE_L1", "GENRE_L2"])
    with pytest.raises(InputError, match="GENRE_L1, GENREL1"):
        check_names(["ITEM_ID", "GENRE_L1", "GENREL1"])


def test_columns_that_become_empty_are_named():
    assert parse_schema(SCHEMA, ITEMS).left_empty(["ITEM_ID", "PAGES", "PRICE", "WEIGHT", "GENRE_L2"]) == [
        "TITLE",
        "IN_PRINT",
        "CREATION_TIMESTAMP",
    ]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"fields": [1]}', '{"fields": [{"name": "A"}]}', "[" * 10**5]
)
def test_what_is_no_schema_is_refused(text):
    with pytest.raises(InputError, match="not an Avro record"):
        parse_schema(text, ITEMS)


def test_a_schema_of_another_dataset_is_refused():
    with pytest.raises(InputError, match="has no column ACTION_ID"):
        parse_schema(SCHEMA, ACTIONS)


def test_a_type_that_personalize_adds_one_day_is_left_to_personalize():
    schema = parse_schema(
        '{"fields": [{"name": "ITEM_ID", "type": "string"}, {"name": "X", "type": "uuid"}]}', ITEMS
    )
    assert schema.fields["X"].problem_of("anything") is None


CELLS = st.text(st.characters(codec="utf-8"), max_size=30)


@given(st.lists(st.tuples(st.text("abc", min_size=1, max_size=5), CELLS, CELLS), max_size=30), st.booleans())
def test_what_a_row_says_is_in_its_record(tmp_path_factory, rows, is_crlf):
    path = tmp_path_factory.mktemp("rows") / "items.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        # Python's writer quotes a lone carriage return with CRLF only, or where it quotes everything.
        writer = csv.writer(
            file,
            lineterminator="\r\n" if is_crlf else "\n",
            quoting=csv.QUOTE_MINIMAL if is_crlf else csv.QUOTE_ALL,
        )
        writer.writerows([("ITEM_ID", "TITLE", "GENRE_L2"), *rows])
    file = CsvFile(path)
    columns = schema_of_header(file.header, ITEMS).columns(file.header)
    found: list[Any] = [to_record(number, row, columns, ITEMS) for number, row in enumerate(file.rows())]
    assert [(each.record_id, json.loads(each.properties or "{}")) for each in found] == [
        (item, {name: value for name, value in (("title", title), ("genreL2", genre)) if value})
        for item, title, genre in rows
    ]


@given(st.lists(st.sampled_from("abcdefghijklmnop"), max_size=60))
def test_no_call_has_an_id_twice_and_the_order_stays(ids):
    records = [Record(number, number, each, None) for number, each in enumerate(ids)]
    calls = [*calls_of(records)]
    assert [record for call in calls for record in call] == records
    for call in calls:
        assert len({record.record_id for record in call}) == len(call) <= 10
    for before, after in itertools.pairwise(calls):
        assert len(before) == 10 or after[0].record_id in {record.record_id for record in before}


def test_output_is_bounded_whatever_is_wrong():
    rejected_rows = RejectedRows()
    for line in range(10_000):
        rejected_rows.add(RejectedRow(line, "X", f"is wrong in way {line}. {'x' * 1000}\x1b[2J"))
    lines = [*rejected_rows.lines()]
    assert len(rejected_rows) == 10_000
    assert len(lines) <= MAX_SHOWN + MAX_REASONS + 2
    assert all(len(line) < 400 and "\x1b" not in line for line in lines)


@pytest.mark.slow
def test_a_large_file_is_read_a_row_at_a_time(path):
    row = f"x,{'y' * 1000},1\n"
    file = written(path, "ITEM_ID,TITLE,PAGES\n" + row * 20_000)
    upload = Upload(file, ITEMS, parse_schema(SCHEMA, ITEMS).columns(file.header))
    tracemalloc.start()
    try:
        rows, rejected_rows = upload.check(lambda so_far: None)
        file.content_hash()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (rows, len(rejected_rows)) == (20_000, 0)
    assert most < 4_000_000, "the file has 20 MB"
