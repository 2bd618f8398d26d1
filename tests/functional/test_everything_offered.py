"""What Personalize offers at run time is reachable here, or docs/api.md says why it is left out.

The models are botocore's own: an operation or a member that a newer botocore has fails the first test, until
one of the tables has it. What a table says to be reachable is reached: the fullest request of each route, and
a file of each kind, become the arguments of the call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.stub import Stubber

from chalicelib import contract
from chalicelib.api import action_recommendations, ranking, recommendations
from chalicelib.delivery.plan import plan
from ops.put.csv_file import CsvFile
from ops.put.kinds import KINDS
from ops.put.position import PositionFile
from ops.put.schema import schema_of_header
from ops.put.sender import Sender
from ops.put.upload import Upload
from tests.support.factories import kinesis_record

API_MD = Path(__file__).parents[2] / "docs" / "api.md"
SERVICES = ("personalize-runtime", "personalize-events")
CAMPAIGN = "arn:aws:personalize:us-east-1:000000000000:campaign/local"

FILTERED = {"filter": "comedies", "filterValues": {"GENRE": ["comedy"]}}
FOR_ANN = {"userId": "ann", "campaign": "local", **FILTERED}
RICH = {"context": {"DEVICE": "phone"}, "metadataColumns": {"ITEMS": ["TITLE"]}}
PROMOTION = {"name": "autumn", "percentPromotedItems": 50, **FILTERED}
EVENT = {
    "UserId": "ann",
    "SessionId": "s1",
    "EventId": "e1",
    "SentAt": "2026-01-31T12:00:00Z",
    "RecommendationId": "r1",
    "Impression": ["dracula"],
}

REQUESTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "GetRecommendations": (
        "recommendations",
        {**FOR_ANN, **RICH, "itemId": "dracula", "numResults": 5, "promotions": [PROMOTION]},
    ),
    "GetPersonalizedRanking": ("ranking", {**FOR_ANN, **RICH, "inputList": ["dracula"]}),
    "GetActionRecommendations": ("action-recommendations", {**FOR_ANN, "numResults": 5}),
    "PutEvents": (
        "event",
        {
            **EVENT,
            "EventType": "read",
            "Event": {"itemId": "dracula", "eventValue": 4.5, "CHANNEL": "app"},
            "EventAttributionSource": "home",
        },
    ),
    "PutActionInteractions": (
        "action-interaction",
        {**EVENT, "EventType": "Taken", "Action": {"actionId": "join", "CHANNEL": "app"}},
    ),
}
"""By operation: the schema in chalicelib/contract, and a request of it that has every field."""

RESPONSES: Mapping[str, str] = {
    "GetRecommendations": "Recommendations",
    "GetPersonalizedRanking": "Ranking",
    "GetActionRecommendations": "ActionRecommendations",
}
"""By operation: the schema in openapi.json of the response, which is handed on as it comes."""

FILES: Mapping[str, str] = {
    "PutItems": "ITEM_ID,GENRE_L2\ndracula,horror|classic\n",
    "PutUsers": "USER_ID,AGE\nann,40\n",
    "PutActions": "ACTION_ID,VALUE\njoin,10\n",
}
"""By operation: a file for ``make put``, which takes the dataset from ``--dataset`` or finds it."""

LEFT_OUT = {"trackingId"}
"""Members that no caller chooses, and docs/api.md says why."""


def operations() -> dict[str, OperationModel]:
    models = [
        ServiceModel(Loader().load_service_model(service, "service-2"), service) for service in SERVICES
    ]
    return {name: model.operation_model(name) for model in models for name in model.operation_names}


OPERATIONS = operations()


def members(shape: Shape | None, path: str = "") -> Iterator[str]:
    """Yield the path of every member of a shape: ``a.b``, ``a[].b`` in a list, ``a{}.b`` in a map."""
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            yield f"{path}{name}"
            yield from members(member, f"{path}{name}.")
    elif isinstance(shape, ListShape):
        yield from members(shape.member, f"{path.removesuffix('.')}[].")
    elif isinstance(shape, MapShape):
        yield from members(shape.value, f"{path.removesuffix('.')}{{}}.")


def reached(shape: Shape | None, value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every member that a value of a shape has. An unknown member is a KeyError."""
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            yield f"{path}{name}"
            yield from reached(shape.members[name], member, f"{path}{name}.")
    elif isinstance(shape, ListShape):
        for each in value:
            yield from reached(shape.member, each, f"{path.removesuffix('.')}[].")
    elif isinstance(shape, MapShape):
        for each in value.values():
            yield from reached(shape.value, each, f"{path.removesuffix('.')}{{}}.")


