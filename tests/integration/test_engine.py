"""The engine as boto3 sees it: a program of its own that serves HTTP on this machine."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timezone
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.catalogue import FOLDER
from local.personalize import (
    CAMPAIGN_ARN,
    CAMPAIGN_ARNS,
    ITEMS_DATASET_ARN,
    TRACKING_ID,
    USERS_DATASET_ARN,
)
from local.personalize.faults import FaultSettings
from local.personalize.imports import read_folder
from local.personalize.process import EngineProcess, EngineProcessError, running_engine

ROOT = Path(__file__).parents[2]
SENT_AT = datetime(2026, 2, 1, 12, 0, tzinfo=timezone.utc)


def client(service: str, engine: EngineProcess, **options: Any) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=engine.url,
        region_name="us-east-1",
        aws_access_key_id="nobody",
        aws_secret_access_key="nothing",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=16, **options),
    )


class Caller:
    """Both clients, and short forms of the calls in this file."""

    def __init__(self, engine: EngineProcess) -> None:
        self.engine = engine
        self.runtime = client("personalize-runtime", engine)
        self.events = client("personalize-events", engine)

    def close(self) -> None:
        self.runtime.close()
        self.events.close()

    def put(self, *events: dict[str, Any], session: str = "s", user: str | None = None) -> Any:
        whose = {"userId": user} if user is not None else {}
        return self.events.put_events(
            trackingId=TRACKING_ID,
            sessionId=session,
            eventList=[{"eventType": "view", "sentAt": SENT_AT, **event} for event in events],
            **whose,
        )

    def recommend(self, **arguments: Any) -> list[str]:
        response = self.runtime.get_recommendations(campaignArn=CAMPAIGN_ARN, **arguments)
        return [item["itemId"] for item in response["itemList"]]

    def stats(self) -> Any:
        return self.engine.control("GET", "/_engine/stats")

    def stored(self, session: str) -> list[dict[str, Any]]:
        events = self.engine.control("GET", "/_engine/events")["events"]
        return [event for event in events if event["sessionId"] == session]


@contextmanager
def running(database: Path, **options: Any) -> Iterator[Caller]:
    with running_engine(database=database, **options) as engine, closing(Caller(engine)) as caller:
        yield caller


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with running(tmp_path_factory.mktemp("engine") / "events.db") as caller:
        yield caller


@pytest.fixture
def caller(shared: Caller) -> Iterator[Caller]:
    """One engine for all tests of the file. Faults are switched off after each test."""
    yield shared
    shared.engine.control("DELETE", "/_engine/faults")


@pytest.fixture
def session() -> str:
    return f"session-{uuid.uuid4()}"


def error_of(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ClientError) as raised:
        call()
    response = raised.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def raw(
    engine: EngineProcess, method: str, path: str, body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    host, port = engine.url.removeprefix("http://").split(":")
    with closing(HTTPConnection(host, int(port), timeout=10)) as connection:
        connection.request(method, path, body)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, headers, response.read()


# Recommendations


def test_a_recommendation_has_the_shape_of_the_service(caller: Caller) -> None:
    response = caller.runtime.get_recommendations(campaignArn=CAMPAIGN_ARN, userId="reader-001")
    assert len(response["itemList"]) == 25
    scores = [item["score"] for item in response["itemList"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)
    assert 0 < len(response["recommendationId"]) <= 40
    assert response["ResponseMetadata"]["RequestId"]
    assert response["ResponseMetadata"]["RetryAttempts"] == 0


def test_every_argument_of_the_service_is_accepted(caller: Caller) -> None:
    response = caller.runtime.get_recommendations(
        campaignArn=CAMPAIGN_ARN,
        userId="reader-001",
        itemId="moby-dick",
        numResults=3,
        context={f"KEY{number}": "value" for number in range(150)},
        metadataColumns={"ITEMS": ["TITLE", "year"]},
    )
    assert len(response["itemList"]) == 3
    books = read_folder(FOLDER).items
    for item in response["itemList"]:
        assert item["metadata"] == {
            "TITLE": books[item["itemId"]]["TITLE"],
            "year": books[item["itemId"]]["YEAR"],
        }


def test_numbers_of_results_reach_to_the_limits_of_the_service(caller: Caller) -> None:
    assert len(caller.recommend(userId="unknown", numResults=500)) == len(read_folder(FOLDER).items)
    columns = {"metadataColumns": {"ITEMS": ["TITLE"]}}
    assert len(caller.recommend(userId="unknown", numResults=50, **columns)) == 50
    invalid = ("InvalidInputException", 400)
    assert error_of(lambda: caller.recommend(userId="unknown", numResults=501)) == invalid
    assert error_of(lambda: caller.recommend(userId="unknown", numResults=51, **columns)) == invalid
    assert error_of(lambda: caller.recommend(userId="u", metadataColumns={"ITEMS": ["PRICE"]})) == invalid
    assert error_of(caller.recommend) == invalid


def test_unknown_resources_are_not_found(caller: Caller) -> None:
    other = CAMPAIGN_ARN.replace("local", "other")
    with pytest.raises(caller.runtime.exceptions.ResourceNotFoundException) as raised:
        caller.runtime.get_recommendations(campaignArn=other, userId="u")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    a_filter = CAMPAIGN_ARN.replace("campaign", "filter")
    assert error_of(lambda: caller.recommend(userId="u", filterArn=a_filter)) == (
        "ResourceNotFoundException",
        404,
    )


def test_nothing_a_user_already_had_is_recommended_again(caller: Caller) -> None:
    had = {item for user, item, *_ in read_folder(FOLDER).interactions if user == "reader-001"}
    assert not had & set(caller.recommend(userId="reader-001", numResults=500))


def test_three_events_change_the_next_recommendations(caller: Caller, session: str) -> None:
    user = f"user-of-{session}"
    before = caller.recommend(userId=user, numResults=10)
    poems = ("leaves-of-grass", "the-waste-land", "a-shropshire-lad")
    caller.put(*({"itemId": poem} for poem in poems), session=session, user=user)
    after = caller.recommend(userId=user, numResults=10)
    genres = {item_id: book["GENRES"] for item_id, book in read_folder(FOLDER).items.items()}
    assert sum("poetry" in genres[item_id] for item_id in after) >= 6
    assert len(set(before) & set(after)) <= 5


def test_events_are_learnt_from_within_a_second(caller: Caller, session: str) -> None:
    before = caller.stats()
    started = time.monotonic()
    caller.put({"itemId": "moby-dick"}, session=session, user=session)
    wait_until(lambda: caller.stats()["modelInteractions"] > before["modelInteractions"])
    assert time.monotonic() - started < 1
    assert caller.stats()["modelRefits"] > before["modelRefits"]


def test_an_anonymous_session_gets_recommendations_and_joins_the_user_who_signs_in(
    caller: Caller, session: str
) -> None:
    user = f"user-of-{session}"
    popular = caller.recommend(userId=user, numResults=10)
    caller.put({"itemId": "dracula"}, {"itemId": "carmilla"}, session=session)
    anonymous = caller.recommend(userId=session, numResults=10)
    assert anonymous != popular
    assert caller.recommend(userId=user, numResults=10) == popular
    caller.put({"itemId": "the-king-in-yellow"}, session=session, user=user)
    signed_in = caller.recommend(userId=user, numResults=500)
    assert not {"dracula", "carmilla", "the-king-in-yellow"} & set(signed_in)


def test_related_items_need_no_user(caller: Caller) -> None:
    genres = {item_id: book["GENRES"] for item_id, book in read_folder(FOLDER).items.items()}
    related = caller.recommend(itemId="a-study-in-scarlet", numResults=10)
    assert sum("detective" in genres[item_id] for item_id in related) >= 6
    assert "a-study-in-scarlet" not in related


def test_a_ranking_orders_the_given_items_for_the_user(caller: Caller, session: str) -> None:
    caller.put({"itemId": "hamlet"}, {"itemId": "macbeth"}, session=session, user=session)
    response = caller.runtime.get_personalized_ranking(
        campaignArn=CAMPAIGN_ARN, userId=session, inputList=["no-such-book", "flatland", "faust"]
    )
    assert [item["itemId"] for item in response["personalizedRanking"]] == [
        "faust",
        "flatland",
        "no-such-book",
    ]
    assert response["recommendationId"]


# Events


def test_the_response_of_put_events_is_200_with_an_empty_body(caller: Caller, session: str) -> None:
    body = {
        "trackingId": TRACKING_ID,
        "sessionId": session,
        "eventList": [{"eventType": "view", "sentAt": 1770000000}],
    }
    status, headers, content = raw(caller.engine, "POST", "/events", json.dumps(body).encode())
    assert (status, content, headers["content-length"]) == (200, b"", "0")
    assert headers["x-amzn-requestid"] == caller.stored(session)[0]["callId"]


def test_accepted_events_can_be_read_in_order_of_arrival(caller: Caller, session: str) -> None:
    response = caller.put(
        {"eventId": f"{session}-1", "itemId": "emma", "eventValue": 4.5, "properties": '{"shelf": "é"}'},
        {"eventType": "watch", "recommendationId": "RID-1", "impression": ["emma", "kim"]},
        session=session,
        user="u",
    )
    first, second = caller.stored(session)
    assert first | {"seq": 0, "receivedAt": 0} == {
        "seq": 0,
        "eventId": f"{session}-1",
        "userId": "u",
        "sessionId": session,
        "itemId": "emma",
        "eventType": "view",
        "eventValue": 4.5,
        "sentAt": SENT_AT.timestamp(),
        "properties": '{"shelf": "é"}',
        "recommendationId": None,
        "impression": None,
        "eventAttributionSource": None,
        "callId": response["ResponseMetadata"]["RequestId"],
        "receivedAt": 0,
    }
    assert second["seq"] == first["seq"] + 1
    assert second["eventId"]
    assert second["impression"] == ["emma", "kim"]
    page = caller.engine.control("GET", f"/_engine/events?after={first['seq']}&limit=1")
    assert page == {"events": [second], "last": second["seq"]}
    assert caller.engine.control("GET", "/_engine/events?after=999999") == {"events": [], "last": 999999}


def test_an_event_id_counts_once_in_one_call_and_across_calls(caller: Caller, session: str) -> None:
    before = caller.stats()
    event = {"eventId": session, "itemId": "emma"}
    caller.put(event, event, {"itemId": "kim"}, session=session)
    caller.put(event, session=session, user="somebody")
    assert [stored["itemId"] for stored in caller.stored(session)] == ["emma", "kim"]
    after = caller.stats()
    assert after["eventsReceived"] - before["eventsReceived"] == 4
    assert after["duplicatesIgnored"] - before["duplicatesIgnored"] == 2
    assert after["putEventsCalls"] - before["putEventsCalls"] == 2


@pytest.mark.parametrize(
    "event",
    [
        {"properties": "x" * 1025},
        {"properties": '["no", "object"]'},
        {"properties": '{"USERID": "u"}'},
        {"impression": ["x"] * 26},
        {"itemId": "x" * 257},
        {"eventType": "x" * 257},
        {"recommendationId": "x" * 41},
        {"eventId": "x" * 257},
    ],
)
def test_a_call_that_passes_boto3_but_not_the_service_is_refused_whole(
    event: dict[str, Any], caller: Caller, session: str
) -> None:
    with pytest.raises(caller.events.exceptions.InvalidInputException) as raised:
        caller.put({"itemId": "emma"}, event, session=session)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "eventList.2.member" in raised.value.response["Error"]["Message"]
    assert caller.stored(session) == []


def test_eleven_events_and_unknown_trackers_are_refused(caller: Caller, session: str) -> None:
    invalid = ("InvalidInputException", 400)
    assert error_of(lambda: caller.put(*[{"itemId": "emma"}] * 11, session=session)) == invalid
    event = {"eventType": "view", "sentAt": SENT_AT}
    unknown = {"trackingId": "unknown", "sessionId": session, "eventList": [event]}
    assert error_of(lambda: caller.events.put_events(**unknown)) == invalid
    assert caller.stored(session) == []


def test_many_clients_at_once_lose_no_event_and_keep_the_order_of_each_session(
    caller: Caller, session: str
) -> None:
    def one_session(number: int) -> None:
        for position in range(0, 50, 5):
            events = [{"eventId": f"{session}-{number}-{position + n}", "itemId": "emma"} for n in range(5)]
            caller.put(*events, session=f"{session}-{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one_session, range(20)))
    for number in range(20):
        stored = [event["eventId"] for event in caller.stored(f"{session}-{number}")]
        assert stored == [f"{session}-{number}-{position}" for position in range(50)]


def test_items_and_users_can_be_put(tmp_path: Path) -> None:
    new_book = {"itemId": "brand-new", "properties": json.dumps({"title": "Brand New", "pageCount": 7})}
    with running(tmp_path / "events.db") as caller:
        caller.events.put_items(datasetArn=ITEMS_DATASET_ARN, items=[new_book])
        caller.events.put_users(datasetArn=USERS_DATASET_ARN, users=[{"userId": "u", "properties": "{}"}])
        assert error_of(lambda: caller.events.put_items(datasetArn=USERS_DATASET_ARN, items=[new_book])) == (
            "ResourceNotFoundException",
            404,
        )
    with running(tmp_path / "events.db") as caller:
        columns = {"ITEMS": ["TITLE", "PAGE_COUNT"]}
        found = caller.runtime.get_personalized_ranking(
            campaignArn=CAMPAIGN_ARN, userId="u", inputList=["brand-new"], metadataColumns=columns
        )
        assert found["personalizedRanking"][0]["metadata"] == {"TITLE": "Brand New", "PAGE_COUNT": "7"}
        assert "brand-new" in caller.recommend(userId="u", numResults=500)


# The wire


@pytest.mark.parametrize(
    ("request_line", "body", "expected"),
    [
        ("POST /events", b"no json", (400, "SerializationException")),
        ("POST /events", b"[]", (400, "SerializationException")),
        ("POST /events", b'{"sessionId": NaN}', (400, "SerializationException")),
        ("POST /events", b"[" * 100_000, (400, "SerializationException")),
        ("POST /events", b"", (400, "InvalidInputException")),
        ("POST /recommendations", b" " * (2 * 1024 * 1024 + 1), (413, "RequestEntityTooLargeException")),
        ("POST /action-recommendations", b"{}", (400, "InvalidInputException")),
        ("POST /segments", b"{}", (404, "UnknownOperationException")),
        ("GET /recommendations", b"", (404, "UnknownOperationException")),
    ],
)
def test_an_error_carries_its_type_in_the_header_and_a_message_in_the_body(
    request_line: str, body: bytes, expected: tuple[int, str], caller: Caller
) -> None:
    method, path = request_line.split()
    status, headers, content = raw(caller.engine, method, path, body)
    assert (status, headers["x-amzn-errortype"]) == expected
    assert list(json.loads(content)) == ["message"]
    assert headers["content-type"] == "application/json"
    assert "x-amzn-requestid" in headers


def test_a_web_page_cannot_reach_the_engine_by_another_name(caller: Caller) -> None:
    host, port = caller.engine.url.removeprefix("http://").split(":")
    with closing(HTTPConnection(host, int(port), timeout=10)) as connection:
        connection.request("GET", "/_engine/events", headers={"Host": f"attacker.example:{port}"})
        assert connection.getresponse().status == 403


def test_headers_and_body_arrive_together(caller: Caller) -> None:
    """A response that is sent in two parts takes 40 ms and more."""

    def seconds() -> float:
        started = time.perf_counter()
        caller.recommend(userId="reader-001")
        return time.perf_counter() - started

    assert statistics.median(seconds() for _ in range(30)) < 0.03


def test_health_and_items_can_be_read(caller: Caller) -> None:
    health = caller.engine.control("GET", "/_engine/health")
    assert health["status"] == "ok"
    assert (health["campaignArn"], health["trackingId"]) == (CAMPAIGN_ARN, TRACKING_ID)
    item = caller.engine.control("GET", "/_engine/items/moby-dick")
    assert item["metadata"]["TITLE"] == "Moby-Dick"
    for path in ("/_engine/items/no-such-book", "/_engine/nothing"):
        with pytest.raises(EngineProcessError, match="404"):
            caller.engine.control("GET", path)
    with pytest.raises(EngineProcessError, match="400"):
        caller.engine.control("GET", "/_engine/events?after=x")


# Faults


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({"throttleRate": 1}, ("ThrottlingException", 400)),
        ({"errorRate": 1}, ("ServiceUnavailable", 503)),
        ({"errorRate": 1, "errorStatus": 500}, ("InternalFailure", 500)),
        ({"accessDenied": True}, ("AccessDeniedException", 403)),
    ],
)
def test_a_fault_affects_reads_and_writes_and_stores_nothing(
    faults: dict[str, Any], expected: tuple[str, int], caller: Caller, session: str
) -> None:
    before = caller.stats()["faults"].get(expected[0], 0)
    caller.engine.set_faults(**faults)
    assert error_of(lambda: caller.recommend(userId="u")) == expected
    assert error_of(lambda: caller.put({"itemId": "emma"}, session=session)) == expected
    assert caller.stats()["faults"][expected[0]] == before + 2
    assert caller.stored(session) == []


def test_boto3_recognises_the_throttling_and_tries_again(caller: Caller) -> None:
    caller.engine.set_faults(throttleRate=1)
    before = caller.stats()["faults"].get("ThrottlingException", 0)
    config = Config(retries={"total_max_attempts": 2, "mode": "standard"})
    retrying = boto3.client(
        "personalize-runtime",
        endpoint_url=caller.engine.url,
        region_name="us-east-1",
        aws_access_key_id="nobody",
        aws_secret_access_key="nothing",
        config=config,
    )
    with closing(retrying):
        error_of(lambda: retrying.get_recommendations(campaignArn=CAMPAIGN_ARN, userId="u"))
    assert caller.stats()["faults"]["ThrottlingException"] == before + 2


def test_a_reset_connection_is_a_connection_error_and_stores_nothing(caller: Caller, session: str) -> None:
    caller.engine.set_faults(resetRate=1)
    for _ in range(3):
        with pytest.raises(BotoCoreError, match="onnection"):
            caller.put({"itemId": "emma"}, session=session)
    caller.engine.set_faults()
    assert caller.stored(session) == []
    caller.put({"itemId": "emma"}, session=session)
    assert len(caller.stored(session)) == 1


def test_a_lost_response_stores_the_event_so_that_a_retry_is_a_duplicate(
    caller: Caller, session: str
) -> None:
    event = {"eventId": session, "itemId": "emma"}
    caller.engine.set_faults(lostAnswerRate=1)
    with pytest.raises(BotoCoreError):
        caller.put(event, session=session)
    caller.engine.set_faults()
    caller.put(event, session=session)
    assert len(caller.stored(session)) == 1


def test_latency_delays_the_chosen_operations_only(caller: Caller, session: str) -> None:
    caller.engine.set_faults(latencyMs=300, operations=["PutEvents"])
    started = time.monotonic()
    caller.recommend(userId="u")
    assert time.monotonic() - started < 0.25
    started = time.monotonic()
    caller.put({"itemId": "emma"}, session=session)
    assert time.monotonic() - started >= 0.3


def test_marked_events_make_their_call_invalid_and_no_other(caller: Caller, session: str) -> None:
    caller.engine.set_faults(invalidItemIds=["poison"], invalidEventTypes=["toxic"])
    invalid = ("InvalidInputException", 400)
    assert error_of(lambda: caller.put({"itemId": "emma"}, {"itemId": "poison"}, session=session)) == invalid
    assert error_of(lambda: caller.put({"eventType": "toxic"}, session=session)) == invalid
    caller.put({"itemId": "emma"}, session=session)
    assert [event["itemId"] for event in caller.stored(session)] == ["emma"]


FAULTS = {
    "throttled": ({"throttleRate": 1}, "ThrottlingException"),
    "failing": ({"errorRate": 1, "errorStatus": 500}, "InternalFailure"),
    "unavailable": ({"errorRate": 1}, "ServiceUnavailable"),
    "hanging": ({"latencyMs": 60_000}, "ReadTimeoutError"),
    "stalled": ({"stallRate": 1}, "ReadTimeoutError"),
    "reset": ({"resetRate": 1}, "ConnectionClosedError"),
    "lost": ({"lostAnswerRate": 1}, "ConnectionClosedError"),
    "denied": ({"accessDenied": True}, "AccessDeniedException"),
    "missing": ({"campaignMissing": True}, "ResourceNotFoundException"),
}


@pytest.fixture(scope="module")
def hasty(shared: Caller) -> Iterator[Any]:
    """A client of the runtime that does not wait long for the response."""
    with closing(client("personalize-runtime", shared.engine, read_timeout=0.1)) as runtime:
        yield runtime


def outcome(call: Callable[..., Any], **arguments: Any) -> str:
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    except BotoCoreError as error:
        return type(error).__name__
    return "served"


def calls_of_campaigns(runtime: Any) -> dict[str, Callable[[], str]]:
    """Return calls of the three operations, each of which returns its outcome."""
    user: Any = {"userId": "u"}
    ranked = user | {"inputList": ["emma"]}
    recommend, rank, act = (
        partial(outcome, call)
        for call in (
            runtime.get_recommendations,
            runtime.get_personalized_ranking,
            runtime.get_action_recommendations,
        )
    )
    arns = CAMPAIGN_ARNS
    return {
        "recommendations of local": partial(recommend, campaignArn=arns["local"], **user),
        "recommendations of the recommender": partial(recommend, recommenderArn=arns["local"], **user),
        "recommendations of popular": partial(recommend, campaignArn=arns["popular"], **user),
        "ranking of local": partial(rank, campaignArn=arns["local"], **ranked),
        "ranking of ranking": partial(rank, campaignArn=arns["ranking"], **ranked),
        "actions": partial(act, campaignArn=arns["actions"], **user),
    }


@pytest.mark.parametrize(("faults", "expected"), FAULTS.values(), ids=FAULTS)
def test_every_operation_with_a_campaign_gets_each_fault(
    faults: dict[str, Any], expected: str, caller: Caller, hasty: Any
) -> None:
    calls = calls_of_campaigns(hasty if expected == "ReadTimeoutError" else caller.runtime)
    caller.engine.set_faults(**faults)
    for name in ("recommendations of local", "ranking of local", "actions"):
        assert calls[name]() == expected, name


@pytest.mark.parametrize(("faults", "expected"), FAULTS.values(), ids=FAULTS)
def test_faults_of_one_campaign_leave_the_others_healthy(
    faults: dict[str, Any], expected: str, caller: Caller, hasty: Any, session: str
) -> None:
    runtime = hasty if expected == "ReadTimeoutError" else caller.runtime
    affected = ("recommendations of local", "recommendations of the recommender", "ranking of local")
    caller.engine.set_faults(campaigns=["local"], **faults)
    for name, call in calls_of_campaigns(runtime).items():
        if name in affected:
            assert call() == expected, name
    for name, call in calls_of_campaigns(caller.runtime).items():
        if name not in affected:
            assert call() == "served", name
    caller.put({"itemId": "emma"}, session=session)
    assert len(caller.stored(session)) == 1


def test_a_campaign_that_the_engine_does_not_have_is_refused_with_those_that_it_has(caller: Caller) -> None:
    with pytest.raises(EngineProcessError, match=r"400 .*local, popular, similar, ranking, actions"):
        caller.engine.set_faults(campaigns=["locale"])


SERIALIZATION = (400, "SerializationException")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", SERIALIZATION),
        (b'["campaignArn"]', SERIALIZATION),
        (b"\xff", SERIALIZATION),
        (b"[" * 100_000, SERIALIZATION),
        (b" " * (2 * 1024 * 1024 + 1), (413, "RequestEntityTooLargeException")),
        (b'{"campaignArn": ["local"], "userId": "u"}', (400, "InvalidInputException")),
    ],
    ids=["cut", "list", "no text", "deep", "large", "no name"],
)
def test_faults_come_before_an_invalid_body_which_names_no_campaign(
    body: bytes, error: tuple[int, str], caller: Caller
) -> None:
    def error_type() -> tuple[int, str]:
        status, headers, _ = raw(caller.engine, "POST", "/recommendations", body)
        return status, headers["x-amzn-errortype"]

    caller.engine.set_faults(accessDenied=True)
    assert error_type() == (403, "AccessDeniedException")
    caller.engine.set_faults(accessDenied=True, campaigns=["local"])
    assert error_type() == error


@contextmanager
def begun(engine: EngineProcess, path: str, body: Any) -> Iterator[HTTPConnection]:
    """Send a request. Its response is not read yet."""
    host, port = engine.url.removeprefix("http://").split(":")
    with closing(HTTPConnection(host, int(port), timeout=10)) as connection:
        connection.request("POST", path, json.dumps(body).encode())
        yield connection


def test_a_stalled_response_has_all_headers_and_half_of_its_body(caller: Caller) -> None:
    caller.engine.set_faults(stallRate=1)
    with begun(caller.engine, "/recommendations", {"campaignArn": CAMPAIGN_ARN, "userId": "u"}) as connection:
        response = connection.getresponse()
        assert response.status == 200
        assert response.getheader("x-amzn-RequestId")
        half = response.read(int(response.headers["content-length"]) // 2)
        assert half.startswith(b'{"itemList":[')
        connection.sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            response.read(1)


def test_a_stalled_response_without_a_body_is_not_begun_and_its_event_is_stored(
    caller: Caller, session: str
) -> None:
    event = {"eventType": "view", "sentAt": 1770000000}
    body = {"trackingId": TRACKING_ID, "sessionId": session, "eventList": [event]}
    caller.engine.set_faults(stallRate=1)
    with begun(caller.engine, "/events", body) as connection:
        wait_until(lambda: len(caller.stored(session)) == 1)
        connection.sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.getresponse()


def test_the_same_seed_repeats_the_same_faults(caller: Caller) -> None:
    def outcome() -> str:
        try:
            caller.recommend(userId="u")
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "served"

    def thirty_outcomes() -> list[str]:
        caller.engine.set_faults(seed=11, throttleRate=0.4, errorRate=0.4)
        return [outcome() for _ in range(30)]

    first = thirty_outcomes()
    assert first == thirty_outcomes()
    assert set(first) == {"served", "ThrottlingException", "ServiceUnavailable"}


def test_faults_are_shown_replaced_and_switched_off(caller: Caller) -> None:
    control = caller.engine.control
    off = json.loads(json.dumps(FaultSettings().as_json()))
    assert control("GET", "/_engine/faults") == off
    assert control("PUT", "/_engine/faults", {"throttleRate": 0.5, "latencyMs": 10}) == off | {
        "throttleRate": 0.5,
        "latencyMs": 10,
    }
    assert control("PUT", "/_engine/faults", {"errorRate": 0.1}) == off | {"errorRate": 0.1}
    with pytest.raises(EngineProcessError, match=r"400 .*unknown key 'throtleRate'"):
        control("PUT", "/_engine/faults", {"throtleRate": 1})
    assert control("GET", "/_engine/faults") == off | {"errorRate": 0.1}
    assert control("DELETE", "/_engine/faults") == off


# The program


def test_events_and_their_ids_are_kept_over_a_restart(tmp_path: Path) -> None:
    database = tmp_path / "events.db"
    event = {"eventId": "once", "itemId": "hamlet"}
    with running(database) as caller:
        caller.put(event, {"itemId": "macbeth"}, user="u")
        expected = caller.recommend(userId="u", numResults=10)
        stored = caller.stored("s")
    with running(database) as caller:
        assert caller.stored("s") == stored
        caller.put(event, user="u")
        assert caller.stored("s") == stored
        assert not {"hamlet", "macbeth"} & set(caller.recommend(userId="u", numResults=500))
        assert len(set(expected) & set(caller.recommend(userId="u", numResults=10))) >= 8
        assert "2 events remembered" in caller.engine.output.read_text()


def test_events_with_a_response_are_on_disk_even_when_the_engine_is_killed(tmp_path: Path) -> None:
    with running(tmp_path / "events.db") as caller:
        for number in range(20):
            caller.put({"eventId": f"e{number}"})
        caller.engine.process.kill()
        caller.engine.process.wait()
    with running(tmp_path / "events.db") as caller:
        assert [event["eventId"] for event in caller.stored("s")] == [f"e{number}" for number in range(20)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_quickly_and_cleanly(number: int, tmp_path: Path) -> None:
    with running(tmp_path / "events.db") as caller:
        caller.put({"itemId": "emma"})
        started = time.monotonic()
        caller.engine.process.send_signal(number)
        assert caller.engine.process.wait(10) == 0
        assert time.monotonic() - started < 2
        assert len(caller.engine.output.read_text().splitlines()) == 1


def test_it_stops_although_slow_and_stalled_requests_are_in_progress(tmp_path: Path) -> None:
    body = {"campaignArn": CAMPAIGN_ARN, "userId": "u"}
    with (
        running(tmp_path / "events.db") as caller,
        ThreadPoolExecutor(1) as pool,
        ExitStack() as left,
        ExitStack() as waiting,
    ):
        caller.engine.set_faults(latencyMs=60_000)
        slow = pool.submit(lambda: error_of(lambda: caller.recommend(userId="u")))
        wait_until(lambda: caller.stats()["faults"].get("delayed") == 1)
        caller.engine.set_faults(stallRate=1)
        for clients in (left, waiting):
            clients.enter_context(begun(caller.engine, "/recommendations", body))
        wait_until(lambda: caller.stats()["faults"].get("stalled") == 2)
        left.close()
        assert caller.engine.stop() == 0
        assert slow.result() == ("ServiceUnavailable", 503)
        # The server would print that it cancels a request, if one were still in progress after a second.
        assert len(caller.engine.output.read_text().splitlines()) == 1


def test_it_stops_with_the_program_that_started_it(tmp_path: Path) -> None:
    with running(tmp_path / "events.db") as caller:
        standard_input = caller.engine.process.stdin
        assert standard_input is not None
        standard_input.close()
        assert caller.engine.process.wait(10) == 0


def test_it_prints_no_user_and_no_property(tmp_path: Path) -> None:
    output = tmp_path / "engine.log"
    with running(tmp_path / "events.db", output=output) as caller:
        caller.put({"properties": '{"diagnosis": "secret"}'}, user="jane.doe")
        error_of(lambda: caller.put({"properties": '{"userId": "jane.doe"}'}, user="jane.doe"))
        error_of(lambda: caller.recommend(userId="jane.doe", numResults=501))
    printed = output.read_text()
    assert printed.startswith("Personalize engine ready at http://127.0.0.1:")
    assert "jane.doe" not in printed
    assert "secret" not in printed


def test_a_signal_right_after_the_start_is_not_lost(tmp_path: Path) -> None:
    with running(tmp_path / "events.db") as caller:
        started = time.monotonic()
        assert caller.engine.stop() == 0
        assert time.monotonic() - started < 2


def test_the_names_and_the_launcher_load_neither_numpy_nor_botocore() -> None:
    program = (
        "import local.personalize.process, sys; sys.exit(bool({'numpy', 'botocore'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def failed_start(*arguments: str) -> str:
    """Return the sentence of an engine that cannot start, after checks: one line, no traceback, status 2."""
    command = [sys.executable, "-m", "local.personalize", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    return ended.stderr


def test_a_port_that_is_taken_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        message = failed_start("--port", port, "--database", str(tmp_path / "events.db"))
    assert f"Port {port} on 127.0.0.1" in message
    assert "--port" in message


def test_a_database_in_use_is_one_clear_sentence(tmp_path: Path) -> None:
    with running(tmp_path / "events.db"):
        message = failed_start("--port", "0", "--database", str(tmp_path / "events.db"))
    assert "in use by another program" in message


def test_a_bad_import_file_is_one_clear_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(FOLDER, folder)
    with (folder / "interactions.csv").open("a") as file:
        file.write("reader-001,emma,yesterday,view\n")
    line = len((folder / "interactions.csv").read_text().splitlines())
    message = failed_start("--port", "0", "--data", str(folder), "--database", str(tmp_path / "events.db"))
    assert f"{folder / 'interactions.csv'}, line {line}: TIMESTAMP is not a whole number" in message


def test_the_launcher_raises_the_engines_own_message(tmp_path: Path) -> None:
    with (
        pytest.raises(EngineProcessError, match="is not a folder"),
        running_engine(data=tmp_path / "nowhere", database=tmp_path / "events.db"),
    ):
        pass


def test_another_folder_is_loaded_instead_of_the_catalogue(tmp_path: Path) -> None:
    rows = "".join(f"u{number},thing-{number % 3},{number},view\n" for number in range(9))
    (tmp_path / "interactions.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n" + rows)
    with running(tmp_path / "events.db", data=tmp_path) as caller:
        assert set(caller.recommend(userId="u")) == {"thing-0", "thing-1", "thing-2"}
        assert caller.engine.control("GET", "/_engine/health")["interactions"] == 9
