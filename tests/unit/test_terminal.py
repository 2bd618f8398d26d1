"""What a command prints: text from outside cannot control the terminal."""

import io
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ops.errors import AwsError
from ops.terminal import print_line, printable, printable_line


@given(st.text())
@example("\x1b]0;title\x07\x1b[2J\r\x9b31m\u202e\u200b\ud800")
def test_nothing_but_printable_characters_is_printed(text):
    assert all(character in "\n\t" or character.isprintable() for character in printable(text))
    line = printable_line(text, max_characters=20)
    assert line.isprintable()
    assert len(line) <= 20


def test_a_control_character_is_shown_and_not_obeyed():
    assert printable("red \x1b[31m, back \r, é") == "red \\x1b[31m, back \\r, é"
    assert printable_line("a\nb\tc", max_characters=20) == "a\\nb\\tc"


def test_a_long_text_is_cut_to_its_length():
    assert printable_line("x" * 20, max_characters=20) == "x" * 20
    assert printable_line("x" * 10**6, max_characters=20) == "x" * 19 + "…"
    assert printable_line("\x1b" * 20, max_characters=9) == "\\x1b\\x1b…"


def test_lines_keep_their_newlines(capsys):
    print_line("one\n\ttwo\x1b[2J")
    assert capsys.readouterr().out == "one\n\ttwo\\x1b[2J\n"


def test_a_character_that_stdout_cannot_encode_stops_no_command(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    print_line("é ☂")
    assert written.getvalue() == b"\\xe9 \\u2602\n"


@pytest.mark.parametrize("error", [AwsError("refused: \x1b[2J"), OSError(2, "gone", "\x1b[2J")])
def test_the_sentence_of_an_error_is_cleaned_too(error, monkeypatch, capsys):
    from ops import cli, doctor  # noqa: PLC0415 - the other tests need no boto3

    def fail(*_arguments, **_options):
        raise error

    monkeypatch.setattr(doctor, "run_doctor", fail)
    assert cli.main(["doctor"]) == cli.FAILED
    captured = capsys.readouterr().err
    assert "\\x1b[2J" in captured
    assert "\x1b" not in captured
