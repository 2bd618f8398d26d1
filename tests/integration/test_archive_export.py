"""`make export`: what of the archive becomes a row, and that an engine which loads it recommends the same."""

import csv
import json
from datetime import datetime, timezone

import pytest

from local.catalogue import visitors
from local.coordinates import written
from local.personalize.process import running_engine
from local.stack import running_stack
from ops.local_stage import Coordinates
from tests.support import calls
from tests.support.archive import archived_lines
from tests.support.calls import run_command
from tests.support.clone import clone_project
from tests.support.engine_clients import EngineClients
from tests.support.round_trip import catalogue_without_interactions, send, taste_events, top_ten

EVENTS = 600
AT = 1_767_225_600
OWN_EVENTS = [
    # A visitor who signs in: the events before and after are the user's, until the next user signs in.
    {"SessionId": "s1", "EventType": "view", "SentAt": AT, "Event": {"itemId": "a", "CONTEXT": "web"}},
    {"SessionId": "s1", "EventType": "sign-in", "SentAt": AT + 1, "UserId": "ann", "Event": {}},
    {"SessionId": "s1", "EventType": "view", "SentAt": AT + 2, "Event": {"itemId": 'b,"\u00e9'}},
    {"SessionId": "s1", "EventType": "view", "SentAt": AT + 3, "UserId": "ben", "Event": {"itemId": "c"}},
    {
        "SessionId": "s1",
        "EventType": "buy",
        "SentAt": "2026-01-01T01:00:04.900+01:00",
        "Event": {"itemId": "d", "eventValue": 4.5, "watchSeconds": 12, "CONTEXT": "two\nlines"},
        "RecommendationId": "RID-1",
        "Impression": ["d", "e"],
    },
    # Left out: nobody's session, another kind of event, no item.
    {"SessionId": "s2", "EventType": "view", "SentAt": AT, "Event": {"itemId": "a"}},
    {"SessionId": "s2", "EventType": "Taken", "UserId": "ann", "Action": {"actionId": "x"}},
    {"SessionId": "s3", "EventType": "view", "UserId": "cid", "SentAt": AT, "Event": {"query": "boots"}},
]
# Another producer's, without EventId: equal lines are an event each.
FOREIGN = [{"SessionId": "till", "UserId": "dan", "EventType": "buy", "Event": {"itemId": "f"}}] * 2


@pytest.fixture(scope="module")
def stack_and_requests(tmp_path_factory):
    home = tmp_path_factory.mktemp("export")
    requests = taste_events(EVENTS)
    with running_stack(home / "stack", data=catalogue_without_interactions(home / "data")) as running:
        send(running, requests)
        yield running, requests


@pytest.fixture
def project(tmp_path, stack_and_requests):
    """A checkout in which the running stack is `STAGE=local`."""
    running, _ = stack_and_requests
    folder = tmp_path / "project"
    folder.mkdir()
    clone_project(folder)
    with written(running.stack, folder / ".local" / "stack.json"):
        yield folder


def ops(project, *arguments):
    return run_command(*arguments, endpoint_url="http://127.0.0.1:9", project=project)


def rows_of(folder):
    with (folder / "interactions.csv").open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


def test_an_engine_that_loads_the_export_recommends_what_the_live_one_does(
    project, stack_and_requests, tmp_path
):
    running, requests = stack_and_requests
    ran = ops(project, "export", "--stage", "local", "--out", str(tmp_path / "out"))
    assert ran.returncode == 0, ran.stderr
    users = sorted({each["UserId"] for each in requests if "UserId" in each and each["Event"]})
    catalogue_without_interactions(tmp_path / "data")
    (tmp_path / "out" / "interactions.csv").replace(tmp_path / "data" / "interactions.csv")
    with running_engine(data=tmp_path / "data", database=tmp_path / "fresh.db") as fresh:
        live, loaded = EngineClients(running.engine).runtime, EngineClients(fresh).runtime
        assert top_ten(loaded, users) == top_ten(live, users)


