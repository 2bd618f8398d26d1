"""Lines of the archive become records in their order, calls are paced, and a position is exact."""

import json
import threading
import time
from datetime import datetime
from itertools import pairwise

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, TokenRetrievalError

from chalicelib.records import from_record
from ops.replay.pace import Pace, PacedClient
from ops.replay.position import HashedLines, Position, PositionFile
from ops.replay.rows import ArchivedLine, DayCount, read_lines

AT = "2026-01-31T12:00:00.000Z"
DAY = "2026-01-31"


def text(**members):
    event = {"SessionId": "s", "EventType": "view", "Event": {"itemId": "i"}, **members}
    return json.dumps(event)


def read(*rows, day=DAY):
    """Read rows as the query returns them: a text, when it arrived, and its number among equal lines."""
    return [*read_lines([(line, arrived, str(number)) for line, arrived, number in rows], day)]


def event_of(record):
    return from_record(record.data, fallback_id=record.derived_id, arrived_at=record.arrived_at)


def test_events_of_one_moment_are_in_the_order_of_their_time():
    first = text(SentAt="2026-01-31T13:00:01+02:00", ReceivedAt=AT)
    second, third = text(SentAt=1769857200, ReceivedAt=AT), text(ReceivedAt=AT)
    rows = [(third, AT, 1), ("no JSON", AT, 1), (second, AT, 1), (first, AT, 1)]
    found = read((text(SentAt=1e9), "2026-01-31T11:00:00.000Z", 1), *rows)
    texts = [line.text for line in found]
    assert texts[0] == text(SentAt=1e9)
    assert texts.index(second) < texts.index(first) < texts.index(third)
    assert len(found) == 5
    assert read((text(SentAt=1e9), "2026-01-31T11:00:00.000Z", 1), *rows[::-1]) == found, "in whatever order"


def test_an_event_keeps_its_id_and_its_bytes():
    own = text(EventId="own", ReceivedAt=AT)
    [line] = read((own, AT, 1))
    [record] = line.records
    assert record.data == own.encode()
    assert not line.has_others
    assert event_of(record).event_id == "own"


def test_an_event_without_an_id_gets_one_of_its_day_its_line_and_its_number():
    [one] = read((text(), AT, 1))
    assert read((text(), AT, 1)) == [one]
    others = [
        read((text(), AT, 2)),
        read((text(EventType="buy"), AT, 1)),
        read((text(), AT, 1), day="2026-02-01"),
    ]
    ids = {line.records[0].derived_id for found in [[one], *others] for line in found}
    assert len(ids) == 4
    assert all(len(each) <= 256 for each in ids)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (text(), text()),
        (text(EventId="a"), text(EventId="b")),
        (text(), text(Event={"itemId": "i", "eventValue": 2})),
        (text(), text() + "\r"),
    ],
)
def test_equal_events_of_one_moment_are_a_second_apart(one, other):
    found = read((one, AT, 1), (other, AT, 2))
    times = sorted(event_of(record).entry["sentAt"] for line in found for record in line.records)
    assert (times[1] - times[0]).total_seconds() >= 1
    assert times[1] <= datetime.fromisoformat(AT)


def test_equal_events_of_two_moments_keep_their_times():
    later = "2026-01-31T12:30:00.000Z"
    times = [line.records[0].arrived_at for line in read((text(), AT, 1), (text(), later, 2))]
    assert times == [datetime.fromisoformat(AT), datetime.fromisoformat(later)]


def test_joined_records_are_an_event_each():
    [line] = read((text(UserId="a") + text(UserId="b"), AT, 1))
    assert [json.loads(each.data)["UserId"] for each in line.records] == ["a", "b"]
    assert len({each.derived_id for each in line.records}) == 2
    assert not line.has_others


@pytest.mark.parametrize("odd", ["no JSON", '{"SessionId": "s", "Ev', "[1]"])
def test_what_is_no_event_is_said(odd):
    [line] = read((odd, AT, 1))
    assert (line.records, line.has_others) == ([], True)


