"""Each query of the archive, over events that went through the running stack, against what was sent.

HTTP (or another producer) -> stream -> Firehose -> bucket -> the same SQL as on Athena, on DuckDB.
"""

import json
import time
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
import sqlglot

from local.stack import running_stack
from ops.archive.days import Days
from ops.archive.saved_queries import read_queries
from ops.local_stage import STACK_NAME
from tests.support import calls
from tests.support.archive import answer, archived_lines, engine_of

QUERIES = read_queries()
EXPERIMENT = "spring:local=50,popular=50"
SESSIONS = 24
ITEMS = 7


def today():
    return datetime.now(timezone.utc).date()


def journey(number):
    """The events of one visitor: all look at items, most put one aside, some buy, two of three sign in."""
    user = f"user-{number // 2}" if number % 3 else None
    shown = [f"item-{(number + step) % ITEMS}" for step in range(4)]
    base = {"SessionId": f"session-{number}", "RecommendationId": f"RID-{number // 2}"}
    sent_at = datetime.now(timezone.utc) - timedelta(seconds=40)
    events: list[dict] = [
        base | {"EventType": "view", "Impression": shown, "Event": {"itemId": shown[0], "page": "home"}},
        base | {"EventType": "view", "SentAt": sent_at.isoformat(), "Event": {"itemId": shown[1]}},
    ]
    if number % 4:
        events.append(base | {"EventType": "cart", "Event": {"itemId": shown[1], "eventValue": 2.5}})
    if number % 8 == 1:
        events.append(
            base | {"EventType": "purchase", "Event": {"itemId": shown[1]}, "SentAt": sent_at.timestamp()}
        )
    for position, event in enumerate(events):
        event["EventId"] = f"event-{number}-{position}"
        if user and position:  # the first look was before the sign-in
            event["UserId"] = user
    return events


