"""Which pages may call: what is read of the two settings, and what is refused with the right spelling."""

import pytest
from chalice.app import CORSConfig
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import cors_spelling
from chalicelib.config import Config, check
from chalicelib.cors import AllowedOrigins, parse_headers, parse_origins
from chalicelib.errors import ConfigError
from tests.conftest import SETTINGS

SHOP, MOBILE = "https://shop.example", "https://m.shop.example"


def refused(parse, text):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "origin",
    [
        SHOP,
        "http://localhost:3000",
        "http://127.0.0.1",
        "http://[::1]:8080",
        "https://xn--bcher-kva.example",
        "https://shop.example:8443",
        "https://my_shop.example:65535",
        "http://shop.example:443",
        "https://intranet",
    ],
)
def test_an_origin_is_taken_as_browsers_send_it(origin):
    assert parse_origins(origin) == AllowedOrigins((origin,))


def test_several_origins_are_taken_with_or_without_blanks_around_the_commas():
    assert parse_origins(f"{SHOP} ,{MOBILE},  http://localhost:3000").origins == (
        SHOP,
        MOBILE,
        "http://localhost:3000",
    )


@pytest.mark.parametrize(
    ("entry", "advice"),
    [
        ("https://shop.example/", "write https://shop.example without the slash."),
        ("https://shop.example/cart", "write https://shop.example without the path."),
        ("https://shop.example/cart/?a=b", "write https://shop.example without the path."),
        ("https://shop.example?a=b", "write https://shop.example without the query."),
        ("https://shop.example#top", "write https://shop.example without the fragment."),
        ("https://ann@shop.example", "write https://shop.example without the user."),
        ("https://ann:secret@shop.example:8443", "write https://shop.example:8443 without the user."),
        ("shop.example", "write https://shop.example with its scheme."),
        ("localhost:3000", "write http://localhost:3000 with its scheme."),
        ("https://shop.example:443", "without the port, which browsers leave out."),
        ("http://shop.example:80", "write http://shop.example without the port"),
        ("https://shop.example:", "write https://shop.example without the colon."),
        ("https://shop.example:08443", "write https://shop.example:8443."),
        ("https://Shop.Example", "write https://shop.example in lower case."),
        ("HTTPS://shop.example", "write https://shop.example in lower case."),
        ("HTTPS://Shop.Example:443/", "and in lower case."),
        ("https://shop.example.", "without the dot at the end."),
        ("https://bücher.example", "write https://xn--bcher-kva.example in punycode."),
        ("https://BÜCHER.example/", "write https://xn--bcher-kva.example without the slash and in punycode."),
        ("http://[0:0::1]", "write http://[::1]."),
        ("https://straße.example", "its host is not valid."),
        ("https://*.shop.example", "an origin has no wildcard. List every origin."),
        ("https://shop.example:*", "an origin has no wildcard."),
        ("null", "'null' is what files and sandboxed frames of any page send."),
        ("https://a.example https://b.example", "an origin has no blank. Write a comma between two origins."),
        ("https://a.example\thttps://b.example", "an origin has no blank."),
        ("https://a.example\x00", "an origin has no blank."),
        ("https://a.example;https://b.example", "its host is not valid."),
        ("ftp://shop.example", "an origin begins with https:// or http://."),
        ("file:///index.html", "an origin begins with https:// or http://."),
        ("https:/shop.example", "it is no origin."),
        ("https:shop.example", "it is no origin."),
        ("//shop.example", "its host is not valid."),
        ("https://", "its host is not valid."),
        ("https://:8080", "its host is not valid."),
        ("https://shop..example", "its host is not valid."),
        ("https://-shop.example", "its host is not valid."),
        ("https://shop!.example", "its host is not valid."),
        ("https://127.1", "its host is not valid."),
        ("https://1.2.3.256", "its host is not valid."),
        ("http://[::1%25eth0]", "its host is not valid."),
        ("http://[::g]", "its host is not valid."),
        ("https://" + "a" * 64 + ".example", "its host is not valid."),
        ("https://" + "a." * 130 + "example", "its host is not valid."),
        ("https://shop.example:0", "its port is not valid. Write a number from 1 to 65535, or none."),
        ("https://shop.example:65536", "its port is not valid."),
        ("https://shop.example:" + "9" * 5000, "its port is not valid."),
        ("https://shop.example:http", "it is no origin."),
        ("'https://shop.example'", "its host is not valid."),
    ],
)
def test_another_spelling_is_refused_with_the_right_one(entry, advice):
    for text in (entry, f"{MOBILE},{entry}"):
        sentence = refused(parse_origins, text)
        assert sentence.startswith(f"ALLOWED_ORIGIN has the entry {entry!r}: ")
        assert advice in sentence
        assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"{SHOP},*", "ALLOWED_ORIGIN has the entry '*': '*' allows every origin and stands alone."),
        ("*,*", "ALLOWED_ORIGIN has the entry '*': '*' allows every origin and stands alone."),
        (f"{SHOP},{SHOP}", f"ALLOWED_ORIGIN has the entry '{SHOP}' twice: write it once."),
        (f"{SHOP},,{MOBILE}", "ALLOWED_ORIGIN has an empty entry: write one comma between two entries"),
        (f"{SHOP},", "ALLOWED_ORIGIN has an empty entry"),
        (",", "ALLOWED_ORIGIN has an empty entry"),
    ],
)
def test_a_list_that_says_nothing_clear_is_refused(text, sentence):
    assert refused(parse_origins, text).startswith(sentence)


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-zA-Z0-9.:@/?#\[\]%*-]{0,20}", fullmatch=True))
def test_any_text_is_taken_or_refused_in_a_sentence_and_the_advice_is_taken(text):
    """What is advised has to be right: a person who follows the sentence is not refused again."""
    try:
        assert parse_origins(text).fixed.isascii()
    except ConfigError as error:
        advice = str(error).rpartition(": write ")[2].removesuffix(".").split(" ")[0]
        if advice.startswith("http"):
            assert parse_origins(advice).origins == (advice,)


