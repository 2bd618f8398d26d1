"""Every operation of the engine, called with the AWS SDKs for Python and JavaScript."""

import json
from copy import deepcopy

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from local.personalize import CAMPAIGN_ARN, REGION
from local.personalize.process import running_engine
from local.personalize.shapes import EVENTS, RUNTIME
from tests.support.node import run_node
from tests.support.personalize_calls import INPUTS

CALLS = [(service, operation, body) for (service, operation), body in INPUTS.items()]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with running_engine(database=tmp_path_factory.mktemp("engine") / "events.db") as running:
        yield running


def by_boto3(engine, calls):
    session = boto3.Session("nobody", "nothing", region_name=REGION)
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    results = []
    for service, operation, body in calls:
        client = session.client(service, endpoint_url=engine.url, config=config)
        try:
            response = getattr(client, xform_name(operation))(**deepcopy(body))
        except ClientError as error:
            results.append(
                {
                    "status": error.response["ResponseMetadata"]["HTTPStatusCode"],
                    "error": error.response["Error"]["Code"],
                    "message": error.response["Error"]["Message"],
                    "isKnown": type(error) is not ClientError,
                }
            )
        else:
            metadata = response.pop("ResponseMetadata")
            results.append({"status": metadata["HTTPStatusCode"], "output": response})
        finally:
            client.close()
    return results


def by_node(engine, calls):
    return run_node("operations.mjs", engine.url, json.dumps(calls))


@pytest.fixture(params=[by_boto3, by_node], ids=["boto3", "JavaScript"])
def call(request, engine):
    return lambda calls: request.param(engine, calls)


def test_every_operation_gives_what_the_sdk_can_read(call):
    results = call(CALLS)
    assert [result["status"] for result in results] == [200] * len(CALLS)
    outputs = {operation: result["output"] for (_, operation, _), result in zip(CALLS, results, strict=True)}

    items = outputs["GetRecommendations"]["itemList"]
    assert [item.get("promotionName") for item in items].count("classics") == 2
    assert len({item["itemId"] for item in items}) == 5
    assert all(set(item["metadata"]) == {"TITLE", "YEAR"} for item in items)
    ranking = outputs["GetPersonalizedRanking"]["personalizedRanking"]
    assert {item["itemId"] for item in ranking} == {"hamlet", "dracula", "emma"}
    assert all(0 <= item["score"] <= 1 for item in [*items, *ranking])
    actions = outputs["GetActionRecommendations"]["actionList"]
    assert {action["actionId"] for action in actions} >= {"reserve-a-book"}
    for name, output in outputs.items():
        assert bool(output.get("recommendationId")) == name.startswith("Get")


def test_what_was_put_is_stored_once_by_both_sdks(call, engine):
    call(CALLS)
    [event] = engine.control("GET", "/_engine/events")["events"]
    sent = INPUTS[EVENTS, "PutEvents"]["eventList"][0]
    kept = ("eventId", "eventType", "eventValue", "itemId", "sentAt", "recommendationId", "impression")
    assert {name: event[name] for name in kept} == {name: sent[name] for name in kept}
    assert json.loads(event["properties"]) == json.loads(sent["properties"])
    assert event["eventAttributionSource"] == "mail"
    [interaction] = engine.control("GET", "/_engine/action-interactions")["actionInteractions"]
    sent = INPUTS[EVENTS, "PutActionInteractions"]["actionInteractions"][0]
    assert {name: interaction[name] for name in sent if name != "properties"} == {
        name: value for name, value in sent.items() if name != "properties"
    }


def test_an_error_is_an_exception_of_the_sdk(call):
    unknown = [
        (service, operation, body | {"campaignArn": CAMPAIGN_ARN + "x"})
        for service, operation, body in CALLS
        if service == RUNTIME
    ]
    for result in call(unknown):
        assert (result["status"], result["error"], result["isKnown"]) == (
            404,
            "ResourceNotFoundException",
            True,
        )
        assert result["message"].startswith("There is no ")
    too_many = {"PutEvents": "eventList", "PutActionInteractions": "actionInteractions", "PutItems": "items"}
    eleven = [
        (service, operation, body | {too_many[operation]: body[too_many[operation]] * 11})
        for service, operation, body in CALLS
        if operation in too_many
    ]
    for result in call(eleven):
        assert (result["status"], result["error"], result["isKnown"]) == (400, "InvalidInputException", True)
        assert "length less than or equal to 10" in result["message"]