class Sent:
    """What was sent, and what of it had to be archived."""

    def __init__(self):
        self.events = [event for number in range(SESSIONS) for event in journey(number)]
        self.action = {
            "UserId": "user-3",
            "SessionId": "session-7",
            "EventType": "Taken",
            "EventId": "action-1",
            "Action": {"actionId": "newsletter"},
        }
        self.again = [self.events[0], self.events[5]]
        self.reused = {**self.events[0], "Event": {"itemId": "item-of-another-event"}}
        # Another producer's: the same line twice is two events.
        self.foreign = {"SessionId": "till-1", "EventType": "view", "Event": {"itemId": "item-1"}}

    @property
    def lines(self):
        return len(self.events) + 1 + len(self.again) + 1 + 2

    def of(self, event_type):
        return [event for event in self.events if event["EventType"] == event_type]

    def sessions(self, event_type):
        return {event["SessionId"] for event in self.of(event_type)}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Send everything and wait until it is in the archive. Return the engine, what was sent, and the days."""
    sent = Sent()
    with running_stack(tmp_path_factory.mktemp("archive")) as running:
        run_experiment(running)

        def post(body):
            status, response, _ = calls.post(
                running.stack.apiUrl + "/history", body, key=running.stack.apiKey
            )
            assert status == 202, response

        first = today()
        post({"Events": [*sent.events, sent.action]})
        post({"Events": sent.again})
        post(sent.reused)
        running.client("kinesis").put_records(
            StreamName=running.stack.streamName,
            Records=[
                {"Data": json.dumps(sent.foreign).encode() + b"\n", "PartitionKey": "till-1"} for _ in "12"
            ],
        )
        deadline = time.monotonic() + 30
        while len(archived_lines(running)) < sent.lines:
            assert time.monotonic() < deadline, "the archive is not complete within 30 s"
            time.sleep(0.2)
        spoil(running)
        yield SimpleNamespace(
            running=running, engine=engine_of(running), sent=sent, days=Days(first, today())
        )


def run_experiment(running):
    """Split the users of the running stack, as an operator does it with the parameter Experiment."""
    functions = running.client("lambda")
    [name] = [
        each["FunctionName"]
        for each in functions.list_functions()["Functions"]
        if "APIHandler" in each["FunctionName"] or "api_handler" in each["FunctionName"]
    ]
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": variables | {"EXPERIMENT": EXPERIMENT}}
    )


def spoil(running):
    """Put what Firehose makes of a record without a newline, of a blank line and of half a line."""
    lines = b'{"SessionId":"a"}{"SessionId":"b"}\n\n{"SessionId":"c"\n'
    key = f"events/dt={today()}/archive-1-{datetime.now(timezone.utc):%Y-%m-%d-%H-%M-%S}-spoiled"
    running.client("s3").put_object(Bucket=running.stack.bucket, Key=key, Body=lines)


def ask(archive, name, **values):
    return answer(archive.engine, QUERIES[name], archive.days, **values)


def total(rows, column):
    return sum(float(row[column] or 0) for row in rows)


def test_every_query_is_sql_that_athena_reads():
    for query in QUERIES.values():
        [statement] = sqlglot.parse(query.sql, read="athena")
        assert statement.key == "select", query.name
        assert query.sql.count("?") == len(query.parameters), "and none in a comment"


def test_every_query_has_a_test():
    tested = {name for name in globals() if name.startswith("test_query_")}
    assert tested == {f"test_query_{name.replace('-', '_')}" for name in QUERIES}


def test_query_events_by_day(archive):
    sent = archive.sent
    rows = ask(archive, "events-by-day")
    counts = Counter(event["EventType"] for event in sent.events) + Counter({"view": 2})
    for kind in ("view", "cart", "purchase"):
        found = [row for row in rows if row["event_type"] == kind]
        assert total(found, "events") == counts[kind]
    [views] = [row for row in rows if row["event_type"] == "view"]
    assert int(views["sessions"]) == SESSIONS + 1
    assert [(r["kind"], r["events"]) for r in rows if r["event_type"] == "Taken"] == [("action", "1")]


def test_query_top_items(archive):
    sent = archive.sent
    counts = Counter(event["Event"]["itemId"] for event in sent.events) + Counter({"item-1": 2})
    # The id of the first event came once more with another item: it is an event of each of the two.
    counts["item-of-another-event"] = 1
    assert {row["item"]: int(row["events"]) for row in ask(archive, "top-items")} == counts
    carts = Counter(event["Event"]["itemId"] for event in sent.of("cart"))
    best = ask(archive, "top-items", EVENT_TYPE="cart", LIMIT="2")
    assert [int(row["events"]) for row in best] == [count for _, count in carts.most_common(2)]


def test_query_funnel(archive):
    sent = archive.sent
    views, carts, purchases = (sent.sessions(kind) for kind in ("view", "cart", "purchase"))
    reached = [len(views) + 1, len(views & carts), len(views & carts & purchases)]
    rows = ask(archive, "funnel", STEPS="view,cart,purchase")
    assert [int(row["reached"]) for row in rows] == reached
    assert float(rows[2]["share_of_first_step"]) == round(reached[2] / reached[0], 4)
    assert float(rows[2]["share_of_step_before"]) == round(reached[2] / reached[1], 4)
    unknown = ask(archive, "funnel", STEPS="view,never,purchase")
    assert [(r["event_type"], r["sessions"], r["reached"]) for r in unknown[1:]] == [
        ("", "0", "0"),
        ("purchase", str(len(purchases)), "0"),
    ]
    assert [row["event_type"] for row in ask(archive, "funnel")] == ["view", "cart", "purchase", "Taken"]


def test_query_click_through(archive):
    sent = archive.sent
    shown, carted = defaultdict(set), defaultdict(set)
    for event in sent.events:
        shown[event["RecommendationId"]] |= set(event.get("Impression", ()))
        if event["EventType"] == "cart":
            carted[event["RecommendationId"]].add(event["Event"]["itemId"])
    rows = ask(archive, "click-through", EVENT_TYPE="cart")
    assert total(rows, "lists") == len(shown)
    assert total(rows, "lists_with_choice") == sum(bool(carted[each]) for each in shown)
    assert total(rows, "items_shown") == sum(map(len, shown.values()))
    assert total(rows, "items_chosen") == sum(len(carted[each] & shown[each]) for each in shown)
    assert float(rows[0]["share_of_items"]) == round(
        total(rows, "items_chosen") / total(rows, "items_shown"), 4
    )


def test_query_archive_delay(archive):
    sent = archive.sent
    rows = ask(archive, "archive-delay")
    assert total(rows, "events") == sent.lines - 2  # another producer's have no ReceivedAt
    again = sum("SentAt" in event for event in [*sent.again, sent.reused])
    assert total(rows, "events_with_sent_at") == sum("SentAt" in event for event in sent.events) + again
    assert 40 <= float(rows[0]["to_api_median"]) <= float(rows[0]["to_api_p95"]) < 100
    assert -1 <= float(rows[0]["to_archive_median"]) <= float(rows[0]["to_archive_max"]) < 60


def test_query_duplicates(archive):
    sent = archive.sent
    rows = ask(archive, "duplicates")
    assert total(rows, "events") == len(sent.events) + 1
    assert total(rows, "events_sent_again") == len(sent.again)
    assert total(rows, "extra_rows") == len(sent.again) + 1
    assert total(rows, "rows_stored_again") == 0
    assert total(rows, "ids_reused") == 1


def test_query_experiment_variants(archive):
    sent = archive.sent
    owners = {event["SessionId"]: event["UserId"] for event in sent.events if "UserId" in event}
    visitors = {owners.get(event["SessionId"], event["SessionId"]) for event in sent.events}
    buyers = {owners.get(session, session) for session in sent.sessions("purchase")}
    rows = ask(archive, "experiment-variants", EXPERIMENT="spring")
    assert {row["variant"] for row in rows} == {"local", "popular"}
    assert total(rows, "users") == len(visitors)
    assert total(rows, "successes") == len(buyers)
    assert total(rows, "events") == len(sent.events) + 1
    assert ask(archive, "experiment-variants", EXPERIMENT="autumn") == []


def test_query_success_rate(archive):
    sent, days = archive.sent, archive.days
    owners = {event["SessionId"]: event["UserId"] for event in sent.events if "UserId" in event}
    visitors = {owners.get(event["SessionId"], event["SessionId"]) for event in sent.events} | {"till-1"}
    buyers = {owners.get(session, session) for session in sent.sessions("purchase")}
    # The spoiled line of two events shows the first one.
    users = len(visitors) + 1
    [row] = ask(archive, "success-rate")
    assert (int(row["users"]), int(row["successes"])) == (users, len(buyers))
    assert float(row["baseline"]) == round(len(buyers) / users, 5)
    assert float(row["users_per_day"]) == round(users / ((days.last - days.first).days + 1), 1)


def test_query_person(archive):
    sent = archive.sent
    sessions = {event["SessionId"] for event in sent.events if event.get("UserId") == "user-3"}
    theirs = [
        event
        for event in [*sent.events, *sent.again, sent.reused]
        if event["SessionId"] in sessions and event.get("UserId", "user-3") == "user-3"
    ]
    rows = ask(archive, "person", USER="user-3")
    assert Counter(row["eventid"] for row in rows) == Counter(e["EventId"] for e in theirs) + Counter(
        ["action-1"]
    )
    assert {row["userid"] for row in rows} == {"user-3", ""}
    assert all(json.loads(row["event"] or row["action"]) for row in rows)
    assert ask(archive, "person", USER="user-3' OR '1'='1") == []


def test_query_event(archive):
    first = archive.sent.events[0]
    rows = ask(archive, "event", EVENT=first["EventId"])
    # It was sent twice, and then the id once more with another item.
    assert [json.loads(row["event"])["itemId"] for row in rows] == [
        *[first["Event"]["itemId"]] * 2,
        "item-of-another-event",
    ]
    assert {(row["all_rows"], row["sessionid"]) for row in rows} == {("3", "session-0")}
    assert [row["receivedat"] for row in rows] == sorted({row["receivedat"] for row in rows})
    assert all(row["object"].startswith("s3://") for row in rows)
    [row] = ask(archive, "event", EVENT=first["EventId"], LIMIT="1")
    assert row["all_rows"] == "3"
    for unknown in ("event-0", "event-0-0' OR '1'='1", "%", "event-0-_"):
        assert ask(archive, "event", EVENT=unknown) == []


def test_query_anonymous_sessions(archive):
    sent = archive.sent
    signed_in = {event["SessionId"] for event in sent.events if "UserId" in event} | {"session-7"}
    everyone = {event["SessionId"] for event in sent.events}
    rows = ask(archive, "anonymous-sessions")
    # Beside them: the till, and the first event of the spoiled line.
    assert total(rows, "sessions") == len(everyone) + 2
    assert total(rows, "anonymous_sessions") == len(everyone - signed_in) + 2
    anonymous = [event for event in sent.events if event["SessionId"] not in signed_in]
    assert total(rows, "anonymous_events") == len(anonymous) + 2 + 1


def test_query_spoiled_rows(archive):
    [row] = ask(archive, "spoiled-rows")
    assert row["object"].startswith("s3://") and row["object"].endswith("-spoiled")
    assert (row["lines"], row["joined"], row["blank"]) == ("3", "1", "1")


def test_the_stack_has_the_workgroup_and_both_tables(archive):
    """The Stubber tests the queries on Athena: the emulator knows neither parameters nor the dialect."""
    client = archive.running.client
    [stack] = client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    group = client("athena").get_work_group(WorkGroup=outputs["QueryWorkGroup"])["WorkGroup"]
    result = group["Configuration"]["ResultConfiguration"]["OutputLocation"]
    assert result == f"s3://{archive.running.stack.bucket}/query-results/"
    tables = client("glue").get_tables(DatabaseName=outputs["EventsDatabase"])["TableList"]
    assert {table["Name"] for table in tables} == {"events", "event_lines"}
