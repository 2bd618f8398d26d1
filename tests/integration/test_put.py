"""`make put` against the engine: what a row says arrives, also when the program is killed in between."""

import contextlib
import csv
import functools
import io
import json
import os
import signal
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.coordinates import Stack
from local.personalize import ACTIONS_DATASET_ARN, CAMPAIGN_ARN, ITEMS_DATASET_ARN, USERS_DATASET_ARN
from local.personalize.process import EngineProcessError, running_engine
from ops import cli, local_stage
from ops.put import command
from ops.put.csv_file import CsvFile
from ops.put.kinds import KINDS, kind_of
from ops.put.schema import schema_of_header
from ops.put.upload import Upload
from tests.support.calls import run_command
from tests.support.clone import clone_project
from tests.support.program import Program

ROOT = Path(__file__).parents[2]
ROWS = 150
GOES_ON = "Run the same command again to go on where it stopped."
SCHEMA = {"fields": [{"name": "ITEM_ID", "type": "string"}, {"name": "YEAR", "type": ["null", "int"]}]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The smallest data folder: the tests bring their own items."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "interactions.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP\nann,known,1735689600\n")
    return folder


@pytest.fixture(scope="module")
def engine(data, tmp_path_factory):
    with running_engine(data=data, database=tmp_path_factory.mktemp("engine") / "events.db") as running:
        yield running


@pytest.fixture(autouse=True)
def state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@functools.cache
def client(engine):
    return local_stage.LocalSession(engine.url).client("personalize-events", config=command._ONCE)


def put(path, engine, arn=ITEMS_DATASET_ARN, **options):
    """Put a file as the command does; returns whether every row went and what was printed."""
    file = CsvFile(path)
    kind = kind_of(file.header)
    upload = Upload(file, kind, schema_of_header(file.header, kind).columns(file.header))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        done = command.put(upload, arn, client(engine), command.Options(**options))
    return done, printed.getvalue()


def metadata(engine, item):
    """What the engine knows of an item; None for an unknown one."""
    try:
        return engine.control("GET", f"/_engine/items/{quote(item, safe='')}")["metadata"]
    except EngineProcessError as error:
        assert ": 404 " in str(error)
        return None


CELLS = st.text(st.characters(codec="utf-8"), max_size=20)
IDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=20).filter(
    lambda text: text not in {".", ".."}
)


@settings(max_examples=25)
@given(rows=st.dictionaries(IDS, st.tuples(CELLS, CELLS), min_size=1, max_size=8), mark=st.booleans())
def test_what_a_row_says_arrives_in_the_engine(engine, tmp_path_factory, rows, mark):
    path = tmp_path_factory.mktemp("rows") / "catalogue.csv"
    with path.open("w", encoding="utf-8-sig" if mark else "utf-8", newline="") as file:
        csv.writer(file).writerows(
            [("GENRE_L2", "ITEM_ID", "TITLE"), *((g, i, t) for i, (g, t) in rows.items())]
        )
    done, _ = put(path, engine)
    assert done
    for item, (genre, title) in rows.items():
        expected = {name: value for name, value in (("genreL2", genre), ("title", title)) if value}
        assert metadata(engine, item) == expected


