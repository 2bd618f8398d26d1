"""Ids that are none: the field is named, and what the client has probably done."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import contract
from chalicelib.contract.identifiers import (
    EXACT_MISSING_VALUES,
    ID_NOUNS,
    MISSING_VALUES,
    is_identifier,
)
from chalicelib.errors import InvalidRequestError
from tests.support.factories import request

API = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
NO_IDS = [
    *MISSING_VALUES, *EXACT_MISSING_VALUES,
    "null", "undefined", "NULL", "None", "nil", "NaN", "NA", "NaT", "n/a", "#DIV/0!", "#NUM!",
    "missing", "(undefined)", "(unset)", "OptionalInt.empty", "kotlin.Unit", "character(0)",
    "b'None'", "b''", "u'None'", "-nan(ind)", "1.#QNAN", "[null]", "[undefined]", "{null}",
    "<nil>", "(null)", "<NA>", "undefinednull", "nullnull", "undefined@undefined", "null+null",
    "{00000000-0000-0000-0000-000000000000}", "urn:uuid:00000000-0000-0000-0000-000000000000",
    "000000000000000000000000", "{user-id}", "<user-id>", "{user_id}", "{userId}", "<userid>",
    "%USER_ID%", "$userId", ":userId", "*|USER_ID|*", "%%id%%", "[[id]]", "%ld", "%1$s", "%s-%s",
    "{0:D}", "{0}", "%s", "%@", "“null”", "«null»", "ｎｕｌｌ", "user-undefined", "session-null", "-",
    "--", "{}", "[]", "()", "undefined_null", "%!s(<nil>)", "%!d(MISSING)", "%(user_id)s",
    "${userId}", "#{user.id}", "%{user}", "{{userId}}", "'null'", "abc-undefined",
    "foo_undefined_bar", "NAN", "(not set)", "[object Object],[object Object]",
    "[object Object]-[object Object]", "{% user %}", "<?= $id ?>", "<%= user.id %>",
    "[object Null]", '\\"null\\"', "︀", "󠄀", "᠋", "{{ user.id }}", "<user id>", " null ",
    "Optional(nil)", "n\u200bull", "null\x00",
]  # fmt: skip
BLANKS = [
    "", " ", "\t", "\r\n", "\x00", "\x1f", "\x7f", "\u00a0", "\u200b\u200d", "\u2028", "\u3000", "\ufeff",
    "\u00ad", "\u115f", "\u2800", "\u3164", "\uffa0", "\ufe0f", "\U000e0061", "\ufe00", "\U000e0100",
    "\u180b", "\uffff", "\ufdd0", "\ue000",
]  # fmt: skip
IDS = [
    "nat", "Nat", "Nan", "Na", "na", "Nil", "<rose>", "{neo}", "#{rose}x", "ann", "0", "-1", "1",
    "007", "nullable", "Nullarbor", "nil-1", "noneofyour", "Nancy", "s-null", "dev-null", "NaN7",
    "user@example.com", "😀", "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}",
    "00000000-0000-0000-0000-000000000001", "anonymous", "true", "object", "42%", "$device:1",
    "[1]", "user", "guest", "user-1", "device", "session", "anna@null.org", ":)", "00000000",
    "a%b", "100%done", "x[0]", "é", "山田", "user-abc", "nanna", "none-such", "null-island", "{x}",
    "<b>", "5%d", "$ally", "bob_nothing", "ß ☂", "a b", " s1", "é", "<john doe>", "Na Na",
    "a" * 256,
]  # fmt: skip
EVENT_IDS = ("UserId", "SessionId", "EventType", "EventId", "RecommendationId")
FIELDS = [
    *(("event", name, lambda name, text: request(**{name: text})) for name in EVENT_IDS),
    *(
        ("recommendations", name, lambda name, text: {"itemId": "i", name: text})
        for name in ("userId", "sessionId")
    ),
]
of_a_field = pytest.mark.parametrize(
    ("schema", "name", "body"), FIELDS, ids=[f"{schema} {name}" for schema, name, _ in FIELDS]
)


@pytest.mark.parametrize("text", NO_IDS)
def test_what_programs_write_for_a_missing_value_is_no_id(text):
    assert not is_identifier(text)


@pytest.mark.parametrize("text", BLANKS, ids=ascii)
def test_what_shows_nothing_is_no_id(text):
    assert not is_identifier(text)


@pytest.mark.parametrize("text", IDS)
def test_what_only_looks_like_it_is_an_id(text):
    assert is_identifier(text)


@given(st.integers(), st.uuids())
def test_numbers_and_uuids_are_ids(number, uuid):
    assert is_identifier(str(number))
    assert is_identifier(str(uuid)) or uuid.int == 0


@of_a_field
def test_every_id_of_a_request_is_judged(schema, name, body):
    with pytest.raises(InvalidRequestError) as caught:
        contract.read(schema, body(name, "undefined"))
    assert str(caught.value).startswith(
        f"{name} is 'undefined', which is what a program writes for a missing value. "
        "The client has probably sent a variable that was never set: send the id."
    )
    with pytest.raises(
        InvalidRequestError, match=rf"^{name} has no visible character. The client has probably"
    ):
        contract.read(schema, body(name, "\u200b"))


@pytest.mark.parametrize("text", [*NO_IDS, *BLANKS[1:]], ids=ascii)
def test_ids_of_items_are_not_judged(text):
    body = request(Event={"itemId": text}, Impression=[text])
    assert contract.read("event", body) == body
    assert contract.read("recommendations", {"itemId": text}) == {"itemId": text}


@pytest.mark.parametrize("text", [*MISSING_VALUES, *EXACT_MISSING_VALUES, *ID_NOUNS])
def test_the_list_of_the_document_is_the_one_of_the_code(text):
    section = API.partition("### Ids that are no ids")[2].partition("\n##")[0]
    assert f"`{text}`" in section


@pytest.mark.parametrize("noun", ID_NOUNS)
def test_a_missing_value_behind_a_noun_is_missing(noun):
    assert not is_identifier(f"{noun}-null")
    assert not is_identifier(f"{noun}_undefined")
    assert is_identifier(noun)