def test_an_object_that_is_no_event_is_left_to_delivery_which_says_why():
    [line] = read(('{"broken": 1}', AT, 1))
    assert len(line.records) == 1


@pytest.mark.parametrize("arrived", [AT, "2026-01-31T99:00:00.000Z", "9999-12-31T23:59:59Z", "no time"])
def test_a_time_of_arrival_that_is_none_ends_nothing(arrived):
    lines = read((text(), arrived, 1), (text(), arrived, 2))
    assert all(line.records[0].arrived_at.tzinfo is not None for line in lines)


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds


def test_in_no_second_are_there_more_calls_than_were_asked_for():
    clock, times = Clock(), []

    class Client:
        def put_events(self, **arguments):
            times.append(clock.now)
            clock.now += 0.0004 * (len(times) % 7)
            return arguments

    client = PacedClient(Client(), Pace(250, clock, clock.sleep))
    assert [client.put_events(number=n) for n in range(1000)] == [{"number": n} for n in range(1000)]
    assert client.pace.calls == 1000
    assert min(later - sooner for sooner, later in zip(times, times[250:], strict=False)) >= 1 - 1e-9
    assert times[-1] == pytest.approx(999 / 250, rel=0.01)


def test_threads_share_a_pace():
    turns, lock = [], threading.Lock()

    def sleep(seconds):
        with lock:
            turns.append(seconds)

    pace = Pace(100, lambda: 0.0, sleep)

    def work():
        for _ in range(50):
            pace.wait()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(later - sooner == pytest.approx(0.01) for sooner, later in pairwise(sorted(turns)))
    assert len(turns) == 199, "the first one need not wait"


def test_a_pace_that_is_stopped_makes_no_further_call():
    made = []

    class Client:
        def put_events(self, **_):
            made.append(None)

    pace = Pace(0.001, time.monotonic)
    client = PacedClient(Client(), pace)
    client.put_events()
    failures = []

    def call():
        try:
            client.put_events()
        except ClientError as error:
            failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(5)]
    for thread in threads:
        thread.start()
    pace.stop()
    for thread in threads:
        thread.join(10)
    assert (len(made), len(failures), pace.calls) == (1, 5, 1)


@pytest.mark.parametrize(
    "error",
    [
        NoCredentialsError(),
        TokenRetrievalError(provider="sso", error_msg="x"),
        ClientError({"Error": {"Code": "ExpiredTokenException"}}, "PutEvents"),
    ],
)
def test_credentials_that_end_are_kept_for_the_person_at_the_terminal(error):
    class Client:
        def put_events(self, **_):
            raise error

    client = PacedClient(Client(), Pace(1000, time.monotonic))
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_events()
    assert client.failure is error


def test_a_position_is_that_of_the_same_lines_only(tmp_path):
    lines = [ArchivedLine(text(EventId=str(number)), 1, (), has_others=False) for number in range(5)]
    read = HashedLines(DAY, lines, {"2026-01-30": 7})
    for _ in range(3):
        next(read)
    kept = PositionFile(tmp_path / "kept" / "x.json")
    assert kept.read() == Position()
    kept.write(read.position)
    position = kept.read()
    assert position == read.position
    again = HashedLines(DAY, lines, {})
    assert again.skip_to(position)
    assert [*again] == lines[3:]
    for others in ([*lines[1:], lines[0]], [lines[0], *lines], lines[:2], []):
        assert not HashedLines(DAY, others, {}).skip_to(position)
    days = [DayCount("2026-01-30", 7, 0), DayCount(DAY, 5, 0), DayCount("2026-02-01", 4, 0)]
    assert [position.is_done(day) for day in days] == [True, False, False]
    assert not position.is_done(DayCount("2026-01-30", 8, 0)), "an object came late"
    assert position.remaining_lines(days) == 2 + 4
    kept.path.write_text("{}x")
    assert kept.read() == Position()
    kept.remove()
    kept.remove()
