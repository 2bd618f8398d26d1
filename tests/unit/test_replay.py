"""Lines of the archive become records in their order, calls are paced, and a position is exact."""

import json
import threading
from itertools import pairwise

import pytest

from chalicelib.records import from_record
from ops.replay.pace import Pace, PacedClient
from ops.replay.position import HashedLines, Position, PositionFile
from ops.replay.rows import ArchivedLine, in_order, records_of

AT = "2026-01-31T12:00:00.000Z"


def line(number=1, arrived=AT, **members):
    event = {"SessionId": "s", "EventType": "view", "Event": {"itemId": "i"}, **members}
    return ArchivedLine(json.dumps(event), arrived, number)


def rows(*lines):
    return [(each.text, each.arrived, str(each.number)) for each in lines]


def test_events_of_one_moment_are_in_the_order_of_their_time():
    first = line(SentAt="2026-01-31T13:00:01+02:00", ReceivedAt=AT)
    second, third = line(SentAt=1769857200, ReceivedAt=AT), line(ReceivedAt=AT)
    earlier, odd = line(arrived="2026-01-31T11:00:00.000Z", SentAt=1e9), ArchivedLine("no JSON", AT, 1)
    found = [*in_order(rows(earlier, third, odd, second, first))]
    assert found[0] == earlier
    assert found.index(second) < found.index(first) < found.index(third)
    assert {*found} == {earlier, odd, first, second, third}
    assert [*in_order(rows(earlier, odd, first, second, third))] == found, "whatever the order of equal rows"


def test_an_event_keeps_its_id_and_its_bytes():
    own = line(EventId="own", ReceivedAt=AT)
    ((record,), has_others) = records_of(own)
    assert record.data == own.text.encode()
    assert not has_others
    assert (
        from_record(record.data, fallback_id=record.derived_id, arrived_at=record.arrived_at).event_id
        == "own"
    )


def test_an_event_without_an_id_gets_one_of_its_line_and_its_number():
    ids = [records_of(line(number=number))[0][0].derived_id for number in (1, 2, 1)]
    assert ids[0] == ids[2] != ids[1]
    assert records_of(line(EventType="buy"))[0][0].derived_id not in ids
    assert all(len(each) <= 256 for each in ids)


def test_equal_events_without_an_id_are_a_second_apart():
    first, second = (records_of(line(number=number))[0][0] for number in (1, 2))
    assert (second.arrived_at - first.arrived_at).total_seconds() == 1


def test_joined_records_are_an_event_each():
    joined = ArchivedLine(line(UserId="a").text + line(UserId="b").text, AT, 1)
    records, has_others = records_of(joined)
    assert [json.loads(each.data)["UserId"] for each in records] == ["a", "b"]
    assert len({each.derived_id for each in records}) == 2
    assert not has_others


@pytest.mark.parametrize("text", ["no JSON", '{"SessionId": "s", "Ev', "[1]"])
def test_what_is_no_event_is_said(text):
    assert records_of(ArchivedLine(text, AT, 1)) == ([], True)


@pytest.mark.parametrize("arrived", [AT, "2026-01-31T99:00:00.000Z", "2026-99-99T00:00:00.000Z"])
def test_a_time_of_arrival_that_is_none_ends_nothing(arrived):
    (record,), _ = records_of(line(arrived=arrived))
    assert record.arrived_at.tzinfo is not None


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


def test_a_position_is_that_of_the_same_lines_only(tmp_path):
    lines = [line(EventId=str(number)) for number in range(5)]
    read = HashedLines("2026-01-31", lines)
    for _ in range(3):
        next(read)
    kept = PositionFile(tmp_path / "kept" / "x.json")
    assert kept.read() == Position()
    kept.write(read.position)
    again = HashedLines("2026-01-31", lines)
    assert again.skip_to(kept.read())
    assert [*again] == lines[3:]
    for others in ([*lines[1:], lines[0]], [lines[0], *lines], lines[:2], []):
        assert not HashedLines("2026-01-31", others).skip_to(kept.read())
    kept.path.write_text("{}x")
    assert kept.read() == Position()
    kept.remove()
    kept.remove()
