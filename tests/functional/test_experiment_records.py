"""The variant of each event: in its record, the same that /recommendations gives, and nowhere else."""

import json
from dataclasses import replace

import pytest

from chalicelib import records
from chalicelib.selection.experiments import Experiment
from tests.conftest import SETTINGS
from tests.support.factories import NOW, request

EXPERIMENT = Experiment("autumn", (("local", 1.0), ("popular", 1.0)))
POPULAR = SETTINGS["CAMPAIGN_ARN"].replace("/local", "/popular")
USERS = [f"u{number}" for number in range(12)]


@pytest.fixture
def configure(services, monkeypatch):
    """``configure(experiment)`` gives the deployment an experiment."""
    import app  # noqa: PLC0415 - it reads its settings at import, which tests/conftest.py provides first

    def change(experiment):
        config = replace(services.config, other_campaign_arns=(POPULAR,), experiment=experiment)
        monkeypatch.setattr(app, "services", replace(services, config=config))

    return change


@pytest.fixture
def send(http, services, stubs, configure):
    """``send(body, count)`` returns the records that a body of ``count`` events becomes."""
    put = []

    def remember(params, **_):
        put.extend(json.loads(record["Data"]) for record in params["Records"])

    def run(body, count=1, experiment=EXPERIMENT):
        configure(experiment)
        put.clear()
        stubs["kinesis"].add_response("put_records", {"Records": [{"SequenceNumber": "1"}] * count})
        events = services.clients.kinesis.meta.events
        events.register("provide-client-params.kinesis.PutRecords", remember)
        response = http("/history", json.dumps(body).encode())
        events.unregister("provide-client-params.kinesis.PutRecords", remember)
        assert response.status_code == 202
        return [*put]

    return run


def test_every_record_of_a_batch_has_the_variant_of_its_user(send):
    found = send({"Events": [request(UserId=user) for user in USERS]}, len(USERS))
    assert [each["Experiment"] for each in found] == [EXPERIMENT.assignment(user) for user in USERS]
    assert {each["Experiment"]["variant"] for each in found} == {"local", "popular"}


def test_a_visitor_has_the_variant_of_the_session(send):
    anonymous = request(SessionId="u3")
    anonymous.pop("UserId", None)
    [found] = send(anonymous)
    assert found["Experiment"] == EXPERIMENT.assignment("u3")


def test_actions_and_the_body_of_put_events_have_it_too(send):
    [found] = send(request(UserId="u1", EventType="Taken", Event=None, Action={"actionId": "a"}))
    assert found["Experiment"] == EXPERIMENT.assignment("u1")
    event = {"eventType": "watch", "sentAt": NOW.timestamp(), "itemId": "i"}
    [found] = send({"userId": "u2", "sessionId": "s", "eventList": [event]})
    assert found["Experiment"] == EXPERIMENT.assignment("u2")


@pytest.mark.parametrize("user", USERS[:4])
def test_it_is_the_variant_that_recommendations_gives(send, http, configure, stubs, user):
    [found] = send(request(UserId=user))
    configure(EXPERIMENT)
    stubs["personalize_runtime"].add_response("get_recommendations", {"itemList": []})
    asked = http("/recommendations", json.dumps({"userId": user}).encode())
    assert asked.json_body["experiment"] == found["Experiment"]


def test_without_an_experiment_there_is_none(send):
    [found] = send(request(), experiment=None)
    assert "Experiment" not in found


def test_the_id_of_an_event_does_not_depend_on_the_experiment(send):
    event = request(SentAt=NOW.timestamp())
    assert [send(event)[0]["EventId"]] == [send(event, experiment=None)[0]["EventId"]]


def test_delivery_sends_nothing_of_it(send):
    [found] = send(request(UserId="u1"))
    with_it = records.from_record(json.dumps(found).encode(), fallback_id="x", arrived_at=NOW)
    del found["Experiment"]
    without = records.from_record(json.dumps(found).encode(), fallback_id="x", arrived_at=NOW)
    assert with_it.entry == without.entry


def test_a_client_cannot_choose_its_variant(http, stubs):
    body = request() | {"Experiment": {"name": "autumn", "variant": "popular"}}
    response = http("/history", json.dumps(body).encode())
    assert response.status_code == 400
    assert "has no field 'Experiment'" in response.json_body["Message"]
