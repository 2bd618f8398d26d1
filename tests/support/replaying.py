"""An archive in memory, and its replay to a running engine or to a simulated Personalize."""

import _thread
import io
import json
from collections import defaultdict
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta, timezone
from itertools import chain, count

from chalicelib import timestamps
from local.personalize import TRACKING_ID
from ops.archive.days import Days
from ops.archive.local_engine import ArchivedObject, LocalEngine
from ops.replay.delivering import Replay
from ops.replay.pace import Pace, PacedClient
from ops.replay.position import PositionFile
from ops.replay.rows import count_days
from simulation.trained import trained_events

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


def trained(engine, prefix):
    """Return the events that the engine was trained on, in their order, of the sessions with a prefix."""
    found = trained_events(lambda path: engine.control("GET", path))
    return [each for each in found if each["sessionId"].startswith(prefix)]


def small_archive(prefix):
    """Return an archive of two days, and the ids in each session's order."""
    first = [event(number, number % 3, prefix=prefix, UserId=f"u{number % 2}") for number in range(24)]
    second = [event(number, number % 3, prefix=prefix) for number in range(90_000, 90_012)]
    expected = defaultdict(list)
    for each in chain(first, second):
        expected[each["SessionId"]].append(each["EventId"])
    lines = [to_line(each) for each in first]
    # Any order within an object and between objects, a repetition, two joined records, half a line.
    objects = {
        "dt=2026-01-31/b": b"".join(reversed(lines[:15])) + lines[3],
        "dt=2026-01-31/a": lines[20].strip()
        + b"".join(lines[21:])
        + b'{"SessionId": "half\n'
        + b"".join(lines[15:20]),
        "dt=2026-02-01/a": b"".join(map(to_line, second)),
    }
    return archive(objects), expected


def in_sessions(events):
    found = defaultdict(list)
    for each in events:
        found[each["sessionId"]].append(each["eventId"])
    return found


class Interrupting:
    """A client that is interrupted with Ctrl-C before or after one of its calls."""

    def __init__(self, client, step):
        self.client, self.countdown = client, step

    def put_events(self, **arguments):
        self._strike()
        self.client.put_events(**arguments)
        self._strike()

    def _strike(self):
        self.countdown -= 1
        if self.countdown == 0:
            _thread.interrupt_main()


def interrupt_at_each_step(engine, client, folder, *, every=1):
    """Interrupt a replay before and after its calls, and repeat it. Return how many moments there are."""
    for step in count(1, every):
        prefix, kept = f"step{step}-", folder / str(step)
        archived, expected = small_archive(prefix)
        interrupted = Interrupting(client, step)
        with suppress(KeyboardInterrupt):
            replay(archived, interrupted, kept, max_lines=7)
        replay(archived, client, kept, max_lines=7)
        assert in_sessions(trained(engine, prefix)) == expected
        assert not (kept / "position.json").exists()
        if interrupted.countdown > 0:
            return step
    raise AssertionError("unreachable")
