"""What the contract refuses, and how it says so."""

import gzip
import json
import re
from pathlib import Path

import botocore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import contract
from chalicelib.errors import InvalidRequestError
from tests.support.factories import request

CONTRACT = Path(contract.__file__).parent


@pytest.mark.parametrize(
    ("schema", "value", "sentence"),
    [
        ("event", [], "The body must be an object, not an array."),
        ("event", {}, "SessionId is required."),
        ("event", request(EventType=None), "EventType is required."),
        ("event", request(SessionId=7), "SessionId must be a string, not a number."),
        ("event", request(SessionId=""), "SessionId must not be empty."),
        ("event", request(UserId="u" * 257), "UserId must have at most 256 characters."),
        ("event", request(Event="i1"), "Event must be an object, not a string."),
        ("event", request(Event={"itemId": 1}), "Event.itemId must be a string, not a number."),
        ("event", request(Event={"eventValue": True}), "Event.eventValue must be a number, not a boolean."),
        ("event", request(Event={"eventValue": 1e39}), "Event.eventValue must be at most 3"),
        ("event", request(Event={"USERID": "x"}), "A key of Event is not allowed."),
        ("event", request(Impression=["i"] * 26), "Impression must have at most 25 entries."),
        ("event", request(Impression=[]), "Impression must not be empty."),
        ("event", request(Impression=["i", 2]), "Impression[1] must be a string, not a number."),
        ("event", request(RecommendationId="r" * 41), "RecommendationId must have at most 40 characters."),
        ("event", request(EventAttributionSource="naïve"), "EventAttributionSource has an invalid format"),
        ("event", request(SentAt=1769860800000), "SentAt must be less than 100000000000."),
        ("event", request(SentAt="2026-01-31 at noon"), "SentAt has an invalid format."),
        ("event", request(Surprise=1), "The body has no field 'Surprise'. It takes UserId, SessionId,"),
        ("batch", {"Events": []}, "Events must not be empty. 1 to 500 events."),
        ("batch", {"Events": [{}] * 501}, "Events must have at most 500 entries."),
        ("batch", {"Events": [{}], "UserId": "u"}, "The body has no field 'UserId'."),
        ("recommendations", {}, "One of userId, itemId, sessionId is required."),
        (
            "recommendations",
            {"userId": "u", "numResults": 0},
            "numResults must be at least 1.",
        ),
        ("recommendations", {"userId": "u", "numResults": 501}, "numResults must be at most 500."),
        (
            "recommendations",
            {"userId": "u", "numResults": "5"},
            "numResults must be an integer, not a string.",
        ),
        ("recommendations", {"userId": "u", "context": {"a": 1}}, "context.a must be a string"),
        ("recommendations", {"userId": "u", "context": {"a-b": "1"}}, "A key of context is not allowed."),
        ("recommendations", {"userId": "u", "surprise": 1}, "The body has no field 'surprise'."),
    ],
)
def test_a_violation_names_the_field_and_what_it_takes(schema, value, sentence):
    with pytest.raises(InvalidRequestError) as caught:
        contract.read(schema, value)
    assert str(caught.value).startswith(sentence)


def test_milliseconds_come_with_the_hint_to_divide():
    with pytest.raises(InvalidRequestError, match="milliseconds are to be divided by 1000"):
        contract.read("event", request(SentAt=1769860800000))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "The body is empty."),
        (b"  \n", "The body is empty."),
        (b"{", "The body is not JSON: there is a mistake at line 1, column 2."),
        (b'{"a": NaN}', "The body is not JSON: NaN is not a number of JSON."),
        (b'{"a": -Infinity}', "The body is not JSON: -Infinity is not a number of JSON."),
        (b'{"a": 1e999}', "The body is not JSON: a number is too large."),
        (b"9" * 5000, "The body is not JSON: a number has more than 1024 digits."),
        (b"\xff\xfe\xfa", "The body is not UTF-8."),
        ("{}".encode("utf-16"), "The body is not UTF-8."),
        (b'"\xed\xa0\x80"', "The body is not UTF-8."),
        (b'"\\ud800"', "The body holds half of a surrogate pair"),
        (b"[" * 100_000, "The body is nested too deeply."),
    ],
)
def test_what_is_not_json_is_refused_with_a_reason(text, sentence):
    with pytest.raises(InvalidRequestError) as caught:
        contract.parse(text)
    assert str(caught.value).startswith(sentence)


