"""deliver_events from Lambda's event to its answer, with PutEvents and SQS scripted."""

import json
from dataclasses import replace
from itertools import chain, repeat

import pytest

from chalicelib.config import Config
from chalicelib.errors import DeliveryIncompleteError
from tests.conftest import SETTINGS
from tests.support.factories import NOW, Context, kinesis_event, request

SENT = {"Successful": [], "Failed": []}


@pytest.fixture
def deliver(monkeypatch, services):
    """``deliver(*payloads)`` runs the handler; one session at a time, for a script knows one order only."""
    import app  # noqa: PLC0415 - it reads its settings at import, which tests/conftest.py provides first

    def run(*payloads, report=False, seconds=60.0):
        config = Config.from_environ(SETTINGS | {"REPORT_BATCH_ITEM_FAILURES": str(report).lower()})
        configured = replace(services, config=config, delivery_concurrency=1, sleep=lambda seconds: None)
        monkeypatch.setattr(app, "services", configured)
        return app.deliver_events(kinesis_event(*payloads), Context(seconds))

    return run


def event(name, session="s1", **changes):
    return request(SessionId=session, EventId=name, SentAt=1769860800, Event={"itemId": name}, **changes)


def call(*names, session="s1", user="u1"):
    """The arguments of the PutEvents that carries these events."""
    return {
        "trackingId": SETTINGS["TRACKING_ID"],
        "sessionId": session,
        "userId": user,
        "eventList": [
            {"eventId": name, "eventType": "watch", "sentAt": NOW, "itemId": name} for name in names
        ],
    }


def accept(stubs, *names, **where):
    stubs["personalize_events"].add_response("put_events", {}, call(*names, **where))


def refuse(stubs, code, *names, **where):
    stubs["personalize_events"].add_client_error(
        "put_events", code, "said", expected_params=call(*names, **where)
    )


def test_a_batch_travels_grouped_and_in_order(stubs, deliver):
    accept(stubs, "a1", "a2", session="a")
    accept(stubs, "b1", session="b")
    answer = deliver(event("a1", "a"), event("b1", "b"), event("a2", "a"))
    assert answer == {"batchItemFailures": []}


def test_an_anonymous_session_has_no_user(stubs, deliver):
    expected = call("a")
    del expected["userId"]
    stubs["personalize_events"].add_response("put_events", {}, expected)
    deliver(event("a", UserId=None))


@pytest.mark.parametrize("offending", range(10))
def test_one_invalid_event_of_ten_goes_to_quarantine_and_nine_arrive_in_order(
    services, deliver, offending, monkeypatch
):
    names = [f"e{n}" for n in range(10)]
    delivered, quarantined = play(monkeypatch, services, invalid={names[offending]})
    assert deliver(*[event(name) for name in names]) == {"batchItemFailures": []}
    assert delivered == [name for name in names if name != names[offending]]
    assert [json.loads(m["record"])["EventId"] for m in quarantined] == [names[offending]]
    assert quarantined[0]["reason"] == "refused"


def test_ten_invalid_events_of_ten_all_go_to_quarantine(services, deliver, monkeypatch):
    names = [f"e{n}" for n in range(10)]
    delivered, quarantined = play(monkeypatch, services, invalid=set(names))
    deliver(*[event(name) for name in names])
    assert delivered == []
    assert [json.loads(m["record"])["EventId"] for m in quarantined] == names


def play(monkeypatch, services, *, invalid):
    """Personalize that refuses a call with an invalid event in it; what it took, and what SQS got."""
    delivered, quarantined = [], []
    refusal = services.clients.personalize_events.exceptions.InvalidInputException

    def put_events(*, eventList, **_):
        names = [entry["eventId"] for entry in eventList]
        if invalid.intersection(names):
            raise refusal({"Error": {"Code": "InvalidInputException", "Message": "bad"}}, "PutEvents")
        delivered.extend(names)
        return {}

    def send_message_batch(*, Entries, **_):
        quarantined.extend(json.loads(entry["MessageBody"]) for entry in Entries)
        return SENT

    monkeypatch.setattr(services.clients.personalize_events, "put_events", put_events)
    monkeypatch.setattr(services.clients.sqs, "send_message_batch", send_message_batch)
    return delivered, quarantined


def test_poison_goes_to_quarantine_and_its_neighbours_arrive(stubs, deliver):
    accept(stubs, "a", "b")
    stubs["sqs"].add_response("send_message_batch", SENT)
    poison = [b"\xff\xfe", b"", b"[]", b'{"SessionId": 7}']
    assert deliver(event("a"), *poison, event("b")) == {"batchItemFailures": []}


