"""Nulls and misspelt names. The fields are found in the schemas, so that no new one is forgotten."""

import json
import re
from pathlib import Path

import pytest

from chalicelib import contract
from chalicelib.errors import InvalidRequestError
from tests.support.factories import request

CONTRACT = Path(contract.__file__).parent
READ = {"userId": "u1", "sessionId": "s1", "campaign": "local", "filter": "new", "filterValues": {"G": "x"}}
VALID = {
    "event": request(
        Event={"itemId": "i1", "eventValue": 1},
        EventId="e1",
        SentAt=1769860800,
        RecommendationId="r1",
        Impression=["i1"],
        EventAttributionSource="shop",
    ),
    "batch": {"Events": [{}]},
    "action-interaction": request(
        EventType="Taken",
        Event=None,
        Action={"actionId": "a1"},
        EventId="e1",
        SentAt=1769860800,
        RecommendationId="r1",
        Impression=["a1"],
    ),
    "recommendations": READ
    | {
        "itemId": "i1",
        "numResults": 5,
        "context": {"device": "tv"},
        "promotions": [
            {"name": "p", "percentPromotedItems": 20, "filter": "new", "filterValues": {"G": ["a", 1]}}
        ],
        "metadataColumns": {"ITEMS": ["GENRE"]},
    },
    "ranking": READ
    | {"inputList": ["i1"], "context": {"device": "tv"}, "metadataColumns": {"ITEMS": ["GENRE"]}},
    "action-recommendations": READ | {"numResults": 5},
    "put-events": {"trackingId": "t", "userId": "u1", "sessionId": "s1", "eventList": [{}]},
    "put-events-event": {
        "eventId": "e1",
        "eventType": "watch",
        "sentAt": 1769860800,
        "itemId": "i1",
        "eventValue": 1,
        "properties": "{}",
        "recommendationId": "r1",
        "impression": ["i1"],
        "metricAttribution": {"eventAttributionSource": "shop"},
    },
}
VALID["page-request"] = VALID["recommendations"] | {"name": "for you"}
VALID["page"] = {"requests": [{}], "unique": True}
"""A value of every schema with every field."""


def fields(schema):
    """Yield (path, definition, whether it is required) of every named field of a schema."""

    def walk(definition, path):
        for name, child in definition.get("properties", {}).items():
            yield (*path, name), child, name in definition.get("required", ())
            yield from walk(child, (*path, name))
        if isinstance(definition.get("items"), dict):
            yield from walk(definition["items"], (*path, 0))

    yield from walk(contract.load(schema), ())


SCHEMAS = sorted(path.name.removesuffix(".schema.json") for path in CONTRACT.glob("*.schema.json"))
FIELDS = [
    (schema, path, child, required)
    for schema in SCHEMAS
    for path, child, required in fields(schema)
    if child.get("type") != "null"  # a member of another type of record
]
named = pytest.mark.parametrize(
    ("schema", "path", "definition", "required"),
    FIELDS,
    ids=[f"{schema} {'.'.join(map(str, path))}" for schema, path, _, _ in FIELDS],
)


def text_of(path):
    """Return a path as messages have it, such as ``eventList[0].itemId``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def changed(value, path, change):
    """Return a deep copy of a value whose member at the path was given to ``change(container, name)``."""
    copy = json.loads(json.dumps(value))
    container = copy
    for step in path[:-1]:
        container = container[step]
    change(container, path[-1])
    return copy


def test_every_schema_has_a_valid_value_with_every_field():
    assert set(VALID) == set(SCHEMAS)
    for schema, path, _, _ in FIELDS:
        found = VALID[schema]
        for step in path:
            found = found[step]
        assert contract.read(schema, VALID[schema]) == VALID[schema]


@named
def test_null_is_the_same_as_leaving_an_optional_field_out(schema, path, definition, required):
    nulled = changed(VALID[schema], path, lambda container, name: container.update({name: None}))
    if required:
        with pytest.raises(InvalidRequestError) as caught:
            contract.read(schema, nulled)
        assert str(caught.value).startswith(f"{text_of(path)} must be ")
        assert str(caught.value).partition(",")[2].startswith(" not null.")
    else:
        assert contract.read(schema, nulled) == changed(VALID[schema], path, dict.pop)


@named
def test_the_published_schema_allows_null_where_it_is_removed(schema, path, definition, required):
    kinds = definition.get("type", ["null"])
    allowed = "null" in kinds if isinstance(kinds, list) else False
    assert allowed != required


@pytest.mark.parametrize(
    ("schema", "value", "sentence"),
    [
        ("event", request(Event={"itemId": "i1", "COLOR": None}), None),
        ("event", request(Surprise=1) | {"Surprise": None}, "The body has no field 'Surprise'."),
        ("recommendations", {"userId": "u", "context": {"a": None}}, "context.a must be a string, not null."),
        ("recommendations", {"userId": None}, "One of userId, itemId, sessionId is required."),
        ("event", request(Impression=["a", None]), "Impression[1] must be a string, not null."),
    ],
)
def test_any_other_null_stays_what_it_is(schema, value, sentence):
    if sentence is None:
        assert contract.read(schema, value) == value
    else:
        with pytest.raises(InvalidRequestError) as caught:
            contract.read(schema, value)
        assert str(caught.value).startswith(sentence)


def spellings(name):
    """Return other ways to write a name: over case, underscore and hyphen."""
    words = re.findall(r"[A-Z]?[a-z]+", name) or [name[:2], name[2:]]
    return {
        name.lower(),
        name.upper(),
        name[0].swapcase() + name[1:],
        "_".join(words).lower(),
        "-".join(words),
        f"_{name}",
    } - {name}


@named
def test_another_spelling_of_an_absent_field_is_told_with_the_right_one(schema, path, definition, required):
    for wrong in spellings(path[-1]):

        def rename(container, name, wrong=wrong):
            container[wrong] = container.pop(name)

        with pytest.raises(InvalidRequestError) as caught:
            contract.read(schema, changed(VALID[schema], path, rename))
        found = text_of((*path[:-1], wrong))
        right = text_of(path)
        assert f"{right} is missing; there is {found!r}. Did you mean {right}?" in str(caught.value)
        assert caught.value.field == right


def test_all_misspelt_names_are_told_at_once():
    body = {"sessionId": "s", "eventType": "watch", "event": {"item_id": "i1"}}
    with pytest.raises(InvalidRequestError) as caught:
        contract.read("event", body)
    assert str(caught.value) == (
        "SessionId is missing; there is 'sessionId', 'eventType', 'event'. "
        "Did you mean SessionId and EventType and Event? Names of fields are case-sensitive."
    )


@pytest.mark.parametrize("other", ["ItemId", "item_id", "ITEM-ID"])
def test_beside_the_right_field_another_spelling_is_a_property(other):
    body = request(Event={"itemId": "i1", other: "x"})
    assert contract.read("event", body) == body


def test_a_name_of_a_megabyte_is_shown_shortly():
    with pytest.raises(InvalidRequestError) as caught:
        contract.read("event", {"session" + "_" * 1_000_000 + "Id": "s"})
    assert len(str(caught.value)) < 400


def test_five_hundred_misspelt_events_are_told_shortly():
    event = {"EventType": "watch", "SentAt": 1, "ItemId": "i", "Event_Id": "e"}
    with pytest.raises(InvalidRequestError) as caught:
        contract.refuse_misspelt(
            {"properties": {"eventList": {"items": contract.load("put-events-event")}}},
            {"eventList": [event] * 500},
        )
    assert len(str(caught.value)) < 1000
