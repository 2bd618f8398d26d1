"""10,000 events of the taste model go through the whole stack, into the archive, and into a fresh engine."""

from contextlib import closing
from datetime import datetime, timedelta, timezone
from random import Random

from local.personalize.process import running_engine
from local.stack import running_stack
from ops.archive.days import Days
from ops.archive.export_command import export
from ops.archive.interactions import ImportFile
from ops.terminal import Terminal
from tests.support.archive import engine_of
from tests.support.engine_clients import EngineClients
from tests.support.round_trip import catalogue_without_interactions, send, taste_events, top_ten

EVENTS = 10_000
USERS = 100


def test_an_engine_that_loads_the_export_recommends_what_the_live_one_does(tmp_path):
    requests = taste_events(EVENTS)
    today = datetime.now(timezone.utc).date()
    data = catalogue_without_interactions(tmp_path / "data")
    users = sorted({each["UserId"] for each in requests if "UserId" in each and each["Event"]})
    chosen = Random(1).sample(users, USERS)
    lines = []
    with running_stack(tmp_path / "stack", data=data) as running:
        send(running, requests)
        with closing(EngineClients(running.engine)) as clients:
            live = top_ten(clients.runtime, chosen)
        days = Days(today - timedelta(days=1), today + timedelta(days=1))
        terminal = Terminal(lines.append, lambda plan: True, None)
        export(engine_of(running), ImportFile.of([]), days, data, terminal)
    with (
        running_engine(data=data, database=tmp_path / "fresh.db") as fresh,
        closing(EngineClients(fresh)) as clients,
    ):
        loaded = top_ten(clients.runtime, chosen)
    assert len({tuple(items) for items in live.values()}) > USERS / 2, "they are not all the same list"
    assert loaded == live, "\n".join(lines)