def test_of_two_rows_with_one_id_the_later_one_wins(engine, tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("ITEM_ID,TITLE\ntwice,first\nother,x\ntwice,second\n")
    assert put(path, engine)[0]
    assert metadata(engine, "twice") == {"title": "second"}


def test_users_go_to_the_dataset_of_users(engine, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("USER_ID,AGE\nann,40\nbob,\n")
    assert put(path, engine, USERS_DATASET_ARN)[0]


@pytest.mark.parametrize(
    "rates", [{"throttleRate": 0.3}, {"errorRate": 0.2, "resetRate": 0.2, "lostAnswerRate": 0.1}]
)
def test_faults_of_the_service_cost_no_row(engine, tmp_path, rates):
    path = tmp_path / "items.csv"
    name = "-".join(rates)
    path.write_text("ITEM_ID,TITLE\n" + "".join(f"{name}{n},x\n" for n in range(60)))
    engine.set_faults(seed=3, operations=["PutItems"], **rates)
    try:
        done, printed = put(path, engine)
    finally:
        engine.set_faults()
    assert done, printed
    assert all(metadata(engine, f"{name}{n}") == {"title": "x"} for n in range(60))


@pytest.fixture
def program(tmp_path, state):
    """Start the command as a person does, with the engine in the place of AWS."""
    path, schema = tmp_path / "items.csv", tmp_path / "schema.json"
    path.write_text("ITEM_ID,YEAR\n" + "".join(f"row{n},{n}\n" for n in range(ROWS)))
    schema.write_text(json.dumps(SCHEMA))

    def start(engine, *options):
        environment = os.environ | {"AWS_ENDPOINT_URL": engine.url}
        arguments = ["--dataset", ITEMS_DATASET_ARN, "--schema", str(schema), *options]
        return Program([sys.executable, "-m", "ops", "put", str(path), *arguments], ROOT, environment)

    return SimpleNamespace(start=start, state=state)


def items(engine):
    """How many items were put; one more is in the data folder."""
    return engine.control("GET", "/_engine/stats")["items"] - 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_an_interrupted_run_goes_on_where_it_stopped(program, data, tmp_path, eventually, number):
    with running_engine(data=data, database=tmp_path / "first.db") as first:
        port = urlsplit(first.url).port
        run = program.start(first)
        eventually(lambda: run.says("") is not None and items(first) > 40, 60)
        status = run.interrupt(number)
        put_before = items(first)
    assert 40 <= put_before < ROWS
    assert number == signal.SIGKILL or (status, run.lines[-1]) == (
        cli.INTERRUPTED,
        f"Interrupted. {GOES_ON}\n",
    )
    kept = [*program.state.rglob("*")]
    # A kill while a position is written leaves a draft, which the next one replaces.
    assert {path.suffix for path in kept} - {".new"} == {"", ".json"}
    assert [path.name for path in kept if path.stat().st_mode & 0o077] == [], "it is for its owner only"
    # At the same address, but empty: what it has in the end is what the second run has sent.
    with running_engine(data=data, database=tmp_path / "second.db", port=port) as second:
        run = program.start(second)
        assert run.end() == 0, run.text
        assert "An earlier run came to row " in run.text
        assert f"Every row was put: {ROWS}." in run.text
        assert 0 <= items(second) - (ROWS - put_before) <= 10, "at most one call is made again"
        assert metadata(second, "row0") is None
        assert metadata(second, f"row{ROWS - 1}") == {"year": str(ROWS - 1)}
    assert [path for path in program.state.rglob("*") if path.is_file()] == [], "at the end nothing is kept"


def test_the_local_stage_is_the_engine_of_make_run(engine, tmp_path):
    project = clone_project(tmp_path)
    (project / ".local").mkdir()
    found = Stack(*[""] * len(fields(Stack)))
    found = replace(found, personalizeUrl=engine.url, campaignArn=CAMPAIGN_ARN)
    (project / ".local" / "stack.json").write_text(json.dumps(asdict(found)))
    for content in (
        "ITEM_ID,COLOUR\nlocal-item,red|blue\n",
        "USER_ID,AGE\nann,\n",
        "ACTION_ID,KIND\njoin,news\n",
    ):
        (project / "rows.csv").write_text(content)
        ran = run_command(
            *("put", "--stage", "local", "rows.csv"), endpoint_url="http://127.0.0.1:9", project=project
        )
        assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "Every row was put: 1."), ran.stderr
        assert "The local engine has no schema: only ids and sizes are checked." in ran.stdout
    assert metadata(engine, "local-item") == {"colour": "red|blue"}
    ran = run_command(
        *("put", "--stage", "local", "rows.csv", "--dataset", ITEMS_DATASET_ARN),
        endpoint_url="",
        project=project,
    )
    assert (ran.returncode, ran.stderr[:24]) == (cli.FAILED, "STAGE=local takes no --p")


def test_the_datasets_of_the_engine_have_the_names_that_its_campaign_leads_to():
    coordinates = local_stage.Coordinates("", "", "", "", "", "http://127.0.0.1:1", CAMPAIGN_ARN, "")
    assert [local_stage.dataset_arn(coordinates, kind.dataset_type) for kind in KINDS] == [
        ITEMS_DATASET_ARN,
        USERS_DATASET_ARN,
        ACTIONS_DATASET_ARN,
    ]