def test_each_row_is_an_event_and_what_is_left_out_is_counted(
    project, stack_and_requests, tmp_path, eventually
):
    running, requests = stack_and_requests
    before = len(archived_lines(running))
    url, key = running.stack.apiUrl + "/history", running.stack.apiKey
    for each in [*OWN_EVENTS, OWN_EVENTS[0]]:
        status, response, _ = calls.post(url, each, key=key)
        assert status == 202, response
    running.client("kinesis").put_records(
        StreamName=running.stack.streamName,
        Records=[{"Data": json.dumps(each).encode() + b"\n", "PartitionKey": "till"} for each in FOREIGN],
    )
    wanted = before + len(OWN_EVENTS) + 1 + len(FOREIGN)
    eventually(lambda: len(archived_lines(running)) == wanted)
    today = datetime.now(timezone.utc).date().isoformat()
    options = ("--properties", "CONTEXT,watchSeconds:int", "--from", "2026-01-01", "--to", today)
    ran = ops(project, "export", "--stage", "local", "--out", str(tmp_path / "out"), *options)
    assert ran.returncode == 0, ran.stderr
    rows = [row for row in rows_of(tmp_path / "out") if not row["USER_ID"].startswith("reader-")]
    own = [row for row in rows if row["USER_ID"] != "dan"]
    assert [(row["USER_ID"], row["ITEM_ID"], int(row["TIMESTAMP"]) - AT) for row in own] == [
        ("ann", "a", 0),
        ("ann", 'b,"\u00e9', 2),
        ("ben", "c", 3),
        ("ben", "d", 4),
    ]
    assert own[3] == {
        "USER_ID": "ben",
        "ITEM_ID": "d",
        "TIMESTAMP": str(AT + 4),
        "EVENT_TYPE": "buy",
        "EVENT_VALUE": "4.5",
        "CONTEXT": "two lines",
        "WATCH_SECONDS": "12",
        "RECOMMENDATION_ID": "RID-1",
        "IMPRESSION": "d|e",
    }
    assert [row["ITEM_ID"] for row in rows if row["USER_ID"] == "dan"] == ["f", "f"]
    owned = {each["SessionId"] for each in requests if each["Event"] and "UserId" in each}
    nobody = {each["EventId"] for each in requests if each["Event"] and each["SessionId"] not in owned}
    for line in (
        "2 came without EventId",
        "2 without an item",
        f"{len(nobody) + 1} of sessions without a user",
        "sent or stored again",
    ):
        assert line in ran.stdout, ran.stdout
    schema = json.loads((tmp_path / "out" / "schema.json").read_text())
    assert [field["name"] for field in schema["fields"]] == list(rows[0])


def test_a_file_that_is_there_is_replaced_only_when_asked(project, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "interactions.csv").write_text("precious")
    ran = ops(project, "export", "--stage", "local", "--out", str(out))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "is there already" in ran.stderr and "--replace" in ran.stderr
    assert (out / "interactions.csv").read_text() == "precious"
    assert ops(project, "export", "--stage", "local", "--out", str(out), "--replace").returncode == 0
    assert (out / "interactions.csv").read_text().startswith("USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,")
    assert (out / "interactions.csv").stat().st_mode & 0o077 == 0


def test_visitors_leave_events_of_every_kind(stack_and_requests, eventually):
    running, _ = stack_and_requests
    before = len(archived_lines(running))
    local = Coordinates("", running.stack.apiUrl, "", "", "", "", "", running.stack.apiKey)
    sent = visitors.send(local, 12)
    eventually(lambda: len(archived_lines(running)) >= before + sent)
    visits = [each for line in archived_lines(running) if "visit-" in (each := json.loads(line))["SessionId"]]
    assert {each["EventType"] for each in visits} == {"list", "view", "read", "rate"}
    assert all("SentAt" in each and "RecommendationId" in each for each in visits)
    assert {"UserId" in each for each in visits} == {True, False}


def test_a_query_is_printed_as_a_table_as_csv_and_as_json(project):
    asked = ("query", "--stage", "local", "top-items", "--set", "LIMIT=3", "--set", "EVENT_TYPE=read")
    table, as_csv, as_json = (ops(project, *asked, "--format", each) for each in ("table", "csv", "json"))
    for ran in (table, as_csv, as_json):
        assert ran.returncode == 0, ran.stderr
        assert "bytes scanned. This would cost 0.000050 USD on Athena" in ran.stderr
    rows = [*csv.DictReader(as_csv.stdout.splitlines())]
    assert len(rows) == 3
    assert json.loads(as_json.stdout) == [
        {name: value if name == "item" else int(value) for name, value in row.items()} for row in rows
    ]
    assert [line.split() for line in table.stdout.splitlines()[2:]] == [[*row.values()] for row in rows]
