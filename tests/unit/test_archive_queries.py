"""Saved queries: what their files say, what they are given, and how values become SQL."""

import os
import shlex
import subprocess
import sys
from datetime import date, datetime, timezone
from pathlib import Path

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import expressions

from ops import cli
from ops.archive.days import Days, to_days
from ops.archive.engine import BoundQuery, Column, Result
from ops.archive.interactions import ImportFile, parse_properties
from ops.archive.literals import to_literal
from ops.archive.local_engine import LocalEngine
from ops.archive.saved_queries import find_query, read_queries
from ops.archive.show import FORMATS, MAX_TABLE_ROWS, cost_line
from ops.errors import InputError
from ops.forget.archive import sessions_query, user_query
from ops.replay.rows import counts_query, lines_query

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 2, 10)
DAYS = Days(date(2026, 1, 1), date(2026, 1, 31))
HOSTILE = [
    "",
    "O'Hara",
    "''",
    "' OR 1=1 --",
    "x'; DROP TABLE events; --",
    "/* not a comment */",
    "-- nor this",
    "back\\slash\\",
    "\\'",
    "?",
    "$1 :name {x}",
    "two\nlines\r\n",
    '"quoted"',
    "日本 🐦\u200b",
    "%_",
]


def evaluated(literal):
    """What SQL makes of a literal: by DuckDB, and by the parser for Athena's dialect."""
    [(value,)] = duckdb.execute(f"SELECT {literal}").fetchall()
    [parsed] = sqlglot.parse_one(f"SELECT {literal}", read="athena").expressions
    assert isinstance(parsed, expressions.Literal)
    assert parsed.this == str(value)
    return value


@pytest.mark.parametrize("value", [*HOSTILE, 0, 20, 10**9])
def test_a_literal_is_its_value_and_nothing_else(value):
    assert evaluated(to_literal(value)) == value


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300))
def test_any_text_is_one_literal(text):
    assert evaluated(to_literal(text)) == text


def test_a_literal_has_the_length_that_athena_takes():
    assert len(to_literal("x" * 1022)) == 1024
    with pytest.raises(InputError, match="A value has 1025 characters as SQL; Athena takes 1024"):
        to_literal("x" * 1023)


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        ("2026-01-01", "2026-01-31", ("2026-01-01", "2026-01-31")),
        (None, None, ("2026-02-04", "2026-02-10")),
        (None, "2026-01-07", ("2026-01-01", "2026-01-07")),
        ("2026-02-10", None, ("2026-02-10", "2026-02-10")),
    ],
)
def test_every_query_has_a_first_and_a_last_day(first, last, days):
    assert to_days(first, last, TODAY) == Days(*map(date.fromisoformat, days))


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("yesterday", None, "FROM must be a day such as 2026-01-31"),
        ("2026-02-30", None, "FROM must be a day"),
        ("20260101", None, "FROM must be a day"),
        (None, "2026-1-1", "TO must be a day"),
        ("2026-01-02", "2026-01-01", r"FROM \(2026-01-02\) must not be after TO \(2026-01-01\)"),
    ],
)
def test_days_that_are_none_are_named(first, last, said):
    with pytest.raises(InputError, match=said):
        to_days(first, last, TODAY)


IMPORT = ImportFile.of(parse_properties("CONTEXT"))
GIVEN = {"USER": "ann", "EVENT": "e", "EXPERIMENT": "x"}
SAVED = {
    name: query.bind(DAYS, {p.name: GIVEN[p.name] for p in query.parameters if p.name in GIVEN})
    for name, query in read_queries().items()
}
OF_COMMANDS = {
    "the rows of an export": IMPORT.rows_query(DAYS),
    "the counts of an export": IMPORT.counts_query(DAYS),
    "a person": user_query("ann", DAYS),
    "sessions of a person": sessions_query(["s1", "s2", "s3"], DAYS),
    "the lines of a replay": lines_query("2026-01-31"),
    "the counts of a replay": counts_query(DAYS),
}


@pytest.mark.parametrize("bound", (SAVED | OF_COMMANDS).values(), ids=(SAVED | OF_COMMANDS).keys())
def test_each_query_is_one_of_athena_and_reads_some_days_only(bound):
    statement = sqlglot.parse_one(bound.sql, read="athena")
    placeholders = [*statement.find_all(expressions.Placeholder)]
    assert len(placeholders) == len(bound.values)
    # The user guide of Athena (querying-with-prepared-statements.html) allows them nowhere else.
    assert all(each.find_ancestor(expressions.Where) for each in placeholders)
    tables = [t for t in statement.find_all(expressions.Table) if t.name in {"events", "event_lines"}]
    assert tables
    for table in tables:
        condition = table.find_ancestor(expressions.Select).args["where"]
        between = condition.find(expressions.Between)
        assert between.this.name == "dt"
        assert [type(between.args[end]) for end in ("low", "high")] == [expressions.Placeholder] * 2


def test_each_file_says_what_it_answers_and_names_a_parameter_for_each_question_mark():
    for query in read_queries().values():
        assert query.question.endswith((".", ":")), query.name
        assert len(query.parameters) == len(SAVED[query.name].values), query.name
        assert {"FROM", "TO"} <= {parameter.name for parameter in query.parameters}