def test_several_origins_are_named_by_their_own_response_and_one_is_named_everywhere():
    several = parse_origins(f"{SHOP},{MOBILE}")
    assert several.fixed == "*"
    assert several.headers(MOBILE) == {"Access-Control-Allow-Origin": MOBILE, "Vary": "Origin"}
    for unlisted in ("https://evil.example", "null", "", None, f"{SHOP}, {MOBILE}", SHOP.upper()):
        assert several.headers(unlisted) == {"Access-Control-Allow-Origin": SHOP, "Vary": "Origin"}
    for one in ("*", SHOP):
        assert parse_origins(one).fixed == one
        assert parse_origins(one).headers(MOBILE) == {}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("traceparent", ("traceparent",)),
        ("sentry-trace, baggage,x-datadog-trace-id", ("sentry-trace", "baggage", "x-datadog-trace-id")),
        ("*", ("*",)),
        ("b3,X_Trace.1~", ("b3", "X_Trace.1~")),
    ],
)
def test_the_names_of_headers_are_taken(text, names):
    assert parse_headers(text) == names


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("baggage,", "ALLOWED_HEADERS has an empty entry"),
        ("baggage,Baggage", "ALLOWED_HEADERS has the entry 'baggage' twice: write it once."),
        ("content-type", "ALLOWED_HEADERS has the entry 'content-type': it is always allowed. Remove it."),
        ("x-api-key,baggage", "ALLOWED_HEADERS has the entry 'x-api-key': it is always allowed."),
        ("x-datadog-*", "ALLOWED_HEADERS has the entry 'x-datadog-*': '*' alone allows every header, and"),
        ("*,baggage", "ALLOWED_HEADERS has the entry '*': '*' alone allows every header"),
        ("trace parent", "ALLOWED_HEADERS has the entry 'trace parent': it is no name of a header."),
        ("baggage; traceparent", "ALLOWED_HEADERS has the entry 'baggage; traceparent': it is no name"),
        ("traceparent: 00-1", "ALLOWED_HEADERS has the entry 'traceparent: 00-1': it is no name"),
        ("bagg\u00e4ge", "ALLOWED_HEADERS has the entry"),
        ("x'y", 'ALLOWED_HEADERS has the entry "x\'y": it is no name of a header.'),
        ("x\ny", "ALLOWED_HEADERS has the entry 'x\\ny': it is no name of a header."),
    ],
)
def test_what_is_no_name_of_a_header_is_refused(text, sentence):
    assert refused(parse_headers, text).startswith(sentence)


def test_the_headers_that_are_always_allowed_are_those_of_chalice():
    assert sorted(CORSConfig(allow_headers=["X-Api-Key"]).allow_headers.split(",")) == [
        *cors_spelling.ALWAYS_ALLOWED
    ]


def test_the_settings_are_held_to_their_form_wherever_they_are_read():
    wrong = {"ALLOWED_ORIGIN": f"{SHOP}/"}
    for look in (check, lambda environ: Config.from_environ(SETTINGS | environ)):
        with pytest.raises(ConfigError, match=r"write https://shop\.example without the slash"):
            look(wrong)
    check({"ALLOWED_HEADERS": "", "CAMPAIGN_ARN": " "})


@pytest.mark.parametrize(
    "origin",
    ["capacitor://localhost", "ionic://localhost", "tauri://localhost", "chrome-extension://abcdefgh"],
)
def test_pages_of_apps_and_of_extensions_have_origins_of_their_own(origin):
    found = parse_origins(f"https://shop.example,{origin}")
    assert found.headers(origin)["Access-Control-Allow-Origin"] == origin
