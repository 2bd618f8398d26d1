"""An archive in memory, and its replay to a running engine or to a simulated Personalize."""

import io
import json
from contextlib import nullcontext
from datetime import datetime, timedelta, timezone

from chalicelib import timestamps
from local.personalize import TRACKING_ID
from ops.archive.days import Days
from ops.archive.local_engine import ArchivedObject, LocalEngine
from ops.replay.delivering import Replay
from ops.replay.pace import Pace, PacedClient
from ops.replay.position import PositionFile
from ops.replay.rows import count_days

START = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


def event(number, session, *, prefix="", **members):
    """Return an accepted event, ``number`` seconds after the start."""
    at = timestamps.to_rfc3339(START + timedelta(seconds=number))
    body = {"SessionId": f"{prefix}{session}", "EventType": "view", "Event": {"itemId": f"i{number}"}}
    return {**body, "EventId": f"{prefix}e{number}", "ReceivedAt": at, **members}


def to_line(body):
    return json.dumps(body).encode() + b"\n"


def archive(lines_by_key):
    """Return an engine over objects: the key is the part behind ``events/``."""

    def archived(key, body):
        return ArchivedObject(f"events/{key}", len(body), START, lambda: nullcontext(io.BytesIO(body)))

    objects = [archived(key, body) for key, body in lines_by_key.items()]
    return LocalEngine(lambda: objects, "bucket")


def replaying(engine, client, folder, **options):
    """Return a replay of everything to the tracker of the local engine, and the days that there are."""
    clock = options.pop("clock", lambda: 0.0)
    rate, sleep = options.pop("rate", 1000), options.pop("sleep", lambda seconds: None)
    paced = None if client is None else PacedClient(client, Pace(rate, clock, sleep))
    work = Replay(
        engine,
        TRACKING_ID,
        rate,
        PositionFile(folder / "position.json"),
        paced,
        **{"clock": clock, "sleep": sleep, "chance": lambda: 0.5, "threads": 4} | options,
    )
    counted, _ = count_days(
        engine, Days((START - timedelta(days=30)).date(), (START + timedelta(days=30)).date())
    )
    return work, counted


def replay(engine, client, folder, **options):
    """Replay behind the kept position."""
    work, counted = replaying(engine, client, folder, **options)
    return work.run(counted, work.kept.read())
