"""Personalize's import files, and the message when one cannot be used."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.personalize.errors import ImportFileError
from local.personalize.imports import read_folder

HEADER = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n"


def write(folder: Path, **files: str | bytes) -> Path:
    for name, content in ({"interactions": HEADER} | files).items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / f"{name}.csv").write_bytes(data)
    return folder


def test_interactions_are_in_order_of_time_and_then_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, interactions=HEADER + "u,b,20,view\nu,a,10,view\nv,c,10,buy\n")
    assert read_folder(tmp_path).interactions == [
        ("u", "a", 10, "view"),
        ("v", "c", 10, "buy"),
        ("u", "b", 20, "view"),
    ]


def test_columns_may_be_in_any_order_with_others_between_them(tmp_path: Path) -> None:
    write(tmp_path, interactions="EVENT_VALUE,TIMESTAMP,ITEM_ID,DEVICE,USER_ID\n4.5,7,i,phone,u\n")
    assert read_folder(tmp_path).interactions == [("u", "i", 7, "")]


def test_a_byte_order_mark_windows_line_ends_and_empty_lines_are_accepted(tmp_path: Path) -> None:
    write(tmp_path, interactions=b"\xef\xbb\xbfUSER_ID,ITEM_ID,TIMESTAMP\r\n\r\nu,i,7\r\n\r\n")
    assert read_folder(tmp_path).interactions == [("u", "i", 7, "")]


def test_items_and_users_are_optional_and_have_metadata(tmp_path: Path) -> None:
    write(tmp_path)
    assert read_folder(tmp_path).items == {}
    write(tmp_path, items='TITLE,ITEM_ID,GENRES\n"Crime, etc.",i,a|b\n,j,\n', users="USER_ID,AGE\nu,7\n")
    assert read_folder(tmp_path).items == {"i": {"TITLE": "Crime, etc.", "GENRES": "a|b"}, "j": {}}
    assert read_folder(tmp_path).users == {"u": {"AGE": "7"}}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"interactions": ""}, "interactions.csv, line 1: the column USER_ID is missing; .*nothing"),
        (
            {"interactions": "USER_ID,ITEM_ID\n"},
            "line 1: the column TIMESTAMP is missing; .*USER_ID, ITEM_ID",
        ),
        ({"interactions": "user_id,ITEM_ID,TIMESTAMP\n"}, "USER_ID is missing; add .* in capitals"),
        ({"interactions": HEADER.replace("EVENT_TYPE", "ITEM_ID")}, "the column ITEM_ID is there twice"),
        ({"interactions": HEADER + "u,i,7,view\n,i,7,view\n"}, "line 3: USER_ID is empty"),
        ({"interactions": HEADER + "u,,7,view\n"}, "line 2: ITEM_ID is empty"),
        ({"interactions": HEADER + f"u,{'i' * 257},7,view\n"}, "ITEM_ID is longer than 256 characters"),
        ({"interactions": HEADER + "u,i,today,view\n"}, "line 2: TIMESTAMP is not a whole number"),
        ({"interactions": HEADER + "u,i,1735689600000,view\n"}, "in milliseconds; divide it by 1000"),
        ({"interactions": HEADER + "u,i,7\n"}, "line 2: 3 fields where the first line has 4"),
        ({"interactions": HEADER + "u,i,7,view,more\n"}, "5 fields where the first line has 4"),
        ({"interactions": HEADER + '"u"x,i,7,view\n'}, "line 2: is not well-formed CSV"),
        ({"interactions": HEADER.encode() + b"\xff,i,7,view\n"}, "not encoded in UTF-8; save it as UTF-8"),
        ({"items": "TITLE\n"}, "items.csv, line 1: the column ITEM_ID is missing"),
        ({"items": "ITEM_ID,TITLE\ni,a\ni,b\n"}, "items.csv, line 3: ITEM_ID 'i' is there twice"),
        ({"users": "USER_ID,AGE\n,7\n"}, "users.csv, line 2: USER_ID is empty"),
    ],
)
def test_a_bad_file_is_named_with_the_line_and_the_remedy(
    files: dict[str, str | bytes], message: str, tmp_path: Path
) -> None:
    write(tmp_path, **files)
    with pytest.raises(ImportFileError, match=message) as raised:
        read_folder(tmp_path)
    assert str(raised.value).startswith(str(tmp_path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("timestamp", "problem"),
    [
        ("9" * 400, "is too large"),
        ("1" + "0" * 5000, "is too large"),
        ("1" * 16, "is too large"),
        ("1735689600000", "is in milliseconds"),
        ("-1", "is negative"),
        ("-" + "9" * 400, "is negative"),
        ("", "is empty"),
        (" ", "is not a whole number"),
        (" 7", "is not a whole number"),
        ("+7", "is not a whole number"),
        ("NaN", "is not a whole number"),
        ("inf", "is not a whole number"),
        ("1e5", "is not a whole number"),
        ("7.0", "is not a whole number"),
        ("0x7", "is not a whole number"),
        ("1_000", "is not a whole number"),
        ("\uff11\uff12", "is not a whole number"),
        ("\u0663", "is not a whole number"),
        ("\u00b2", "is not a whole number"),
        ('"7\n"', "is not a whole number"),
        ('"\u202e7"', "is not a whole number"),
    ],
)
def test_an_odd_timestamp_is_a_sentence_with_its_line(timestamp: str, problem: str, tmp_path: Path) -> None:
    assert_refused(tmp_path, HEADER + f"u,i,7,view\nu,i,{timestamp},view\n", f"line 3: TIMESTAMP {problem}")


def test_zeros_before_a_timestamp_change_nothing(tmp_path: Path) -> None:
    write(tmp_path, interactions=HEADER + f"u,i,{'0' * 400}7,view\n")
    assert read_folder(tmp_path).interactions == [("u", "i", 7, "view")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEADER + "u\0,i,7,view\n", "line 2: there is the control character U+0000; remove it."),
        (HEADER + "u,i,7,\x1b[2J\n", "line 2: there is the control character U+001B"),
        (HEADER + "u,i,7,\x9b2J\n", "line 2: there is the control character U+009B"),
        (HEADER.replace("EVENT", "\x07"), "line 1: there is the control character U+0007"),
        (HEADER + '"u\n2",i,7,view\n', "line 2: USER_ID contains a tab or a line end"),
        (HEADER + 'u,"i\t",7,view\n', "line 2: ITEM_ID contains a tab or a line end"),
        (HEADER.encode() + b"u,i,7,view\n" * 9 + b"u,i,7,\xff\n", "line 11: is not encoded in UTF-8"),
        (HEADER.encode() + b"u,i,7,\xed\xa0\x80\n", "line 2: is not encoded in UTF-8"),
        (HEADER.encode() + b"u,i,7,\xc3", "line 2: is not encoded in UTF-8"),
        (HEADER.encode("utf-16"), "line 1: is not encoded in UTF-8"),
        (HEADER.encode("utf-16-le"), "line 1: there is the control character U+0000"),
        (
            HEADER + f"u,i,7,{'x' * 200_000}\n",
            "line 2: a field is longer than 131,072 characters; shorten it",
        ),
        (HEADER + 'u,i,7,view\nu,i,7,"view\nu,i,8,view\n', "line 3: a quotation mark is never closed"),
        (HEADER + 'u,i,7,"vi"ew"\n', "line 2: is not well-formed CSV"),
        (HEADER + '"u,i,7,view\n\n",i\n', "line 2: 2 fields where the first line has 4"),
        (HEADER + "u\n", "line 2: 1 field where the first line has 4"),
        ("USER_ID,ITEM_ID,TIMESTAMP,,\n", "line 1: the column without a name is there twice"),
        ("x\u202e\u2028,A,A\n", "found there: x\ufffd\ufffd, A, A."),
        (",".join(f"c{n}" for n in range(50_000)), "..."),
    ],
)
def test_odd_content_is_a_sentence_with_its_line(content: str | bytes, said: str, tmp_path: Path) -> None:
    assert_refused(tmp_path, content, said)


def test_what_is_printed_of_an_id_moves_no_cursor(tmp_path: Path) -> None:
    write(tmp_path, items="ITEM_ID\ni\u202e\u2028\ni\u202e\u2028\n")
    with pytest.raises(ImportFileError, match=r"items\.csv, line 3: ITEM_ID 'i��' is there twice"):
        read_folder(tmp_path)


def test_a_text_of_an_item_may_have_several_lines(tmp_path: Path) -> None:
    write(tmp_path, items='ITEM_ID,TEXT\ni,"one\r\n\ttwo"\nj,\n,\n')
    with pytest.raises(ImportFileError, match="line 5: ITEM_ID is empty"):
        read_folder(tmp_path)
    write(tmp_path, items='ITEM_ID,TEXT\ni,"one\r\n\ttwo"\n')
    assert read_folder(tmp_path).items == {"i": {"TEXT": "one\r\n\ttwo"}}


def assert_refused(folder: Path, interactions: str | bytes, said: str) -> None:
    write(folder, interactions=interactions)
    with pytest.raises(ImportFileError) as raised:
        read_folder(folder)
    assert said in str(raised.value)
    assert_is_a_sentence(str(raised.value), folder)


def assert_is_a_sentence(message: str, folder: Path) -> None:
    assert re.fullmatch(
        re.escape(f"{folder}/") + r"(interactions|items|users)\.csv, line [1-9][0-9]*: .+; .+\.", message
    )
    assert message.isprintable()
    assert len(message) < len(str(folder)) + 300
    assert not re.search("codec|int\\(\\)|float|limit|Error|expected after|unexpected end", message)


FRAGMENTS = st.sampled_from(
    [
        *(text.encode() for text in ("USER_ID,ITEM_ID,TIMESTAMP", "ITEM_ID", "USER_ID", "u,i,7", "u", "7")),
        *(b"\n", b"\r", b"\r\n", b",", b",,", b'"', b'""', b"\0", b"\t", b" ", b"\xef\xbb\xbf", b"\xff"),
        *(b"\xed\xa0\x80", b"\xc3", b"9" * 400, b"-1", b"1e5", b"NaN", b"\x1b[2J", "\u202e\uff17".encode()),
        b"x" * 140_000,
    ]
)
CONTENTS = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(FRAGMENTS, st.binary(max_size=3)), max_size=30).map(b"".join),
    st.lists(FRAGMENTS, max_size=12).map(lambda parts: b"USER_ID,ITEM_ID,TIMESTAMP\n" + b"".join(parts)),
)


@given(interactions=CONTENTS, items=CONTENTS, users=CONTENTS)
def test_any_bytes_load_or_are_a_sentence_with_the_line(
    interactions: bytes, items: bytes, users: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("import")
    # Each file is the broken one in turn: the first problem hides those of the files after it.
    for files in ({"interactions": interactions}, {"items": items}, {"users": users, "items": items}):
        write(folder, **({"items": "ITEM_ID\n", "users": "USER_ID\n"} | files))
        try:
            found = read_folder(folder)
        except ImportFileError as error:
            assert_is_a_sentence(str(error), folder)
        else:
            for user, item, seconds, _ in found.interactions:
                assert user
                assert item
                assert 0 <= seconds < 100_000_000_000


def test_a_folder_without_interactions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match=r"interactions\.csv: is missing; add it"):
        read_folder(tmp_path)
    with pytest.raises(ImportFileError, match="is not a folder"):
        read_folder(tmp_path / "nowhere")


IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(rows=st.lists(st.tuples(IDS, IDS, st.integers(0, 2_000_000_000)), max_size=20))
def test_any_id_is_read_as_it_was_written(
    rows: list[tuple[str, str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("import")
    with (folder / "interactions.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("USER_ID", "ITEM_ID", "TIMESTAMP"), *rows])
    assert sorted(read_folder(folder).interactions) == sorted((*row, "") for row in rows)