WAYS_TO_FAIL = [
    "", " ", "{", "[", "{]", '{"', '{"a', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', "{1:2}",
    "{'a':1}", "[1,", "[1,]", "[1 2]", '"', '"\n"', '"\t', '"\\', '"\\x"', '"\\u12"', '"\\u12g4"',
    '"\\ud800"', '"\x00"', "nul", "tru", "+1", "01", "1.", ".5", "1e", "0x1", "--1", "1 2", "{}{}", "// x",
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 1025, "-" + "9" * 5000,
    '{"a": ' + "9" * 100_000 + "}", "\ufeff\ufeff{}", "[" * 33 + "]" * 33, "[" * 99_999, '{"a":' * 5000,
]  # fmt: skip
PYTHONS_OWN = re.compile(
    r"sys\.|set_int|Expecting|Extra data|Unterminated|Invalid|delimiter|codec|maximum|Exceeds|char \d"
)


@pytest.mark.parametrize("text", WAYS_TO_FAIL, ids=lambda text: repr(text[:12]))
@pytest.mark.parametrize("field", [None, "eventList[0].properties"])
def test_however_parsing_fails_the_sentence_is_ours(text, field):
    with pytest.raises(InvalidRequestError) as caught:
        contract.parse(text.encode("utf-8", "surrogatepass"), field)
    assert str(caught.value).startswith(field or "The body")
    assert not PYTHONS_OWN.search(str(caught.value))
    assert len(str(caught.value)) < 200


@given(st.text(st.sampled_from('{}[]:,"\\ u0d8e+-.19\n\x00NaInfinity\ufeff'), max_size=40))
def test_whatever_is_not_json_is_told_in_our_words(text):
    try:
        contract.parse(text.encode())
    except InvalidRequestError as error:
        assert not PYTHONS_OWN.search(str(error)), text


@pytest.mark.parametrize("digits", [999, 1024])
def test_a_number_of_many_digits_is_a_number(digits):
    assert contract.parse(b"9" * digits) == 10**digits - 1


def test_a_byte_order_mark_is_passed_over():
    assert contract.parse(b"\xef\xbb\xbf{}") == {}


def test_thirty_two_levels_pass_and_one_more_does_not():
    contract.parse(b"[" * 32 + b"]" * 32)
    with pytest.raises(InvalidRequestError, match="Send at most 32 levels"):
        contract.parse(b"[" * 33 + b"]" * 33)


def test_many_brackets_side_by_side_are_no_depth():
    contract.parse(b"[" + b",".join([b"[]"] * 100) + b"]")
    contract.parse(b"[[]," + b"[" * 31 + b"]" * 31 + b"]")
    with pytest.raises(InvalidRequestError, match="Send at most 32 levels"):
        contract.parse(b"[[]," + b"[" * 32 + b"]" * 32 + b"]")


@given(st.binary(max_size=200))
def test_any_bytes_are_either_json_or_refused(text):
    try:
        value = contract.parse(text)
    except InvalidRequestError:
        return
    assert json.loads(json.dumps(value)) == value


def test_the_limits_are_those_of_the_service_model():
    """botocore's model is what AWS publishes; a limit that moves there shows here."""
    event = _schema("event.schema.json")["properties"]
    shapes = _model("personalize-events")["shapes"]
    assert event["UserId"]["maxLength"] == shapes["UserId"]["max"]
    assert event["SessionId"]["maxLength"] == shapes["StringType"]["max"]
    assert event["EventId"]["maxLength"] == shapes["StringType"]["max"]
    assert event["Event"]["properties"]["itemId"]["maxLength"] == shapes["ItemId"]["max"]
    assert event["Impression"]["maxItems"] == shapes["Impression"]["max"]
    assert event["RecommendationId"]["maxLength"] == shapes["RecommendationId"]["max"]
    assert event["EventAttributionSource"]["maxLength"] == shapes["EventAttributionSource"]["max"]
    context = _schema("recommendations.schema.json")["properties"]["context"]
    shapes = _model("personalize-runtime")["shapes"]
    assert context["maxProperties"] == shapes["Context"]["max"]
    assert context["propertyNames"]["maxLength"] == shapes["AttributeName"]["max"]
    assert context["additionalProperties"]["maxLength"] == shapes["AttributeValue"]["max"]


def test_openapi_refers_to_the_schemas_that_requests_are_held_against():
    text = (CONTRACT / "openapi.json").read_text("utf-8")
    for schema in ("event", "batch", "recommendations", "put-events"):
        assert f'"$ref": "{schema}.schema.json"' in text


def _schema(name):
    return json.loads((CONTRACT / name).read_text("utf-8"))


def _model(service):
    (path,) = Path(botocore.__file__).parent.glob(f"data/{service}/*/service-2.json.gz")
    return json.loads(gzip.decompress(path.read_bytes()))
