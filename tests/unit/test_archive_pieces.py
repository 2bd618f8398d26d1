"""Lines of the archive are taken apart into events, and put together again byte for byte."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ops.archive import pieces
from ops.archive.pieces import MAX_COST, lines_in, pieces_of, without

ANN, BEN = b'{"UserId":"ann","SessionId":"s1"}', b'{"UserId":"ben","SessionId":"s2"}'
HALF = b'{"UserId":"ann","SessionId":"s1","Event":{"itemId":"x"},"Ev'


def values(data):
    """Return the events of some lines."""
    return [piece.value for found in pieces_of(lines_in(data)) for piece in found if piece.value]


def left(data, *gone):
    """Return what is left of some lines without the events of some users."""

    def is_removed(piece):
        return piece.value is not None and piece.value.get("UserId") in gone

    return b"".join(without(found, is_removed) for found in pieces_of(lines_in(data)))


@pytest.mark.parametrize(
    ("data", "users"),
    [
        (ANN + b"\n" + BEN + b"\n", ["ann", "ben"]),
        (ANN + BEN + b"\n", ["ann", "ben"]),
        (ANN + b" \t" + BEN, ["ann", "ben"]),
        (b"\xef\xbb\xbf" + ANN + b"\n" + BEN, ["ann", "ben"]),
        (b"garbage " + ANN + b"}}]] {" + BEN + b" \xff\n", ["ann", "ben"]),
        (HALF + BEN + b"\n", ["ben"]),
        (HALF + b"\n" + BEN + b"\n", ["ben"]),
        (json.dumps(json.loads(ANN), indent=2).encode() + b"\n" + BEN + b"\n", ["ann", "ben"]),
        (json.dumps(json.loads(ANN), indent=2).encode() + b"\n{\n" + BEN + b"\n", ["ann", "ben"]),
        (b"[" + ANN + b",\n" + BEN + b"]\n", ["ann", "ben"]),
        (b'{"UserId":"ann","Event":{"a":NaN,"b":1e999,"c":' + b"9" * 5000 + b"}}\n" + BEN, ["ann", "ben"]),
        (ANN + b"\r\n" + BEN + b"\r\n", ["ann", "ben"]),
        # What is around events is none, and what is in an event is its own.
        (b'{"Records":[' + ANN + b"," + BEN + b"]}\n", ["ann", "ben"]),
        (b'{"UserId":"ben","SessionId":"s","Event":{"by":{"userId":"ann"}}}\n', ["ben"]),
        (b'{\n"userId":"ann",\n"sessionId":"s",\n"eventList":[\n{"eventType":"x","sentAt":1},\n{}]}\n', []),
        (b"\n\n" + ANN + b"\n \n", ["ann"]),
        (b"", []),
    ],
)
def test_each_event_is_found_whatever_else_is_in_its_line(data, users):
    assert [value["UserId"] for value in values(data) if "UserId" in value] == users
    assert sum("userId" in value for value in values(data)) == data.count(b"eventList")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (ANN + b"\n" + BEN + b"\n", BEN + b"\n"),
        (ANN + BEN + b"\n" + BEN + b"\n", BEN + b"\n" + BEN + b"\n"),
        (BEN + ANN + b"\n" + BEN + b"\n", BEN + b"\n" + BEN + b"\n"),
        (BEN + ANN, BEN),
        (ANN + ANN + b"\n", b""),
        (b" " + ANN + b" \n" + BEN, BEN),
        (b"[" + ANN + b"," + BEN + b"]\n", b"[," + BEN + b"]\n"),
    ],
)
def test_what_stays_ends_its_line_as_before(data, expected):
    assert left(data, "ann") == expected


PARTS = [
    ANN,
    BEN,
    HALF,
    b"\n",
    b"\n",
    b" ",
    b"{",
    b"}",
    b'"',
    b"\xff",
    b"\xf3\x89\x9a\xc2",
    b"\r",
    b"null",
    b"[1]",
]


@given(st.lists(st.sampled_from(PARTS), max_size=30).map(b"".join))
@example(b'{"a":{"UserId":"ann"}}')
def test_the_pieces_of_anything_are_what_they_were_cut_from(data):
    assert b"".join(piece.data for found in pieces_of(lines_in(data)) for piece in found) == data
    assert left(data) == data


@given(st.lists(st.sampled_from([ANN, BEN, b"\n"]), max_size=30).map(b"".join))
def test_of_joined_events_the_others_stay(data):
    others = left(data, "ann")
    assert b"ann" not in others
    assert others.count(BEN) == data.count(BEN)


@pytest.mark.parametrize("size", [3_000, 5_000, 70_000])
def test_an_event_of_any_size_is_found_between_others(size):
    large = json.dumps({"UserId": "ann", "Event": {"text": '"{' * size, "number": 12345}}).encode()
    assert [value["UserId"] for value in values(BEN + large + BEN + large + b"\n")] == ["ben", "ann"] * 2


HOSTILE = [
    b'{"a":',
    b"{",
    b'{"UserId":"a","b":{',
    b'{"UserId":"',
    b"[",
    b'{"a":[',
    b"\\u",
    b'{"a":"b",',
    b'"{',
]


@pytest.mark.parametrize("part", HOSTILE)
def test_the_decoder_looks_at_each_character_a_bounded_number_of_times(part, monkeypatch):
    looked_at = []

    class Counting(json.JSONDecoder):
        def raw_decode(self, text, idx=0):
            try:
                value, end = super().raw_decode(text, idx)
            except json.JSONDecodeError as error:
                looked_at.append(error.pos)
                raise
            except RecursionError:
                looked_at.append(1_000)
                raise
            looked_at.append(end)
            return value, end

    monkeypatch.setattr(pieces, "_decoder", Counting(parse_int=str, parse_float=str, parse_constant=str))
    data = part * (200_000 // len(part))
    assert b"".join(piece.data for found in pieces_of([data]) for piece in found) == data
    assert sum(looked_at) <= 2 * MAX_COST * len(data)
    assert len(looked_at) <= 2 * len(data)


DEEP = json.dumps({"rows": [json.loads('{"a":' * 25 + "1" + "}" * 25)] * 300}).encode()


@pytest.mark.parametrize("size", [1_000, 1_020, 3_000])
def test_an_envelope_that_is_cut_off_hides_no_event_behind_it(size):
    odd = b'{"Records":[{"meta":{"detail":{"note":["' + b'x","' * size + b'y"\n'
    assert [value["UserId"] for value in values(odd + ANN + BEN + b"\n")] == ["ann", "ben"]


def test_an_object_that_is_no_event_hides_no_event_behind_it():
    assert [value["UserId"] for value in values(DEEP + b"\n" + ANN + BEN + b"\n")] == ["ann", "ben"]


@pytest.mark.parametrize("odd", [b'{"a":["x",' * 50_000, b'{"a":' * 900], ids=len)
def test_what_would_take_too_long_is_unreadable_and_stays(odd):
    data = odd + b"\n" + ANN + BEN + b"\n"
    pieces_of_all = [piece for found in pieces_of(lines_in(data)) for piece in found]
    assert pieces_of_all[-1].is_unreadable
    assert b"".join(piece.data for piece in pieces_of_all) == data
    assert left(data, "ann") == data
