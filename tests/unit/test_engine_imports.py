"""Personalize's import files, and the message when one cannot be used."""

from __future__ import annotations

import csv
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
    assert read_folder(tmp_path).interactions == [("u", "a", 10), ("v", "c", 10), ("u", "b", 20)]


def test_columns_may_be_in_any_order_with_others_between_them(tmp_path: Path) -> None:
    write(tmp_path, interactions="EVENT_VALUE,TIMESTAMP,ITEM_ID,DEVICE,USER_ID\n4.5,7,i,phone,u\n")
    assert read_folder(tmp_path).interactions == [("u", "i", 7)]


def test_a_byte_order_mark_windows_line_ends_and_empty_lines_are_accepted(tmp_path: Path) -> None:
    write(tmp_path, interactions=b"\xef\xbb\xbfUSER_ID,ITEM_ID,TIMESTAMP\r\n\r\nu,i,7\r\n\r\n")
    assert read_folder(tmp_path).interactions == [("u", "i", 7)]


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
    assert sorted(read_folder(folder).interactions) == sorted(rows)
