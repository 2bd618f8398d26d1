"""Action interactions: the second type of stream record."""

import json

import botocore.session
import pytest
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import records
from chalicelib.errors import InvalidRequestError
from chalicelib.records import action_interactions
from tests.support.factories import NOW, request

PUT = (
    botocore.session.get_session()
    .get_service_model("personalize-events")
    .operation_model("PutActionInteractions")
)


def action(**changes):
    return request(**{"Event": None, "EventType": "Taken", "Action": {"actionId": "a1"}} | changes)


def accept(**changes):
    return records.from_request(action(**changes), received_at=NOW, new_id=lambda: "new-id")


def read(data):
    return records.from_record(data, fallback_id="shard:1", arrived_at=NOW)


def test_every_field_reaches_its_place_in_put_action_interactions():
    record = accept(
        Action={"actionId": "a1", "CHANNEL": "app", "n": 1},
        EventId="e1",
        SentAt=1769860800,
        RecommendationId="r1",
        Impression=["a1", "a2"],
    )
    assert record.type is action_interactions
    assert record.entry == {
        "actionId": "a1",
        "userId": "u1",
        "sessionId": "s1",
        "eventType": "Taken",
        "eventId": "e1",
        "timestamp": NOW,
        "recommendationId": "r1",
        "impression": ["a1", "a2"],
        "properties": '{"CHANNEL":"app","n":1}',
    }
    assert record.type.shared_arguments(record.body) == {}
    assert read(record.data) == record


@pytest.mark.parametrize("kind", ["Taken", "Not Taken", "Viewed"])
def test_the_three_event_types_of_actions_are_taken(kind):
    assert accept(EventType=kind).entry["eventType"] == kind


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"EventType": "taken"}, "EventType has an unknown value. Taken, Not Taken or Viewed."),
        ({"Action": {}}, "Action.actionId is required."),
        ({"Action": {"actionId": None}}, "Action.actionId must be a string, not null."),
        ({"Action": {"action_id": "a1"}}, "Action.actionId is missing; there is 'Action.action_id'."),
        ({"Action": "a1"}, "Action must be an object, not a string."),
        ({"Action": {"actionId": "a", "k": "v" * 1017}}, "Action has 1025 characters of properties"),
        ({"Action": {"actionId": "a", "USERID": 1}}, "A key of Action is not allowed."),
        ({"Event": {"itemId": "i"}}, "There are Event and Action. Send one of them in an event."),
        ({"EventAttributionSource": "shop"}, "The body has no field 'EventAttributionSource'."),
        ({"SessionId": "undefined"}, "SessionId is 'undefined', which is"),
        ({"SentAt": 0}, "SentAt is 1970-01-01T00:00:00.000Z, which"),
    ],
)
def test_what_breaks_the_contract_is_refused_by_field(changes, sentence):
    with pytest.raises(InvalidRequestError) as caught:
        accept(**changes)
    assert str(caught.value).startswith(sentence)


def test_the_other_member_may_be_null():
    record = records.from_request(action() | {"Event": None}, received_at=NOW, new_id=str)
    assert record.type is action_interactions
    assert "Event" not in record.body
    record = records.from_request(request() | {"Action": None}, received_at=NOW, new_id=str)
    assert record.entry["itemId"] == "i1"
    assert "Action" not in record.body


def test_a_misspelt_action_is_told():
    with pytest.raises(InvalidRequestError, match=r"Did you mean Action\?"):
        records.from_request(action(Action=None) | {"action": {"actionId": "a"}}, received_at=NOW, new_id=str)


def test_a_session_is_of_one_lane_and_there_are_few():
    lanes = {session: action_interactions.chain({"SessionId": session}) for session in map(str, range(200))}
    assert len(set(lanes.values())) == action_interactions.LANES
    assert lanes["7"] == action_interactions.chain({"SessionId": "7"})


TEXT = st.text(min_size=1, max_size=20)


@given(
    st.fixed_dictionaries(
        {
            "SessionId": TEXT,
            "EventType": st.sampled_from(["Taken", "Not Taken", "Viewed"]),
            "Action": st.fixed_dictionaries({"actionId": TEXT}, optional={"n": st.integers(), "t": TEXT}),
        },
        optional={
            "UserId": TEXT,
            "EventId": TEXT,
            "SentAt": st.floats(NOW.timestamp() - 10**8, NOW.timestamp() + 10**5),
            "RecommendationId": TEXT,
            "Impression": st.lists(TEXT, min_size=1, max_size=25),
        },
    )
)
def test_whatever_the_contract_accepts_botocore_sends_and_the_stream_gives_back(body):
    try:
        record = records.from_request(body, received_at=NOW, new_id=lambda: "new-id")
    except InvalidRequestError:
        return
    call = {"trackingId": "t", record.type.ENTRIES_ARGUMENT: [record.entry]}
    report = ParamValidator().validate(call, PUT.input_shape)
    assert not report.has_errors(), report.generate_report()
    sent = create_serializer("rest-json", include_validation=False).serialize_to_request(call, PUT)["body"]
    assert json.loads(sent)["actionInteractions"][0]["actionId"] == body["Action"]["actionId"]
    assert read(record.data) == record