@pytest.mark.parametrize(
    "code",
    ["ThrottlingException", "InternalServerException", "AccessDeniedException", "ResourceNotFoundException"],
)
def test_a_transient_failure_is_returned_with_the_lowest_sequence_number(stubs, deliver, code):
    refuse(stubs, code, "a")
    assert deliver(event("a"), report=True) == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_a_transient_failure_raises_where_the_answer_would_be_ignored(stubs, deliver):
    refuse(stubs, "ThrottlingException", "a")
    with pytest.raises(DeliveryIncompleteError, match="1 records"):
        deliver(event("a"))


def test_other_sessions_are_delivered_before_the_failure_is_returned(stubs, deliver):
    refuse(stubs, "ThrottlingException", "a1", session="a")
    accept(stubs, "b1", session="b")
    answer = deliver(event("a1", "a"), event("b1", "b"), report=True)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_after_a_failed_call_the_rest_of_the_session_waits(stubs, deliver):
    names = [f"e{n}" for n in range(11)]
    refuse(stubs, "ThrottlingException", *names[:10])
    assert deliver(*[event(name) for name in names], report=True) == {
        "batchItemFailures": [{"itemIdentifier": "1"}]
    }


def test_the_first_call_that_arrived_is_not_returned(stubs, deliver):
    names = [f"e{n}" for n in range(11)]
    accept(stubs, *names[:10])
    refuse(stubs, "ThrottlingException", "e10")
    assert deliver(*[event(name) for name in names], report=True) == {
        "batchItemFailures": [{"itemIdentifier": "11"}]
    }


def test_sequence_numbers_are_compared_as_numbers(stubs, deliver):
    accept(stubs, *[f"e{n}" for n in range(8)])
    refuse(stubs, "ThrottlingException", "late", "later", session="z")
    batch = [event(f"e{n}") for n in range(8)] + [event("late", "z"), event("later", "z")]
    assert deliver(*batch, report=True) == {"batchItemFailures": [{"itemIdentifier": "9"}]}


def test_access_denied_stops_asking_for_the_other_sessions(stubs, deliver):
    refuse(stubs, "AccessDeniedException", "a", session="a")
    answer = deliver(*[event(name, name) for name in "abcdef"], report=True)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_a_refused_call_whose_first_half_fails_leaves_the_second_half_for_later(stubs, deliver):
    refuse(stubs, "InvalidInputException", "a", "b")
    refuse(stubs, "AccessDeniedException", "a")
    answer = deliver(event("a"), event("b"), report=True)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_with_less_than_ten_seconds_left_nothing_is_called_and_everything_returned(stubs, deliver):
    answer = deliver(event("a"), event("b", "b"), report=True, seconds=9.9)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_records_that_cannot_be_read_in_time_are_returned_and_poison_before_them_is_quarantined(
    stubs, deliver
):
    seconds = chain([60.0, 60.0], repeat(9.9))
    stubs["sqs"].add_response("send_message_batch", SENT)
    answer = deliver(b"poison", event("a"), event("b"), report=True, seconds=seconds.__next__)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}


def test_a_quarantine_that_is_down_returns_the_poison_instead_of_dropping_it(stubs, deliver):
    accept(stubs, "a")
    stubs["sqs"].add_client_error("send_message_batch", "ServiceUnavailable")
    assert deliver(event("a"), b"poison", report=True) == {"batchItemFailures": [{"itemIdentifier": "2"}]}


def test_an_empty_batch_is_a_success(stubs, deliver):
    assert deliver() == {"batchItemFailures": []}


def test_one_line_with_counts_and_request_id_and_nothing_of_the_events(stubs, deliver, capsys):
    accept(stubs, "item-77", user="user-77")
    stubs["sqs"].add_response("send_message_batch", SENT)
    deliver(event("item-77", UserId="user-77"), b'{"note": "private-77"}')
    (line,) = capsys.readouterr().out.splitlines()
    logged = json.loads(line)
    assert logged["requestId"] == "request-1"
    assert logged["Delivered"] == [1]
    assert logged["Quarantined"] == [1]
    assert logged["PutEventsCalls"] == [1]
    assert logged["SpoiledRows"] == [2]  # neither record ends in a newline
    assert logged["OldestEventAge"][0] > 0
    for private in ("item-77", "user-77", "private-77"):
        assert private not in line