def test_a_value_is_bound_where_its_question_mark_is():
    bound = find_query("top-items").bind(DAYS, {"EVENT_TYPE": "buy"})
    assert bound.values == ["2026-01-01", "2026-01-31", "buy", 20]
    assert find_query("person").bind(DAYS, {"USER": "ann"}).values == [
        *("2026-01-01", "2026-01-31") * 2,
        *("ann", "ann"),
    ]


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("person", {}, r"person needs USER \(the UserId\): USER=\.\.\."),
        ("person", {"USER": ""}, "person needs USER"),
        ("top-items", {"LIMIT": "many"}, "LIMIT must be a whole number such as 20"),
        ("top-items", {"LIMIT": "-1"}, "LIMIT must be a whole number"),
        ("top-items", {"USER": "ann"}, "top-items takes no USER"),
        ("top-items", {"FROM": "2026-01-01"}, "top-items takes no FROM"),
    ],
)
def test_a_value_that_is_missing_wrong_or_not_asked_for_is_named(name, values, said):
    with pytest.raises(InputError, match=said):
        find_query(name).bind(DAYS, values)


def test_an_unknown_query_is_answered_with_those_there_are():
    with pytest.raises(InputError, match=r"There is no query x\. There are: .*top-items"):
        find_query("x")


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("""json_extract_scalar('{"a": {"b": 1}}', '$.a')""", None),
        ("""json_extract_scalar('{"a": [1]}', '$.a')""", None),
        ("""json_extract_scalar('{"a": "b"}', '$.a')""", "b"),
        ("""json_extract_scalar('{"a": 2.5}', '$.a')""", "2.5"),
        ("""json_extract_scalar('{"a": null}', '$.a')""", None),
        ("regexp_extract('abc', '([0-9]+)', 1)", None),
        ("regexp_extract('abc12', '([0-9]+)', 1)", "12"),
    ],
)
def test_duckdb_says_what_athena_says(sql, value):
    engine = LocalEngine(lambda: [], "bucket")
    with engine.run(BoundQuery(f"SELECT coalesce({sql}, 'null')", [], DAYS)) as found:
        assert [*found.rows] == [[value or "null"]]


def result(rows):
    return Result([Column("name", "varchar"), Column("n", "bigint"), Column("x", "double")], iter(rows), 0)


def test_a_table_shows_what_a_terminal_can_show(capsys):
    FORMATS["table"](result([["a\x1b[2J\nb", "7", "0.5"], ["x" * 100, "", ""]]))
    head, _line, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "n", "x"]
    assert first.split() == [r"a\x1b[2J\nb", "7", "0.5"]
    assert second.endswith("…")


def test_a_table_says_that_it_is_not_all(capsys):
    FORMATS["table"](result([["a", "1", "2"]] * (MAX_TABLE_ROWS + 1)))
    assert "The first 1,000 rows" in capsys.readouterr().out
    FORMATS["table"](result([]))
    assert "(no rows)" in capsys.readouterr().out


def test_csv_and_json_have_every_row(capsys):
    rows = [['a "b", c\nd', "7", "0.5"], ["", "", ""]]
    FORMATS["csv"](result(rows))
    assert capsys.readouterr().out == 'name,n,x\n"a ""b"", c\nd",7,0.5\n,,\n'
    FORMATS["json"](result(rows))
    assert capsys.readouterr().out == (
        '[\n  {"name": "a \\"b\\", c\\nd", "n": 7, "x": 0.5},\n  {"name": null, "n": null, "x": null}\n]\n'
    )
    FORMATS["json"](result([]))
    assert capsys.readouterr().out == "[]\n"


def test_the_price_counts_each_query_and_its_minimum():
    assert "2,000,000,001 bytes scanned. This costs 0.010050 USD" in cost_line(2 * 10**9, 1, is_local=False)


def recipe(*arguments, target="query", **environment):
    ran = subprocess.run(
        ["make", "-n", target, *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return shlex.split(ran.stdout.replace("\\\n", " "))


def test_make_takes_what_is_given_to_it_and_not_the_name_of_who_is_signed_in():
    assert not any("USER" in word for word in recipe("NAME=person", USER="root", FROM="1", LIMIT="2"))
    words = recipe("NAME=person", "USER=ann", "FROM=2026-01-01")
    assert "USER=$USER" in words and "--from=$FROM" in words and words[-2:] == ["--", "$NAME"]


def test_make_export_names_no_folder_of_its_own():
    assert not any("--out" in word for word in recipe("STAGE=local", target="export"))
    assert "--out=$OUT" in recipe("STAGE=local", "OUT=folder", target="export")


@pytest.mark.parametrize("arguments", [["export", "--stage", "local"], ["export", "--out", ""]])
def test_an_export_without_a_folder_is_wrong_usage(arguments, capsys):
    assert cli.main(arguments) == 2
    assert "--out" in capsys.readouterr().err


def test_a_reader_may_have_seen_enough():
    words = [sys.executable, "-m", "ops", "query"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        listing.stdout.close()
        assert (listing.stderr.read(), listing.wait(30)) == (b"", 0)


def test_the_days_of_a_partition():
    assert DAYS.contains("2026-01-31") and not DAYS.contains("2026-02-01")
    assert not DAYS.contains("__HIVE_DEFAULT_PARTITION__")
    assert to_days(None, None, datetime.now(timezone.utc).date()).last >= TODAY


def test_copies_of_a_run_that_was_killed_go_with_the_next_one(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in (
        f"personalize-api-archive-{ended.pid}-x",
        f"personalize-api-archive-{os.getpid()}-x",
        "other",
    ):
        (tmp_path / name).mkdir()
    with LocalEngine(list, "bucket").run(BoundQuery("SELECT 1 AS one", [], DAYS)) as result:
        assert [*result.rows] == [["1"]]
    assert {path.name for path in tmp_path.iterdir()} == {f"personalize-api-archive-{os.getpid()}-x", "other"}