def gaps(offered: Mapping[str, set[str]]) -> set[str]:
    """What is offered and has no place in a table."""
    reachable = {name: set(reached(OPERATIONS[name].input_shape, each)) for name, each in all_arguments()}
    for name in FILES:
        reachable[name] = set(members(OPERATIONS[name].input_shape))  # a test below makes each call
    recommender = CAMPAIGN.replace(":campaign/", ":recommender/")
    reachable["GetRecommendations"] |= {
        *recommendations.to_arguments(body_of("GetRecommendations"), recommender)
    }
    return {
        f"{name} {path}".strip()
        for name, paths in offered.items()
        for path in ({""} if name not in reachable else paths - reachable[name] - LEFT_OUT)
    }


def everything_offered() -> dict[str, set[str]]:
    return {name: set(members(model.input_shape)) for name, model in OPERATIONS.items()}


def body_of(name: str) -> dict[str, Any]:
    """The fullest request, as the API reads it."""
    schema, body = REQUESTS[name]
    return dict(contract.read(schema, dict(body)))


def all_arguments() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the operation and the arguments that each of the requests becomes."""
    to_arguments: Mapping[str, Callable[[Mapping[str, Any], str], dict[str, Any]]] = {
        "GetRecommendations": recommendations.to_arguments,
        "GetPersonalizedRanking": ranking.to_arguments,
        "GetActionRecommendations": action_recommendations.to_arguments,
    }
    for name in REQUESTS:
        if name in to_arguments:
            yield name, to_arguments[name](body_of(name), CAMPAIGN)
        else:
            (chain,) = plan([kinesis_record(body_of(name))], tracking_id="tracker").chains
            yield name, chain.calls[0].arguments


def test_every_operation_and_member_is_reachable_or_left_out():
    assert gaps(everything_offered()) == set(), "offer it, or leave it out in docs/api.md with the reason"


def test_what_a_newer_botocore_has_is_noticed():
    newer = everything_offered()
    newer["GetRecommendations"].add("diversity")
    newer["PutEvents"].add("eventList[].device.model")
    newer["GetSegments"] = {"segmentArn"}
    assert gaps(newer) == {
        "GetRecommendations diversity",
        "PutEvents eventList[].device.model",
        "GetSegments",
    }


@pytest.mark.parametrize("name", REQUESTS)
def test_the_fullest_request_has_every_field_of_its_schema(name):
    schema, body = REQUESTS[name]
    no_member_of_personalize = {"sessionId", "Event", "Action"}
    assert contract.load(schema)["properties"].keys() - body.keys() <= no_member_of_personalize


@pytest.mark.parametrize("name", RESPONSES)
def test_every_member_of_a_response_is_in_the_contract(name):
    document = contract.document()

    def of_schema(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        for member, inner in schema.get("properties", {}).items():
            yield f"{path}{member}"
            yield from of_schema(inner, f"{path}{member}.")
        if "items" in schema:
            yield from of_schema(schema["items"], f"{path.removesuffix('.')}[].")

    documented = set(of_schema({"$ref": RESPONSES[name]}))
    assert set(members(OPERATIONS[name].output_shape)) - documented == set()


def test_no_other_operation_has_a_response():
    without = {name for name, model in OPERATIONS.items() if not set(members(model.output_shape))}
    assert {*OPERATIONS} - without == {*RESPONSES}


@pytest.mark.parametrize("name", FILES)
def test_make_put_reaches_every_member(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "rows.csv"
    path.write_text(FILES[name])
    file = CsvFile(path)
    (kind,) = (each for each in KINDS if each.method == f"put_{name.removeprefix('Put').lower()}")
    upload = Upload(file, kind, schema_of_header(file.header, kind).columns(file.header))
    client: Any = boto3.client("personalize-events", region_name="us-east-1")
    calls: list[Any] = []
    client.meta.events.register("before-parameter-build", lambda params, **_: calls.append(params))
    arn = f"arn:aws:personalize:us-east-1:000000000000:dataset/local/{kind.dataset_type}"
    with Stubber(client) as stub:
        stub.add_response(kind.method, {})
        kept = PositionFile.of(path)
        sender = Sender(client, kind, arn, lambda: 0.0, lambda seconds: None, lambda: 0.0)
        upload.send(sender, kept, kept.read(""), lambda position, rejected_rows: None)
    (arguments,) = calls
    model = OPERATIONS[name]
    assert set(reached(model.input_shape, arguments)) == set(members(model.input_shape))
    (record,) = arguments[kind.plural]
    assert json.loads(record["properties"]) in ({"genreL2": "horror|classic"}, {"age": "40"}, {"value": "10"})


def test_what_is_left_out_stands_in_the_documentation_with_the_reason():
    section = API_MD.read_text("utf-8").partition("\n## What is left out\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.split("|")[1:3]] for line in section.splitlines() if "| `" in line[:3]
    ]
    named = {each.strip("` ") for what, _ in rows for each in what.split(",")}
    assert named == LEFT_OUT | {*FILES}
    assert all(len(reason) > 40 for _, reason in rows)
